"""`baseline show` and `baseline compare` of a model with many classes."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from torchvitals.cli import app
from torchvitals.featurizers.outputs import Classification
from torchvitals.training.fitting import categorical_feature, new_baseline


def written(path, counts):
    names = [f"c{place}" for place in range(100_000)]
    feature = categorical_feature(
        counts,
        count=sum(counts.values()),
        missing=0,
        name="predicted_class",
        source="output",
        categories=names,
    )
    outputs = Classification(scores="logits", classes=names)
    baseline = new_baseline([feature], outputs, samples=sum(counts.values()), name="wide", version="1.0")
    baseline.save(path)
    return str(path)


def run(*words):
    result = CliRunner().invoke(app, ["baseline", *words], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two baselines of 100,000 classes; between them one class doubles."""
    folder = tmp_path_factory.mktemp("wide")
    rest = {f"c{place}": 1 for place in range(1000, 9000)}
    a = written(folder / "a-1.0.json", {"c7": 1000, "c50000": 1000, **rest})
    return a, written(folder / "b-1.0.json", {"c7": 1000, "c50000": 2000, **rest})


def test_show_prints_the_largest_and_a_summary(files):
    shown = run("show", files[0])
    assert (
        "predicted_class: 100,000 categories, 8,002 of them seen; the largest: c7 10.0%, c50000 10.0%, "
        "c1000 0.0%, c1001 0.0%, c1002 0.0%; the others 80.0%" in shown
    )
    assert len(shown) < 3000


def test_compare_prints_what_changed_most_and_no_noise(files):
    shown = run("compare", *files)
    assert "changed most, A to B: c50000 10.0% to 18.2%, c7 10.0% to 9.1%" in shown
    assert "1 of 1 features have a PSI" not in shown
    assert run("compare", files[0], files[0]).count("changed most, A to B: none") == 1
    assert len(shown) < 3000
