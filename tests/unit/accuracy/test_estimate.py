"""Accuracy without labels: what confidence is worth, the estimate, and where it goes wrong."""

import numpy as np
import pytest

from torchvitals import Baseline, BaselineError, DriftMonitor, MonitoredModel
from torchvitals.accuracy.estimate import (
    BINS,
    WITHHELD_REASONS,
    Accuracy,
    ExpectedAccuracy,
    count_accuracy,
)
from torchvitals.featurizers.outputs import output_signals
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.drift import DriftTelemetry
from torchvitals.training import BaselineBuilder

CLASSES = ["no", "yes"]


def served(rng, rows, difficulty=1.0, overconfidence=2.0):
    """Return inputs, logits and labels of a model that says `overconfidence` times the log odds that it has."""
    inputs = rng.normal(scale=1 / difficulty, size=(rows, 1))
    truth = 1 / (1 + np.exp(-2 * inputs[:, 0]))
    labels = (rng.random(rows) < truth).astype(int)
    return inputs, np.hstack([np.zeros((rows, 1)), overconfidence * 2 * inputs]), labels


@pytest.fixture(scope="module")
def baseline():
    inputs, logits, labels = served(np.random.default_rng(1), 20_000)
    return Baseline.fit(inputs, outputs=logits, labels=labels, class_names=CLASSES)


@pytest.mark.parametrize("difficulty", [0.5, 1.0, 2.0, 4.0])
def test_the_estimate_follows_the_true_accuracy_of_an_overconfident_model(baseline, difficulty):
    """Harder inputs are nearer to the border between the classes; what they mean does not change."""
    inputs, logits, labels = served(np.random.default_rng(2), 5000, difficulty)
    monitor = DriftMonitor(baseline, window=5000)
    monitor.update(inputs, outputs=logits)
    estimate = monitor.report().estimated_accuracy
    true = (logits.argmax(axis=1) == labels).mean()
    confidence = (1 / (1 + np.exp(-np.abs(logits[:, 1])))).mean()
    print(
        f"difficulty {difficulty}: estimated {estimate:.3f}, true {true:.3f}, mean confidence {confidence:.3f}"
    )
    assert estimate == pytest.approx(true, abs=0.015)
    assert abs(confidence - true) > 0.06


def test_where_the_meaning_changes_the_estimate_does_not_see_it(baseline):
    inputs, logits, labels = served(np.random.default_rng(3), 5000)
    estimate = baseline.compare(inputs, outputs=logits).estimated_accuracy
    turned = 1 - labels
    assert estimate > 0.7
    assert (logits.argmax(axis=1) == turned).mean() < 0.3


def test_on_the_labelled_rows_the_estimate_is_the_accuracy(baseline):
    inputs, logits, labels = served(np.random.default_rng(1), 20_000)
    true = (logits.argmax(axis=1) == labels).mean()
    assert baseline.accuracy.ratio == pytest.approx(true)
    assert baseline.accuracy.samples == 20_000
    assert baseline.compare(inputs, outputs=logits).estimated_accuracy == pytest.approx(true, abs=0.01)


def test_labels_may_be_names_and_may_be_missing():
    inputs, logits, labels = served(np.random.default_rng(4), 1000)
    names = np.array(CLASSES, dtype=object)[labels]
    names[:100] = None
    by_name = Baseline.fit(inputs, outputs=logits, labels=names, class_names=CLASSES).accuracy
    numbers = labels.astype(float)
    numbers[:100] = np.nan
    assert by_name == Baseline.fit(inputs, outputs=logits, labels=numbers, class_names=CLASSES).accuracy
    assert by_name.samples == 900


def test_held_out_labels_take_the_place_of_training_ones(baseline):
    _, logits, labels = served(np.random.default_rng(5), 4000)
    held_out = baseline.with_accuracy(logits, 1 - labels)
    assert held_out.accuracy.samples == 4000
    assert held_out.accuracy.ratio < 0.3
    assert held_out.sha256 != baseline.sha256


def test_streamed_labels_count_the_same_and_merge(baseline):
    inputs, logits, labels = served(np.random.default_rng(1), 20_000)
    builders = []
    for part in np.array_split(np.arange(20_000), 7):
        builders.append(BaselineBuilder(class_names=CLASSES))
        builders[-1].update(inputs[part], outputs=logits[part], labels=labels[part])
    whole = builders[0]
    for builder in builders[1:]:
        whole.merge(builder)
    assert whole.baseline().accuracy == baseline.accuracy
    file = whole.baseline(mergeable=True)
    assert file.merge(file).accuracy.samples == 40_000


def test_sure_predictions_are_told_apart():
    """0.99 and 0.9999 are different claims, and bins of equal width would put them together."""
    rng = np.random.default_rng(6)
    confidence = np.repeat([0.99, 0.9999], 50_000)
    right = rng.random(100_000) < np.repeat([0.9, 0.999], 50_000)
    counted = count_accuracy(np.zeros(100_000), confidence, np.where(right, 0, 1), CLASSES)
    expected = ExpectedAccuracy(counted)
    assert expected.of(np.array([0.99])) == pytest.approx(0.9, abs=0.01)
    assert expected.of(np.array([0.9999], dtype=np.float32)) == pytest.approx(0.999, abs=0.002)
    assert expected.of(np.array([np.nan, 0.99])) == expected.of(np.array([0.99]))
    assert expected.of(np.array([np.nan])) is None


def test_more_confidence_is_never_worth_less():
    rng = np.random.default_rng(7)
    accuracy = Accuracy(counts=[20] * BINS, correct=rng.integers(0, 21, BINS).tolist())
    curve = [ExpectedAccuracy(accuracy).of(np.array([share])) for share in np.linspace(0.01, 0.999, 200)]
    assert (np.diff(curve) >= -1e-12).all()


def test_it_is_exported(baseline):
    publisher = MemoryPublisher()
    inputs, logits, _ = served(np.random.default_rng(8), 500)

    monitored = MonitoredModel(lambda rows: logits, baseline, publisher=publisher)
    monitored.predict(inputs)
    monitored.close()
    assert publisher.value(m.BASELINE_ACCURACY) == pytest.approx(baseline.accuracy.ratio)
    expected = baseline.compare(inputs, outputs=logits).estimated_accuracy
    assert publisher.value(m.ESTIMATED_ACCURACY, "1000", "0") == pytest.approx(expected, abs=1e-6)


def test_what_is_withheld_is_taken_back_and_the_reason_is_exported(baseline):
    publisher = MemoryPublisher()
    telemetry = DriftTelemetry(DriftMonitor(baseline, window=500), worker="0", max_features=10)
    labels = ("500", "0")
    bounds = [("lower", *labels), ("upper", *labels)]

    def give(inputs, logits):
        telemetry.add_inputs(inputs)
        telemetry.add_outputs(output_signals(logits, baseline.outputs))
        telemetry.evaluate(lambda: None)
        telemetry.publish(publisher)
        return {
            name: publisher.value(m.ESTIMATED_ACCURACY_WITHHELD, name, *labels) for name in WITHHELD_REASONS
        }

    inputs, logits, _ = served(np.random.default_rng(8), 500)
    assert set(give(inputs, logits).values()) == {0.0}
    low, high = (publisher.value(m.ESTIMATED_ACCURACY_BOUND, *bound) for bound in bounds)
    assert low < publisher.value(m.ESTIMATED_ACCURACY, *labels) < high
    reasons = give(inputs + 10, logits)
    assert reasons.pop("outside_range") == 1
    assert set(reasons.values()) == {0.0}
    estimates = {m.ESTIMATED_ACCURACY.name, m.ESTIMATED_ACCURACY_BOUND.name}
    assert estimates.isdisjoint(name for name, _ in publisher.series)
    assert set(give(inputs, logits).values()) == {0.0}
    assert publisher.value(m.ESTIMATED_ACCURACY, *labels) > low


def test_without_labels_there_is_no_estimate():
    inputs, logits, _ = served(np.random.default_rng(9), 500)
    unlabelled = Baseline.fit(inputs, outputs=logits)
    assert unlabelled.accuracy is None
    report = unlabelled.compare(inputs, outputs=logits)
    assert report.estimated_accuracy is report.accuracy_estimate is None


@pytest.mark.parametrize(
    ("outputs", "labels", "complaint"),
    [
        (np.zeros((500, 2)), ["maybe"] * 500, r"unknown class 'maybe'; give class names \(no, yes\)"),
        (np.zeros((500, 2)), [2] * 500, "unknown class 2.0;"),
        (np.zeros((500, 2)), [0] * 499, "there are 499 labels for 500 rows"),
        (np.zeros((500, 2)), [0] * 150 + [None] * 350, "only 150 rows have a label; give at least 200"),
        (np.zeros((500, 2)), np.zeros((500, 1)), r"labels have shape \(500, 1\)"),
        (np.zeros(500), [0] * 500, "has no classes to compare them with"),
        (None, [0] * 500, "has no classes to compare them with"),
    ],
)
def test_labels_that_do_not_fit_are_refused(outputs, labels, complaint):
    names = CLASSES if outputs is not None and outputs.ndim == 2 else None
    with pytest.raises(BaselineError, match=complaint):
        Baseline.fit(np.zeros((500, 1)), outputs=outputs, labels=labels, class_names=names)
