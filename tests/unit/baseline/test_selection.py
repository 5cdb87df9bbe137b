"""The `features:` section: what is compared, in building a baseline and in serving."""

import numpy as np
import pytest
import torch

from torchvitals import Baseline, BaselineError, ConfigurationError, DriftMonitor, Features, Monitor
from torchvitals.config import read_config
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m


@pytest.fixture(scope="module")
def baseline():
    rng = np.random.default_rng(1)
    names = ["amount", "age", "hour"]
    return Baseline.fit(rng.normal(size=(5000, 3)), feature_names=names, outputs=rng.normal(size=(5000, 4)))


def config_of(**features):
    return read_config({"handler": {"monitoring": {"window": 500, "features": features}}})


def served(baseline, config):
    """Return what a monitor publishes of rows in which `amount` and `age` have moved."""
    rng = np.random.default_rng(2)
    publisher = MemoryPublisher()
    monitor = Monitor(config, publisher, baseline=baseline)
    for _ in range(2):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, torch.tensor(rng.normal(size=(500, 3)) + [1, 1, 0]))
        monitor.recorder.outputs(call, torch.tensor(rng.normal(size=(500, 4))))
        monitor.recorder.finish(call, requests=500, failed=0)
        monitor.flush()
    return publisher


def shown(publisher):
    return {labels[1] for (name, labels) in publisher.series if name == m.feature_gauge("psi").name}


ALL = {
    "amount",
    "age",
    "hour",
    "row_distance",
    "predicted_class",
    "confidence",
    "entropy",
    "margin",
    "energy",
}


def test_by_default_all_of_the_baseline_is_compared(baseline):
    publisher = served(baseline, config_of())
    assert shown(publisher) == ALL
    assert publisher.value(m.DRIFTED, "input", "age", "500", "0") == 1


def test_ignored_features_are_neither_judged_nor_shown(baseline):
    publisher = served(baseline, config_of(ignore=["age", "hour"], row_distance=False))
    assert shown(publisher) == ALL - {"age", "hour", "row_distance"}
    assert publisher.value(m.DRIFTED, "input", "amount", "500", "0") == 1
    assert publisher.value(m.DRIFTED_RATIO, "500", "0") == pytest.approx(1 / 6)


def test_outputs_are_chosen(baseline):
    assert shown(served(baseline, config_of(outputs=["entropy"]))) == {
        "amount",
        "age",
        "hour",
        "row_distance",
        "entropy",
    }


def test_a_feature_may_have_a_floor_of_its_own(baseline):
    publisher = served(baseline, config_of(psi={"age": 5.0}))
    assert publisher.value(m.DRIFTED, "input", "amount", "500", "0") == 1
    assert publisher.value(m.DRIFTED, "input", "age", "500", "0") == 0


def test_the_same_in_python(baseline):
    rng = np.random.default_rng(3)
    monitor = DriftMonitor(baseline, window=500, psi_floors={"age": 5.0}, ignored={("input", "hour")})
    monitor.update(rng.normal(size=(500, 3)) + 1)
    features = monitor.report().features
    assert (features["amount"].drifted, features["age"].drifted) == (True, False)
    assert "hour" not in features


def test_what_is_built_is_chosen_too():
    rng = np.random.default_rng(4)
    wanted = Features(row_distance=False, outputs=["confidence"])
    baseline = Baseline.fit(rng.normal(size=(1000, 2)), outputs=rng.normal(size=(1000, 3)), features=wanted)
    assert [feature.name for feature in baseline.features] == ["f0", "f1", "confidence"]
    batches = Baseline.from_batches([rng.normal(size=(1000, 2))], features=wanted)
    assert [feature.name for feature in batches.features] == ["f0", "f1"]


def test_of_two_classes_entropy_and_margin_say_nothing_new_and_are_left_out():
    rng = np.random.default_rng(5)
    rows, logits = rng.normal(size=(1000, 1)), rng.normal(size=(1000, 2))
    two = Baseline.fit(rows, outputs=logits, class_names=["no", "yes"])
    assert [feature.name for feature in two.of_source("output")] == ["predicted_class", "confidence"]
    asked = Baseline.fit(rows, outputs=logits, features=Features(outputs=["margin", "entropy"]))
    assert [feature.name for feature in asked.of_source("output")] == ["entropy", "margin"]


def test_entropy_and_margin_are_what_their_names_say(baseline):
    logits = np.log(np.array([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 1e-300, 1e-300]]))
    monitor = DriftMonitor(baseline, window=3)
    monitor.update(np.zeros((3, 3)), outputs=logits)
    rows = monitor._windows["output"][3].view().rows
    assert rows[:, 2] == pytest.approx([0.94045, np.log(4), np.log(2)], abs=1e-4)
    assert rows[:, 3] == pytest.approx([0.6, 0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        (
            {"ignore": ["ammount"]},
            r"features\.ignore: the baseline has no feature 'ammount'; did you mean 'amount'\?",
        ),
        (
            {"psi": {"income": 0.2}},
            r"features\.psi: the baseline has no feature 'income'; it has: amount, age, hour",
        ),
        ({"outputs": ["value"]}, r"features\.outputs: the baseline has no feature 'value'"),
        ({"inputs": "images"}, r"features\.inputs: it says images, and the baseline describes columns"),
    ],
)
def test_a_section_that_does_not_fit_the_baseline_is_refused(baseline, section, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        config_of(**section).features.check(baseline)


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"input": "images"}, r"features: unknown key 'input'; did you mean 'inputs'\?"),
        (
            {"inputs": "sounds"},
            r"handler\.monitoring\.features: inputs: unknown kind 'sounds'; known kinds: columns, ",
        ),
        (
            {"outputs": ["confidense"]},
            "features: outputs: unknown feature 'confidense'; known features: ",
        ),
        ({"psi": {"a": -1}}, r"handler\.monitoring\.features\.psi\[\.\.\.\]: expected `float` >= 0"),
    ],
)
def test_a_wrong_section_says_where(section, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        config_of(**section)


def test_an_output_that_the_model_does_not_have_is_refused():
    with pytest.raises(BaselineError, match="a regression model has no 'entropy'; it has value"):
        Baseline.fit(np.zeros((300, 1)), outputs=np.zeros(300), features=Features(outputs=["entropy"]))
