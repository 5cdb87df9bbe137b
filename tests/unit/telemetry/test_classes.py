"""Predicted classes: counted exactly at any width, with few series."""

from __future__ import annotations

import numpy as np
import pytest

from torchvitals.config import MonitoringConfig, Thresholds
from torchvitals.drift.detector import DriftDetector
from torchvitals.featurizers.outputs import Classification
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.classes import MAX_CLASSES, MAX_RISEN, OTHER, ClassCounts, class_labels
from torchvitals.telemetry.drift import DriftTelemetry
from torchvitals.telemetry.predictions import PredictionTelemetry
from torchvitals.training.fitting import categorical_feature, new_baseline


def published(publisher, metric):
    return {labels[0]: value for (name, labels), value in publisher.series.items() if name == metric.name}


def counted(classes, *places):
    """Publish these predictions, a flush each."""
    publisher = MemoryPublisher()
    classes.start(publisher)
    for some in places:
        classes.add(np.asarray(some, dtype=np.float64))
        classes.publish(publisher)
    return publisher


@pytest.mark.parametrize("width", [1000, 10_000, 100_000])
def test_every_prediction_is_counted_whatever_the_width(width):
    rng = np.random.default_rng(width)
    baseline = rng.multinomial(20_000, np.full(width, 1 / width))
    baseline[width - 1] = 5000
    names = [f"c{place}" for place in range(width)]
    places = [rng.integers(0, width, 300), [width - 1] * 20, []]
    publisher = counted(ClassCounts(names, baseline=baseline.tolist(), window=1000), *places)
    found, shares = published(publisher, m.PREDICTIONS), published(publisher, m.BASELINE_CLASS)
    assert found.keys() == shares.keys()
    assert len(found) == MAX_CLASSES + 1
    assert sum(found.values()) == 320
    largest = np.argsort(-baseline, kind="stable")[:MAX_CLASSES]
    assert set(found) == {*(names[place] for place in largest), OTHER}
    assert found[names[-1]] == 20 + int((places[0] == width - 1).sum())
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[OTHER] == pytest.approx(1 - baseline[largest].sum() / baseline.sum())


def test_classes_of_any_name_are_told_apart_from_the_rest():
    names = ["other", "crane", "crane", *(f"c{place}" for place in range(100))]
    publisher = counted(ClassCounts(names, window=100), [0, 1, 2, 2, 102, 101, -1])
    found = {name: value for name, value in published(publisher, m.PREDICTIONS).items() if value}
    assert found == {"other 0": 1, "crane 1": 1, "crane 2": 2, OTHER: 3}


def test_few_classes_have_a_series_each_and_no_rest():
    publisher = counted(ClassCounts(["no", "yes"], baseline=[30, 10], window=100), [0, 1, 1])
    assert published(publisher, m.PREDICTIONS) == {"no": 1, "yes": 2}
    assert published(publisher, m.BASELINE_CLASS) == {"no": 0.75, "yes": 0.25}


def test_without_a_baseline_the_first_classes_have_series():
    names = [str(place) for place in range(1000)]
    publisher = counted(ClassCounts(names, window=100), [7])
    assert set(published(publisher, m.PREDICTIONS)) == {*names[:MAX_CLASSES], OTHER}
    assert published(publisher, m.BASELINE_CLASS) == {}


def test_a_class_that_rises_to_half_of_the_window_gets_a_series_from_0_on():
    names = [f"c{place}" for place in range(5000)]
    baseline = [1000] * MAX_CLASSES + [1] * (5000 - MAX_CLASSES)
    classes = ClassCounts(names, baseline=baseline, window=200)
    publisher = counted(classes, [*[4000] * 150, *[1] * 50])
    assert published(publisher, m.PREDICTIONS)["c4000"] == 0
    classes.add(np.full(30, 4000.0))
    classes.publish(publisher)
    found = published(publisher, m.PREDICTIONS)
    assert (found["c4000"], found[OTHER], found["c1"]) == (30, 150, 50)
    assert published(publisher, m.BASELINE_CLASS)["c4000"] == pytest.approx(1 / sum(baseline))


def test_classes_that_rise_one_after_the_other_stay_within_a_budget():
    classes = ClassCounts([str(place) for place in range(5000)], window=100)
    publisher = counted(classes, *([place] * 100 for place in range(1000, 1100)))
    found = published(publisher, m.PREDICTIONS)
    assert len(found) == MAX_CLASSES + 1 + MAX_RISEN
    assert sum(found.values()) == 100 * 100


def test_the_largest_share_is_of_one_class_and_of_the_last_predictions():
    classes = ClassCounts([str(place) for place in range(1000)], window=100)
    classes.add(np.arange(900.0, 999.0))
    assert classes.largest_share(0.9) == 0.0  # 99 are too few
    classes.add(np.array([999.0]))
    assert classes.largest_share(0.9) == 0.01  # all of them are in `other`
    classes.add(np.full(250, 999.0))
    classes.add(np.full(5, 3.0))
    assert classes.largest_share(0.9) == 0.95


def test_a_class_that_was_as_large_in_the_baseline_is_no_news():
    classes = ClassCounts(["no", "yes"], baseline=[95, 5], window=1000)
    classes.add(np.array([*[0.0] * 970, *[1.0] * 30]))
    assert classes.largest_share(0.9) == 0.0
    assert classes.largest_share(0.99) == 0.97
    classes.add(np.zeros(1000))
    assert classes.largest_share(0.9) == 1.0


def test_labels_are_all_different():
    names = ["a", "a", "a 0", "other", "other 3"]
    assert class_labels(names) == ["a 0", "a 1", "a 0 2", "other 3", "other 3 4"]


@pytest.fixture(scope="module")
def wide():
    """A baseline of 10,000 classes, the first of which has a tenth."""
    rng = np.random.default_rng(6)
    names = [f"c{place}" for place in range(10_000)]
    shares = 1 / np.arange(1, 10_001)
    counts = rng.multinomial(50_000, shares / shares.sum())
    feature = categorical_feature(
        dict(zip(names, counts.tolist())),
        count=50_000,
        missing=0,
        name="predicted_class",
        source="output",
        categories=names,
    )
    outputs = Classification(scores="logits", classes=names)
    return new_baseline([feature], outputs, samples=50_000, name="wide", version="1.0")


def test_a_wide_classifier_has_as_many_series_as_a_narrow_one(wide):
    publisher = MemoryPublisher()
    drift = DriftTelemetry(DriftDetector(wide), worker="9000", max_features=100)
    predictions = PredictionTelemetry(
        wide.outputs, Thresholds(), window=1000, baseline=wide.of_source("output")
    )
    drift.start(publisher)
    predictions.start(publisher)
    places = np.random.default_rng(7).integers(0, 10_000, 1000).astype(float)
    drift.add_outputs({"predicted_class": places})
    drift.evaluate(lambda: None)
    drift.publish(publisher)
    assert len(publisher.series) < 300
    observed = [value for (name, _), value in publisher.series.items() if name == m.OBSERVATIONS.name]
    assert sum(observed) == 1000
    bins = {labels for name, labels in publisher.series if name == m.OBSERVATIONS.name}
    assert bins == {labels for name, labels in publisher.series if name == m.BASELINE_BIN_RATIO.name}
    shares = [value for (name, _), value in publisher.series.items() if name == m.BASELINE_BIN_RATIO.name]
    assert sum(shares) == pytest.approx(1)


def test_an_anomaly_is_one_class_and_never_all_the_others_together(wide):
    def anomalies(places):
        publisher = MemoryPublisher()
        telemetry = PredictionTelemetry(
            wide.outputs,
            Thresholds(),
            window=MonitoringConfig().windows[0],
            baseline=wide.of_source("output"),
        )
        telemetry.start(publisher)
        telemetry._add_classes(np.asarray(places, dtype=float), np.full(len(places), 0.9))
        telemetry.publish(publisher)
        return publisher.value(m.ANOMALIES, "imbalanced_output")

    assert anomalies(np.arange(9000, 9500)) == 0
    assert anomalies([*[9000] * 480, *range(20)]) == 1
