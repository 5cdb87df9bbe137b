"""Every kind of output through the whole monitor: silent while all is well, and a fault of the kind is seen."""

import numpy as np
import pytest
import torch

from torchvitals import Baseline, MonitoredModel, MonitoringConfig
from torchvitals.baseline.binning import Binning
from torchvitals.baseline.describing import described_outputs
from torchvitals.featurizers.kinds import kind_of
from torchvitals.featurizers.outputs import OUTPUTS, NoOutputs
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m

from .outputs_by_kind import CASES

ROWS, BATCH, CALLS = 3000, 50, 16
# Every reduced output is taken, whatever else the machine does meanwhile.
QUIET = MonitoringConfig(flush_interval=10, window=500, warmup=0, overhead_budget=None)
INPUTS = np.random.default_rng(1).normal(size=(ROWS, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def baselines():
    """Return a function that gives a case's baseline, built once from batches as a model gives them."""
    built = {}

    def of(name):
        if name not in built:
            case, rng = CASES[name], np.random.default_rng(7)
            built[name] = Baseline.from_batches(
                np.array_split(INPUTS, 10),
                model=lambda rows: case.healthy(rng, len(rows)),
                features=case.features,
                class_names=case.class_names,
            )
        return built[name]

    return of


def served(baseline, gives, *, seed):
    """Serve; return what was published, the last report, and what the model is said to suffer from."""
    rng, publisher = np.random.default_rng(seed), MemoryPublisher()
    with MonitoredModel(
        lambda rows: gives(rng, len(rows)), baseline, config=QUIET, publisher=publisher
    ) as model:
        for call in range(CALLS):
            start = rng.integers(0, ROWS - BATCH)
            model.predict(torch.from_numpy(INPUTS[start : start + BATCH]))
            if call % 4 == 3:
                model.monitor.flush()
        found = [text for text in model.check_anomalies() if not text.startswith("high latency")]
        report = model.summary()["drift"]
    return publisher, report, found


@pytest.mark.parametrize("name", CASES)
def test_a_healthy_model_is_silent_and_all_of_it_is_seen(baselines, name, tmp_path):
    case, baseline = CASES[name], baselines(name)
    assert baseline.outputs.sentence == case.sentence
    assert case.sentence in described_outputs(baseline)
    baseline.save(tmp_path / "model-1.0.json")
    assert Baseline.load(tmp_path / "model-1.0.json") == baseline
    publisher, report, found = served(baseline, case.healthy, seed=8)
    drifted = [feature for feature, drift in report.features.items() if drift.drifted]
    assert (drifted, found) == ([], [])
    assert publisher.value(m.ANOMALIES, "imbalanced_output") == 0
    assert publisher.total(m.MONITOR_ERRORS) == publisher.total(m.MONITOR_UNSEEN) == 0
    assert publisher.total(m.MONITOR_DROPPED) == 0
    outputs = baseline.of_source("output")
    binning = Binning(outputs)
    for place, feature in enumerate(outputs):
        seen = [
            publisher.value(m.OBSERVATIONS, "output", feature.name, label) for label in binning.labels(place)
        ]
        assert sum(seen) == BATCH * CALLS
    whole = 1 / 2 if "NaN" in name else 1
    assert publisher.total(m.PREDICTIONS) == (BATCH * CALLS * whole if case.counted else 0)
    if "confidence" not in {feature.name for feature in outputs}:
        assert publisher.value(m.CONFIDENCE.count) == 0


def test_every_kind_has_a_case(baselines):
    """The kind of no outputs is that of every model in inputs_by_kind.py."""
    kinds = {kind_of(type(baselines(name).outputs)) for name in CASES} | {kind_of(NoOutputs)}
    assert kinds == {kind_of(kind) for kind in OUTPUTS}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_of_the_kind_is_seen_in_the_right_feature_first(baselines, name):
    case = CASES[name]
    publisher, report, _ = served(baselines(name), case.broken, seed=9)
    drifted = [
        feature for feature, drift in report.features.items() if drift.drifted and drift.source == "output"
    ]
    assert drifted[:1], "nothing was flagged"
    assert drifted[0] in case.first
    assert publisher.total(m.MONITOR_ERRORS) == 0


@pytest.mark.parametrize("name", CASES)
def test_in_batches_in_one_piece_and_one_at_a_time_outputs_are_the_same(baselines, name):
    """What was built from ten batches is what one comparison of as many rows finds no drift in."""
    case, baseline = CASES[name], baselines(name)
    rng = np.random.default_rng(7)
    outputs = case.healthy(rng, ROWS)
    fitted = Baseline.fit(INPUTS, outputs=outputs, features=case.features, class_names=case.class_names)
    assert fitted.outputs.model == baseline.outputs.model
    assert [f.name for f in fitted.of_source("output")] == [f.name for f in baseline.of_source("output")]
    assert not fitted.compare(INPUTS, outputs=outputs).drifted
