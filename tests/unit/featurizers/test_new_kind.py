"""A kind of input and a kind of output, each added by one class: every part of the package has it."""

import json
import re
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from torchvitals import (
    Baseline,
    BaselineError,
    ConfigurationError,
    Features,
    MonitoredModel,
    MonitoringConfig,
)
from torchvitals.cli import app
from torchvitals.config import read_config
from torchvitals.featurizers import INPUTS, Featurizer, detect
from torchvitals.featurizers.outputs import OUTPUTS, Outputs
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.training.baseline import BaselineBuilder
from torchvitals.training.difference import differences
from torchvitals.worker.learning import BaselineLearner
from torchvitals.worker.monitor import Monitor

ROWS, TRACKS, SAMPLES = 400, 2, 30


class Sounds(Featurizer, msgspec.Struct, frozen=True, tag="sounds", tag_field="kind"):
    """Inputs that are sounds, (n, tracks, samples)."""

    tracks: int

    @property
    def names(self):
        return ["loudness", "crossings"]

    def accepts(self, value):
        return getattr(value, "ndim", 0) == 3 and value.shape[1] == self.tracks

    def transform(self, batch):
        crossings = (batch[:, :, 1:] * batch[:, :, :-1] < 0).float().mean((1, 2))
        return torch.stack([batch.float().abs().mean((1, 2)), crossings], dim=1)

    @classmethod
    def recognises(cls, value, names):
        return getattr(value, "ndim", 0) == 3

    @classmethod
    def of(cls, batch):
        if batch.ndim != 3:
            raise BaselineError(f"sounds have shape {batch.shape}; give (sounds, tracks, samples)")
        return cls(tracks=batch.shape[1])


class Ranges(Outputs, msgspec.Struct, frozen=True, kw_only=True, tag="ranges", tag_field="kind"):
    """Outputs that are a low and a high value, (n, 2, 1)."""

    scores: str = "values"
    classes: list[str] = []

    features: ClassVar[tuple[str, ...]] = ("middle", "width")

    @classmethod
    def recognises(cls, scores):
        return scores.ndim == 3

    @classmethod
    def of(cls, scores, class_names=None):
        return cls()

    def signals(self, scores):
        low, high = np.asarray(scores, dtype=float)[:, :, 0].T
        return {"middle": (low + high) / 2, "width": high - low}


@pytest.fixture(autouse=True)
def registered():
    INPUTS.register(Sounds)
    OUTPUTS.register(Ranges)
    yield
    INPUTS.unregister("sounds")
    OUTPUTS.unregister("ranges")


def sounds(rows=ROWS, seed=0, loud=1.0):
    return (np.random.default_rng(seed).normal(size=(rows, TRACKS, SAMPLES)) * loud).astype(np.float32)


@pytest.fixture
def baseline():
    return Baseline.fit(sounds(), name="radio")


def test_it_is_told_from_its_shape_and_described(baseline):
    assert detect(sounds(1)) == "sounds"
    assert baseline.inputs == Sounds(tracks=TRACKS)
    assert [feature.name for feature in baseline.features] == ["loudness", "crossings"]
    assert baseline.features[0].mean == pytest.approx(np.abs(sounds()).mean(), rel=1e-6)
    assert baseline.features[0].count == ROWS


def test_batches_and_merged_parts_give_the_same(baseline):
    assert Baseline.from_batches(np.array_split(sounds(), 5)).features == baseline.features
    builders = [BaselineBuilder() for _ in range(2)]
    for builder, half in zip(builders, np.array_split(sounds(), 2)):
        builder.update(torch.from_numpy(half))
    assert builders[0].merge(builders[1]).baseline().features == baseline.features


def test_it_reads_back_the_same_and_merges_from_files(baseline, tmp_path):
    baseline.save(tmp_path / "radio-1.0.json")
    assert json.loads((tmp_path / "radio-1.0.json").read_text())["inputs"] == {
        "kind": "sounds",
        "tracks": TRACKS,
    }
    assert Baseline.load(tmp_path / "radio-1.0.json") == baseline
    mergeable = Baseline.from_batches([sounds()], mergeable=True)
    both = mergeable.merge(mergeable)
    assert (both.inputs, both.samples) == (baseline.inputs, 2 * ROWS)


def test_the_command_line_builds_and_compares_it(baseline, tmp_path):
    for name, data in (("a", sounds()), ("b", sounds(seed=1, loud=2.0))):
        rows = [[track.tolist() for track in row] for row in data]
        pd.DataFrame({"audio": rows}).to_parquet(tmp_path / f"{name}.parquet")
        (tmp_path / "config.yaml").write_text("handler: {monitoring: {features: {inputs: sounds}}}")
        command = [
            "baseline",
            "build",
            "--data",
            f"{tmp_path}/{name}.parquet",
            "--output",
            f"{tmp_path}/{name}.json",
        ]
        result = CliRunner().invoke(app, [*command, "--config", f"{tmp_path}/config.yaml"])
        assert result.exit_code == 0, result.output
    assert Baseline.load(tmp_path / "a.json").features == baseline.features
    result = CliRunner().invoke(app, ["baseline", "compare", f"{tmp_path}/a.json", f"{tmp_path}/b.json"])
    assert "1 of 2 features have a PSI of 0.1 or more." in result.output


def test_the_difference_of_two_is_that_of_their_features(baseline):
    louder = Baseline.fit(sounds(seed=1, loud=2.0))
    found = {difference.name: difference for difference in differences(baseline, louder)}
    assert found["loudness"].psi > 1 > found["crossings"].psi
    with pytest.raises(BaselineError, match="the baselines describe sounds and columns"):
        differences(baseline, Baseline.fit(np.zeros((9, 2))))


def test_it_is_served(baseline):
    publisher = MemoryPublisher()
    model = MonitoredModel(lambda rows: rows.mean((1, 2)), baseline, publisher=publisher)
    model.predict(torch.from_numpy(sounds(seed=2, loud=3.0)))
    report = model.summary()["drift"]
    model.close()
    assert report.features["loudness"].psi > 1 > report.features["crossings"].psi
    assert publisher.value(m.WINDOW_SAMPLES, "1000", "0") == ROWS
    assert publisher.total(m.MONITOR_ERRORS) == 0
    assert publisher.value(m.INPUT_INVALID, "all", "bad_shape") == 0


def test_it_is_learned_while_it_is_served(tmp_path):
    learner = BaselineLearner(ROWS, folder=tmp_path, name="radio", version="1.0")
    publisher = MemoryPublisher()
    monitor = Monitor(
        MonitoringConfig(learn=ROWS, window=200, overhead_budget=None), publisher, learner=learner
    )
    for batch in np.array_split(sounds(), 4):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, torch.from_numpy(batch))
        monitor.recorder.finish(call, requests=len(batch), failed=0)
    monitor.flush()
    learned = Baseline.load(learner.path)
    assert learned.inputs == Sounds(tracks=TRACKS)
    assert learned.features == Baseline.fit(sounds()).features
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_the_features_section_knows_it_while_it_is_registered(baseline):
    section = {"handler": {"monitoring": {"features": {"inputs": "sounds"}}}}
    read_config(section).features.check(baseline)
    with pytest.raises(ConfigurationError, match="inputs: it says images, and the baseline describes sounds"):
        Features(inputs="images").check(baseline)


def test_an_unknown_kind_is_one_clear_error_that_lists_the_known_ones(baseline, tmp_path):
    path = tmp_path / "radio-1.0.json"
    baseline.save(path)
    content = json.loads(path.read_text())
    content["inputs"]["kind"] = "smells"
    path.write_text(json.dumps(content))
    known = "known kinds: columns, embeddings, tokens, images, texts, sounds"
    with pytest.raises(BaselineError, match=f"radio-1.0.json': inputs: unknown kind 'smells'; {known}"):
        Baseline.load(path)
    with pytest.raises(ConfigurationError, match=f"inputs: unknown kind 'smells'; {known}"):
        Features(inputs="smells")
    content["inputs"] = {"kind": "sounds", "tracks": "two"}
    path.write_text(json.dumps(content))
    with pytest.raises(BaselineError, match="inputs of kind 'sounds': Expected `int`, got `str`"):
        Baseline.load(path)
    content["inputs"] = {"kind": "columns"}
    path.write_text(json.dumps(content))
    with pytest.raises(BaselineError, match="inputs of kind 'columns' are features already"):
        Baseline.load(path)


def test_batches_of_another_shape_are_refused():
    builder = BaselineBuilder()
    builder.update(sounds(9))
    with pytest.raises(
        BaselineError, match="a batch holds sounds with tracks = 1, the first one sounds with tracks = 2"
    ):
        builder.update(sounds(9)[:, :1])


def test_a_kind_of_output_is_described_compared_and_read_back(tmp_path):
    rng = np.random.default_rng(5)
    low = rng.normal(size=(ROWS, 1, 1))
    outputs = np.concatenate([low, low + rng.exponential(size=(ROWS, 1, 1))], axis=1)
    rows = rng.normal(size=(ROWS, 1))
    built = Baseline.fit(rows, outputs=outputs)
    assert built.outputs == Ranges()
    assert [feature.name for feature in built.of_source("output")] == ["middle", "width"]
    builder = BaselineBuilder()
    for part in (slice(0, 150), slice(150, ROWS)):
        builder.update(rows[part], outputs=outputs[part])
    assert builder.baseline().features == built.features
    built.save(tmp_path / "ranges-1.0.json")
    assert Baseline.load(tmp_path / "ranges-1.0.json") == built
    moved = outputs + np.array([0.0, 3.0])[None, :, None]
    assert built.compare(rows, outputs=moved).features["width"].drifted
    content = json.loads((tmp_path / "ranges-1.0.json").read_text())
    content["outputs"]["kind"] = "smells"
    (tmp_path / "ranges-1.0.json").write_text(json.dumps(content))
    with pytest.raises(
        BaselineError,
        match=r"outputs: unknown kind 'smells'; known kinds: regression, classification, .*, ranges",
    ):
        Baseline.load(tmp_path / "ranges-1.0.json")


def test_a_name_that_is_taken_is_refused():
    class Others(Featurizer, msgspec.Struct, frozen=True, tag="sounds", tag_field="kind"):
        pass

    with pytest.raises(ValueError, match="the kind of inputs 'sounds' is registered already"):
        INPUTS.register(Others)
    assert INPUTS.named("sounds") is Sounds


def test_the_example_of_the_docs_works():
    INPUTS.unregister("sounds")
    page = (Path(__file__).parents[3] / "docs" / "what-is-compared.md").read_text()
    (example,) = [
        code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "INPUTS.register" in code
    ]
    exec(example, {})
    built = Baseline.fit(sounds())
    assert (built.input_kind, [feature.name for feature in built.features]) == (
        "sounds",
        ["loudness", "peak"],
    )
    assert built.features[1].max == float(np.abs(sounds()).max())
