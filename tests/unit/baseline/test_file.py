"""Building, saving, reading and refusing baselines."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from torchvitals import Baseline, BaselineError

rng = np.random.default_rng(2)


def training(rows=2000):
    return np.column_stack([rng.normal(10, 2, rows), rng.integers(0, 3, rows)])


def logits(rows=2000):
    return rng.normal(size=(rows, 3))


@pytest.fixture
def saved(tmp_path):
    baseline = Baseline.fit(
        training(), feature_names=["amount", "kind"], outputs=logits(), name="fraud", version="2.0"
    )
    path = tmp_path / "fraud-2.0.json"
    baseline.save(path)
    return baseline, path


def test_facts_of_a_column():
    values = np.array([1.0, 2.0, 3.0, np.nan] * 500)
    feature = Baseline.fit(values.reshape(-1, 1), feature_names=["x"]).features[0]
    assert (feature.count, feature.missing, feature.min, feature.max) == (1500, 500, 1.0, 3.0)
    assert feature.mean == pytest.approx(2.0)
    assert feature.std == pytest.approx(np.std([1, 2, 3]))
    assert feature.counts == [500, 500, 500, 0, 500]


def test_a_saved_baseline_reads_back_the_same(saved):
    baseline, path = saved
    assert Baseline.load(path) == baseline
    assert len(baseline.sha256) == 64
    assert baseline.outputs.kind == "classification"
    assert [f.name for f in baseline.of_source("output")] == [
        "predicted_class",
        "confidence",
        "entropy",
        "margin",
        "energy",
    ]


def test_it_holds_no_raw_row(saved):
    baseline, path = saved
    numbers = sum(len(f.quantiles) + len(f.edges) for f in baseline.features)
    assert numbers < len(baseline.features) * 520
    assert path.stat().st_size < 90_000


def test_infinite_values_leave_the_moments_finite():
    values = np.concatenate([rng.normal(size=1000), [np.inf, -np.inf]])
    feature = Baseline.fit(values.reshape(-1, 1)).features[0]
    assert feature.count == 1002
    assert np.isfinite([feature.mean, feature.std, feature.min, feature.max]).all()
    assert sum(feature.counts) == 1002


def test_text_columns_are_categorical():
    frame = pd.DataFrame({"carrier": ["UA", "AA", None, "UA"] * 100, "distance": rng.normal(size=400)})
    baseline = Baseline.fit(frame)
    feature = baseline.features[0]
    assert (feature.kind, feature.categories, feature.counts) == (
        "categorical",
        ["AA", "UA"],
        [100, 200, 0, 100],
    )
    same = baseline.compare(frame)
    assert not same.drifted
    moved = frame.assign(carrier="ZZ")
    drift = baseline.compare(moved).features["carrier"]
    assert drift.drifted
    assert math.isnan(drift.wasserstein_distance)


def test_boolean_columns_are_discrete():
    frame = pd.DataFrame({"weekend": np.arange(1000) % 7 > 4})
    assert Baseline.fit(frame).features[0].kind == "discrete"


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (lambda c: c["features"][0]["counts"].pop(), "feature 'amount' has 10 counts for 11 bins"),
        (lambda c: c["features"][0]["counts"].__setitem__(0, -1), "feature 'amount': counts do not add up"),
        (lambda c: c["features"][0]["edges"].reverse(), "feature 'amount': edges do not ascend"),
        (lambda c: c["features"][0]["quantiles"].reverse(), "feature 'amount': quantiles do not ascend"),
        (
            lambda c: c["features"][0].pop("mean"),
            re.escape("missing required field `mean` - at `$.features[0]`"),
        ),
        (lambda c: c["features"][0].__setitem__("kind", "fuzzy"), "Invalid enum value 'fuzzy'"),
        (lambda c: c["features"].append(c["features"][0]), "feature 'amount' stands twice"),
        (lambda c: c.__setitem__("features", []), "it has no features"),
        (lambda c: c.__setitem__("schema", "torchvitals/baseline/9"), "schema is 'torchvitals/baseline/9'"),
        (lambda c: c.__setitem__("created", "yesterday"), "created is 'yesterday'"),
        (lambda c: c.__setitem__("samples", 7), "does not match its sha256"),
    ],
)
def test_a_damaged_baseline_is_refused_with_file_field_and_mend(saved, edit, complaint):
    _, path = saved
    change(path, edit)
    with pytest.raises(BaselineError, match=complaint) as refusal:
        Baseline.load(path)
    assert str(path) in str(refusal.value)
    assert "rebuild it with 'torchvitals baseline build'" in str(refusal.value)


def test_a_truncated_baseline_is_refused(saved):
    _, path = saved
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BaselineError, match=r"fraud-2\.0\.json' is not whole JSON"):
        Baseline.load(path)


def test_a_missing_baseline_is_refused(tmp_path):
    with pytest.raises(BaselineError, match="cannot be read: No such file"):
        Baseline.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("X", "options", "complaint"),
    [
        (np.empty((0, 3)), {}, "no rows"),
        (np.zeros(5), {}, r"shape \(5,\)"),
        (np.zeros((50, 2)), {"feature_names": ["a"]}, "1 different feature names for 2 columns"),
        (np.zeros((50, 2)), {"feature_names": ["a", "a"]}, "1 different feature names for 2 columns"),
        (np.zeros((50, 2)), {"outputs": np.zeros((49, 3))}, "outputs have 49 rows, the data have 50"),
        (np.zeros((50, 2)), {"outputs": np.zeros((50, 3)), "class_names": ["a"]}, "1 class names"),
        (pd.DataFrame({"a": [1.0]}), {"feature_names": ["b"]}, "no column 'b'; they have: a"),
    ],
)
def test_unusable_training_data_are_refused(X, options, complaint):
    with pytest.raises(BaselineError, match=complaint):
        Baseline.fit(X, **options)


def test_rows_of_another_width_are_refused(saved):
    baseline, _ = saved
    with pytest.raises(
        BaselineError, match=r"rows have 3 values, baseline .fraud. version 2\.0 has 2 input features"
    ):
        baseline.compare(np.zeros((10, 3)))
