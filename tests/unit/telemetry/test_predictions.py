"""Which predictions are counted, and what is an anomaly: of models with a baseline and without one."""

import numpy as np
import pytest
import torch

from torchvitals import Baseline, Features, Monitor, MonitoringConfig, Thresholds
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m

ROWS = 2000


@pytest.fixture
def publisher():
    return MemoryPublisher()


def monitor_of(publisher, baseline=None, classes=None, **options):
    config = MonitoringConfig(**{"warmup": 0, "flush_interval": 10, **options})
    monitor = Monitor(config, publisher, baseline=baseline, classes=classes)
    monitor._pipeline.start()
    return monitor


def serve(monitor, outputs, *, requests=None):
    call = monitor.recorder.begin()
    monitor.recorder.outputs(call, outputs)
    monitor.recorder.finish(call, requests=len(outputs) if requests is None else requests, failed=0)


def counts(publisher):
    return {
        labels[0]: value for (name, labels), value in publisher.series.items() if name == m.PREDICTIONS.name
    }


def fraud_model(rng, rows, sharp=4.0):
    """Rows of three columns, one sigmoid each, (n, 1), and what is true."""
    inputs = rng.normal(size=(rows, 3)).astype(np.float32)
    share = 1 / (1 + np.exp(-(inputs[:, :1] * sharp - 1)))
    return inputs, share.astype(np.float32), (rng.random(rows) < share[:, 0]).astype(int)


def test_a_fraud_model_with_one_sigmoid_has_class_confidence_accuracy_and_both_anomalies(publisher):
    rng = np.random.default_rng(0)
    inputs, shares, labels = fraud_model(rng, ROWS)
    baseline = Baseline.fit(
        inputs, outputs=shares, labels=labels, class_names=["legitimate", "fraud"], name="fraud"
    )
    confidence = np.maximum(shares, 1 - shares)
    assert baseline.accuracy.ratio == pytest.approx(confidence.mean(), abs=0.02)
    unsure = Thresholds(confidence=0.7)
    monitor = monitor_of(publisher, baseline, window=500, thresholds=unsure)

    def give(inputs, shares):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, torch.from_numpy(inputs))
        monitor.recorder.outputs(call, torch.from_numpy(shares))
        monitor.recorder.finish(call, requests=len(inputs), failed=0)
        monitor.flush()

    inputs, shares, _ = fraud_model(rng, 500)
    give(inputs, shares)
    assert counts(publisher) == {
        "legitimate": (shares < 0.5).sum(),
        "fraud": (shares >= 0.5).sum(),
    }
    assert publisher.value(m.CONFIDENCE.count) == 500
    assert publisher.value(m.CONFIDENCE.sum) == pytest.approx(np.maximum(shares, 1 - shares).sum(), rel=1e-5)
    assert publisher.value(m.ESTIMATED_ACCURACY, "500", "0") == pytest.approx(
        baseline.accuracy.ratio, abs=0.03
    )
    assert publisher.value(m.ANOMALIES, "imbalanced_output") == 0
    low = publisher.value(m.ANOMALIES, "low_confidence")
    assert low == (np.maximum(shares, 1 - shares) < 0.7).sum()
    give(inputs, np.full((500, 1), 0.6, dtype=np.float32))
    assert publisher.value(m.ANOMALIES, "low_confidence") == low + 500
    assert publisher.value(m.ANOMALIES, "imbalanced_output") == 1
    # Outputs that are all alike are unlike any that were labelled.
    assert publisher.value(m.ESTIMATED_ACCURACY_WITHHELD, "outputs", "500", "0") == 1
    assert (m.ESTIMATED_ACCURACY.name, ("500", "0")) not in publisher.series


def test_what_is_no_probability_has_no_class_and_is_seen_as_missing(publisher):
    rng = np.random.default_rng(1)
    baseline = Baseline.fit(
        rng.normal(size=(ROWS, 1)), outputs=rng.uniform(size=ROWS), class_names=["no", "yes"]
    )
    monitor = monitor_of(publisher, baseline)
    serve(monitor, torch.tensor([[0.2], [1.0005], [3.0], [-2.0], [torch.nan]]))
    monitor.flush()
    assert counts(publisher) == {"no": 1, "yes": 1}
    assert publisher.value(m.OBSERVATIONS, "output", "confidence", "missing") == 3
    assert publisher.value(m.CONFIDENCE.sum) == pytest.approx(1.8)


def test_a_class_that_is_rare_in_training_too_is_no_imbalance(publisher):
    rng = np.random.default_rng(2)
    shares = np.where(rng.random(ROWS) < 0.01, 0.9, 0.05)
    baseline = Baseline.fit(rng.normal(size=(ROWS, 1)), outputs=shares, class_names=["no", "yes"])
    monitor = monitor_of(publisher, baseline)
    for _ in range(5):
        serve(monitor, torch.from_numpy(rng.permutation(shares)[:200]))
        monitor.flush()
    assert publisher.value(m.ANOMALIES, "imbalanced_output") == 0
    serve(monitor, torch.full((1000,), 0.9))
    monitor.flush()
    assert publisher.value(m.ANOMALIES, "imbalanced_output") == 1


def test_a_model_that_was_less_sure_in_training_is_held_to_the_least_of_that(publisher):
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.full(50, 2.0), size=ROWS)
    baseline = Baseline.fit(rng.normal(size=(ROWS, 1)), outputs=shares)
    monitor = monitor_of(publisher, baseline)
    serve(monitor, torch.from_numpy(shares[:500]))
    monitor.flush()
    assert publisher.value(m.ANOMALIES, "low_confidence") == 0
    confidence = shares.max(axis=1)
    halfway = (1 / 50 + confidence.mean()) / 2
    expected = min(halfway, confidence.mean() - confidence.std() / 2)
    assert publisher.value(m.THRESHOLD, "confidence") == pytest.approx(expected, rel=1e-4)
    serve(monitor, torch.full((7, 50), 0.02))
    monitor.flush()
    assert publisher.value(m.ANOMALIES, "low_confidence") == 7


def test_a_threshold_that_is_chosen_stays(publisher):
    rng = np.random.default_rng(3)
    baseline = Baseline.fit(rng.normal(size=(ROWS, 1)), outputs=rng.dirichlet(np.full(50, 2.0), size=ROWS))
    monitor_of(publisher, baseline, thresholds=Thresholds(confidence=0.4))
    assert publisher.value(m.THRESHOLD, "confidence") == 0.4


# Without a baseline


def test_two_classes_by_one_number_are_said_or_known_from_two_names(publisher):
    rng = np.random.default_rng(4)
    for options in (
        {"features": Features(outputs={"kind": "binary", "classes": ["0", "1"]})},
        {"classes": 2},
    ):
        publisher = MemoryPublisher()
        monitor = monitor_of(publisher, **options)
        shares = rng.uniform(size=(40, 1))
        for row in shares:
            serve(monitor, torch.from_numpy(row[None]))
            monitor.flush()
        assert counts(publisher) == {"0": (shares < 0.5).sum(), "1": (shares >= 0.5).sum()}


def test_a_logit_outside_0_to_1_tells_at_once(publisher):
    monitor = monitor_of(publisher, features=Features(outputs="binary"))
    for logit in (0.3, -4.0):
        serve(monitor, torch.tensor([[logit]]))
    monitor.flush()
    assert counts(publisher) == {"0": 1, "1": 1}


def test_five_sigmoids_are_no_classes_however_they_come(publisher, caplog):
    caplog.set_level("INFO")
    rng = np.random.default_rng(5)
    monitor = monitor_of(publisher)
    for _ in range(60):
        serve(monitor, torch.from_numpy(rng.uniform(size=(1, 5))))
        monitor.flush()
    assert counts(publisher) == {}
    assert publisher.value(m.ANOMALIES, "low_confidence") == publisher.total(m.MONITOR_ERRORS) == 0
    assert caplog.text.count("outputs are taken for 5 labels by sigmoids") == 1


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("classes", [1025, 3000])
def test_wide_classes_of_which_nothing_is_known_are_counted(publisher, classes, kind):
    rng = np.random.default_rng(6)
    scores = rng.normal(size=(64, classes)).astype(np.float32)
    scores[np.arange(64), rng.integers(0, 30, 64)] += 12
    if kind == "probabilities":
        scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    monitor = monitor_of(publisher)
    for part in np.array_split(scores, 8):
        serve(monitor, torch.from_numpy(part))
        monitor.flush()
    serve(monitor, torch.from_numpy(scores[0]), requests=1)
    monitor.flush()
    found = np.bincount(scores.argmax(axis=1), minlength=30)
    found[scores[0].argmax()] += 1
    assert {name: count for name, count in counts(publisher).items() if count} == {
        str(name): count for name, count in enumerate(found.tolist()) if count
    }
    top = scores.max(axis=1, keepdims=True)
    sure = 1 / np.exp(scores - top).sum(axis=1) if kind == "logits" else top[:, 0]
    assert publisher.value(m.CONFIDENCE.sum) == pytest.approx(sure.sum() + sure[0], rel=1e-4)
    assert publisher.total(m.MONITOR_ERRORS) == publisher.total(m.MONITOR_DROPPED) == 0


def test_wide_embeddings_and_ids_of_which_nothing_is_known_are_left_alone(publisher):
    monitor = monitor_of(publisher)
    serve(monitor, torch.randn(4, 1536))
    serve(monitor, torch.nn.functional.normalize(torch.randn(4, 1501)))
    serve(monitor, torch.randint(0, 9, (4, 1501)))
    serve(monitor, torch.randn(4, 3, 32, 32))
    monitor.flush()
    assert counts(publisher) == {}
    assert publisher.total(m.MONITOR_ERRORS) == 0
    assert (
        publisher.value(m.MONITOR_UNSEEN, "outputs") == publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 0
    )


def test_boxes_of_which_nothing_is_said_are_no_scores(publisher):
    monitor = monitor_of(publisher)
    boxes, scores, labels = torch.randn(30, 4), torch.rand(30), torch.ones(30, dtype=torch.int64)
    for outputs in (
        (boxes, scores, labels),
        {"boxes": boxes, "scores": scores, "labels": labels},
        [{"boxes": boxes, "scores": scores, "labels": labels}],
    ):
        serve(monitor, outputs, requests=1)
    monitor.flush()
    assert counts(publisher) == {}
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_outputs_that_are_not_to_be_compared_blind_nobody(publisher):
    rng = np.random.default_rng(7)
    baseline = Baseline.fit(rng.normal(size=(ROWS, 2)), outputs=rng.normal(size=(ROWS, 3)))
    monitor = monitor_of(publisher, baseline, features=Features(outputs="none"))
    for _ in range(20):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, torch.zeros(1, 2))
        call.inference_ns = 1
        monitor.recorder.outputs(call, ["a text"])
        monitor.recorder.finish(call, requests=1, failed=0)
    monitor.flush()
    assert publisher.total(m.MONITOR_UNSEEN) == 0
    assert counts(publisher) == {}
    shown = {labels[1] for (name, labels) in publisher.series if name == m.feature_gauge("psi").name}
    assert shown == {"f0", "f1", "row_distance"}


def test_outputs_of_another_kind_than_the_baselines_are_counted_and_said(publisher, caplog):
    rng = np.random.default_rng(8)
    masks = rng.integers(0, 3, (300, 9, 9))
    baseline = Baseline.fit(rng.normal(size=(300, 1)), outputs=masks)
    monitor = monitor_of(publisher, baseline)
    serve(monitor, torch.randn(12, 3))
    serve(monitor, torch.from_numpy(masks[:5]))
    monitor.flush()
    assert publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 12
    assert "the model gave other outputs, the baseline has masks of 3 classes by ids" in caplog.text
    assert publisher.value(m.OBSERVATIONS, "output", "unknown", "00 0") == 5
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_several_rows_in_one_request_stay_rows(publisher):
    """A sigmoid a row, (n,), of a request that holds n rows."""
    rng = np.random.default_rng(9)
    inputs, shares, _ = fraud_model(rng, ROWS)
    baseline = Baseline.fit(inputs, outputs=shares[:, 0], class_names=["no", "yes"])
    monitor = monitor_of(publisher, baseline)
    call = monitor.recorder.begin()
    monitor.recorder.inputs(call, torch.from_numpy(inputs[:16]))
    monitor.recorder.outputs(call, torch.from_numpy(shares[:16, 0]))
    monitor.recorder.finish(call, requests=1, failed=0)
    monitor.flush()
    assert sum(counts(publisher).values()) == 16
    assert publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 0
