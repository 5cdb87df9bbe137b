"""The whole monitor without a server: exact counts, gauges, and failing open."""

import logging
import threading
import time

import numpy as np
import pytest
import torch

from torchvitals import Baseline, Monitor, MonitoringConfig, Thresholds
from torchvitals.config import Objectives
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m

rng = np.random.default_rng(4)


@pytest.fixture(scope="module")
def baseline():
    rows = np.column_stack([rng.normal(size=5000), rng.integers(0, 4, 5000)])
    return Baseline.fit(rows, feature_names=["amount", "kind"], outputs=rng.normal(size=(5000, 3)))


@pytest.fixture
def publisher():
    return MemoryPublisher()


def monitor_of(publisher, baseline=None, **options):
    config = MonitoringConfig(**{"warmup": 0, "flush_interval": 60, **options})
    monitor = Monitor(config, publisher, baseline=baseline, worker="9000")
    monitor._pipeline.start()
    return monitor


def serve(monitor, inputs, outputs, *, failed=0):
    call = monitor.recorder.begin()
    monitor.recorder.inputs(call, inputs)
    monitor.recorder.outputs(call, outputs)
    monitor.recorder.finish(call, requests=len(inputs), failed=failed)
    return call


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def rows(count):
    return torch.tensor(
        np.column_stack([rng.normal(size=count), rng.integers(0, 4, count)]), dtype=torch.float32
    )


def scores(count):
    return torch.tensor(rng.normal(size=(count, 3)), dtype=torch.float32)


def test_counts_are_exact(publisher, baseline):
    monitor = monitor_of(publisher, baseline)
    sent = 0
    for size in (1, 3, 64, 200):
        for _ in range(70):
            serve(monitor, rows(size), scores(size))
            sent += size
        monitor.flush()
    assert publisher.value(m.REQUESTS, "ok") == sent
    assert publisher.value(m.REQUESTS, "error") == 0
    assert publisher.value(m.STAGE_DURATION.count, "handle", "host") == 280
    assert publisher.value(m.BATCH_SIZE.count) == 280
    assert publisher.value(m.BATCH_SIZE.sum) == sent
    assert publisher.total(m.PREDICTIONS) == sent
    assert publisher.value(m.CONFIDENCE.count) == sent
    for feature in baseline.features:
        labels = [(feature.source, feature.name, label) for label in feature.bin_labels]
        assert sum(publisher.value(m.OBSERVATIONS, *key) for key in labels) == sent
    assert publisher.value(m.WINDOW_SAMPLES, "1000", "9000") == 1000
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_bucket_counts_are_cumulative_and_end_at_the_count(publisher):
    monitor = monitor_of(publisher)
    for nanoseconds in (20_000, 60_000, 3_000_000, 40_000_000_000):
        call = serve(monitor, rows(1), scores(1))
        call.handle_ns = nanoseconds
    monitor.flush()
    values = [
        publisher.value(m.STAGE_DURATION.bucket, "handle", "host", le) for le in m.STAGE_DURATION.le_values
    ]
    assert values[:3] == [1, 2, 2]
    assert values[-2:] == [3, 4]
    assert values == sorted(values)
    assert publisher.value(m.STAGE_DURATION.sum, "handle", "host") == pytest.approx(40.00308)


def test_warm_up_and_compilation_stay_out_of_the_latency_series(publisher):
    monitor = monitor_of(publisher, warmup=2)
    for index in range(5):
        call = serve(monitor, rows(1), scores(1))
        call.compiled = index == 3
    monitor.flush()
    assert publisher.value(m.WARMUP_REQUESTS) == 2
    assert publisher.value(m.COMPILATIONS) == 1
    assert publisher.value(m.STAGE_DURATION.count, "handle", "host") == 2
    assert publisher.value(m.REQUESTS, "ok") == 5


def test_time_of_warm_up_and_of_compilation_is_counted_apart(publisher):
    monitor = monitor_of(publisher, warmup=2)
    for index, milliseconds in enumerate((400, 300, 20, 1000, 20)):
        call = serve(monitor, rows(1), scores(1))
        call.handle_ns = milliseconds * 1_000_000
        call.compiled = 2 if index in (1, 3) else 0
    monitor.flush()
    assert publisher.value(m.WARMUP_SECONDS) == pytest.approx(0.7)
    assert publisher.value(m.COMPILATION_SECONDS) == pytest.approx(1.3)  # the second call was both
    assert publisher.value(m.COMPILATIONS) == 4
    assert publisher.value(m.STAGE_DURATION.sum, "handle", "host") == pytest.approx(0.04)


def test_a_call_that_does_not_end_is_seen_while_it_hangs(publisher):
    monitor = monitor_of(publisher, flush_interval=0.1)
    going, release = threading.Event(), threading.Event()

    def hang():
        call = monitor.recorder.begin()
        going.set()
        release.wait(30)
        monitor.recorder.finish(call, requests=1, failed=0)

    def inflight():
        return publisher.value(m.INFLIGHT, "9000")

    monitor.flush()
    assert inflight() == 0
    first, second = threading.Thread(target=hang), threading.Thread(target=hang)
    first.start()
    assert going.wait(30)
    began = time.monotonic()
    monitor.start()  # from here on, the monitor's own thread flushes
    wait_until(lambda: inflight() >= 0.3)
    second.start()
    serve(monitor, rows(1), scores(1))  # other calls come and go
    seen = inflight()
    wait_until(lambda: inflight() > seen)
    assert inflight() <= time.monotonic() - began + 1
    assert publisher.value(m.REQUESTS, "ok") <= 1
    release.set()
    first.join(30)
    second.join(30)
    wait_until(lambda: inflight() == 0)
    monitor.stop()
    assert publisher.value(m.REQUESTS, "ok") == 3


def test_a_call_that_raised_has_ended(publisher):
    monitor = monitor_of(publisher)
    monitor.recorder.fail(monitor.recorder.begin(), requests=1, error=ValueError())
    assert monitor.recorder.oldest_seconds() == 0


def test_the_wait_in_front_of_the_handler_is_a_histogram_of_its_own(publisher):
    monitor = monitor_of(publisher)
    now = 1_700_000_010.0
    for starts in (None, "t=1700000009.5\n1700000009998", "nonsense\nt=1700000013", None):
        call = serve(monitor, rows(1), scores(1))
        call.starts, call.ended = starts, now + call.handle_ns / 1e9
    monitor.flush()
    assert publisher.value(m.QUEUE_DURATION.count) == 2
    assert publisher.value(m.QUEUE_DURATION.sum) == pytest.approx(0.502)
    assert publisher.value(m.QUEUE_DURATION.bucket, "0.0025") == 1
    assert publisher.value(m.REQUESTS, "ok") == 4
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_the_share_of_large_inputs_taken_is_said(publisher, baseline):
    monitor = monitor_of(publisher, baseline, overhead_budget=0.5)
    assert publisher.value(m.SAMPLED_RATIO, "9000") == 1
    monitor.recorder.sampler.adapt = lambda: 0.25
    monitor.flush()
    assert publisher.value(m.SAMPLED_RATIO, "9000") == 0.25


def test_what_the_devices_allocator_says_is_published(publisher, monkeypatch):
    stats = {
        "allocated_bytes.all.peak": 600_000_000,
        "inactive_split_bytes.all.current": 7,
        "num_alloc_retries": 3,
    }
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: stats)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1, 2))
    config = MonitoringConfig(timing="off", flush_interval=60)
    monitor = Monitor(config, publisher, device=torch.device("cuda", 0), worker="9000")
    monitor._pipeline.start()
    assert publisher.series[m.ALLOCATION_RETRIES.name, ("cuda0",)] == 0
    for _ in range(2):
        monitor.flush()
    assert publisher.value(m.ALLOCATION_RETRIES, "cuda0") == 3
    assert publisher.value(m.MEMORY, "9000", "cuda0", "inactive_split") == 7
    assert publisher.value(m.ANOMALIES, "high_memory") == 2
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_drift_shows_in_the_gauges(publisher, baseline):
    monitor = monitor_of(publisher, baseline, window=200)
    serve(monitor, rows(200), scores(200))
    monitor.flush()
    labels = ("input", "amount", "200", "9000")
    assert publisher.value(m.DRIFTED, *labels) == 0
    moved = torch.tensor([4.0, 0.0])
    serve(monitor, rows(150) + moved, scores(150))
    monitor.flush()
    assert publisher.value(m.DRIFTED, *labels) == 0  # not believed before a quarter of a window confirms it
    serve(monitor, rows(50) + moved, scores(50))
    monitor.flush()
    assert publisher.value(m.DRIFTED, *labels) == 1
    assert publisher.value(m.feature_gauge("mean_shift_sigmas"), *labels) == pytest.approx(4, abs=0.3)
    assert publisher.value(m.DRIFTED_RATIO, "200", "9000") == pytest.approx(2 / 8)  # and the row's distance


def test_invalid_values_are_counted_by_reason(publisher, baseline):
    monitor = monitor_of(publisher, baseline)
    inputs = rows(10)
    inputs[0, 0], inputs[1, 0], inputs[2, 0], inputs[3, 1] = float("nan"), float("inf"), 1e6, 9
    inputs[4, 0], inputs[5, 1] = -1e6, float("nan")
    serve(monitor, inputs, scores(10))
    monitor.flush()
    for feature, reason in (
        ("amount", "missing"),
        ("amount", "infinite"),
        ("amount", "above_range"),
        ("amount", "below_range"),
        ("kind", "unseen_category"),
        ("kind", "missing"),
    ):
        assert publisher.value(m.INPUT_INVALID, feature, reason) == 1
    assert publisher.total(m.INPUT_INVALID) == 6


def test_a_baseline_of_another_width_is_counted_and_said(publisher, baseline, caplog):
    monitor = monitor_of(publisher, baseline)
    with caplog.at_level(logging.ERROR):
        for _ in range(10):
            serve(monitor, torch.zeros(4, 7), scores(4))
            monitor.flush()
    assert publisher.value(m.INPUT_INVALID, "all", "bad_shape") == 40
    assert publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 40
    assert publisher.value(m.REQUESTS, "ok") == 40
    assert (
        caplog.text.count(
            "rows have 7 values, baseline 'model' version 1.0 has 2 input features: amount, kind"
        )
        == 1
    )


@pytest.mark.parametrize(("windows", "unseen"), [([250], 30), ([250, 500], 0), ([500, 1000], 0)])
def test_windows_that_the_baseline_has_no_limits_for_are_said_and_counted(publisher, caplog, windows, unseen):
    ordered = Baseline.fit(rng.normal(size=(10_000, 2)), ordered=True, windows=(500,))
    with caplog.at_level(logging.WARNING):
        monitor = monitor_of(publisher, ordered, window=windows)
        serve(monitor, torch.zeros(30, 2), None)
        monitor.flush()
    assert publisher.value(m.MONITOR_UNSEEN, "window") == unseen
    said = caplog.text.count(
        "baseline 'model' version 1.0: windows of 250 rows are not judged: the baseline was built"
    )
    assert said == (250 in windows)


def test_a_batch_without_rows_is_no_error(publisher, baseline):
    monitor = monitor_of(publisher, baseline)
    serve(monitor, torch.zeros(0, 2), torch.zeros(0, 3))
    monitor.flush()
    assert publisher.total(m.MONITOR_ERRORS) == 0


@pytest.mark.parametrize("shape", [(5,), (4, 3), ()])
def test_outputs_that_the_baseline_does_not_describe_are_counted_and_said(publisher, baseline, caplog, shape):
    monitor = monitor_of(publisher, baseline)
    serve(monitor, rows(12), torch.zeros(12, *shape))
    monitor.flush()
    assert publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 12
    assert publisher.total(m.MONITOR_ERRORS) == 0
    assert publisher.total(m.PREDICTIONS) == 0
    assert f"outputs of {shape or (1,)} a row, the baseline has 3 classes" in caplog.text


def test_anomalies_of_single_calls_and_rows(publisher):
    limits = Thresholds(latency_seconds=0.1, confidence=0.9)
    monitor = monitor_of(publisher, thresholds=limits)
    serve(monitor, rows(2), torch.tensor([[9.0, 0, 0], [0.1, 0, 0]])).handle_ns = 200_000_000
    monitor.flush()
    assert publisher.value(m.ANOMALIES, "high_latency") == 1
    assert publisher.value(m.ANOMALIES, "low_confidence") == 1


def test_requests_that_take_longer_than_promised_are_counted(publisher):
    monitor = monitor_of(publisher, slo=Objectives(latency_seconds=0.1))
    serve(monitor, rows(2), torch.zeros(2, 3)).handle_ns = 200_000_000
    serve(monitor, rows(2), torch.zeros(2, 3)).handle_ns = 50_000_000
    # One of this call's requests came a second before it.
    waited = serve(monitor, rows(2), torch.zeros(2, 3))
    waited.handle_ns = 50_000_000
    waited.starts = f"t={waited.ended - 1:.3f}\nnonsense"
    monitor.flush()
    assert publisher.value(m.SLOW_REQUESTS) == waited.requests * 2
    assert publisher.value(m.OBJECTIVE, "latency") == 0.99


def test_nothing_is_slow_where_nothing_was_promised(publisher):
    monitor = monitor_of(publisher)
    serve(monitor, rows(2), torch.zeros(2, 3)).handle_ns = 9_000_000_000
    monitor.flush()
    assert publisher.total(m.SLOW_REQUESTS) == 0
    assert publisher.value(m.OBJECTIVE, "availability") == pytest.approx(0.999)


def test_one_class_alone_is_an_anomaly_once_there_are_enough(publisher):
    monitor = monitor_of(publisher)
    one_sided = torch.tensor([[5.0, 0, 0]])
    serve(monitor, rows(99), one_sided.repeat(99, 1))
    monitor.flush()
    assert publisher.value(m.ANOMALIES, "imbalanced_output") == 0
    serve(monitor, rows(1), one_sided)
    monitor.flush()
    assert publisher.value(m.ANOMALIES, "imbalanced_output") == 1
    assert publisher.value(m.PREDICTIONS, "0") == 100


def test_a_regression_model_has_values_and_no_classes(publisher):
    values = rng.normal(size=2000)
    monitor = monitor_of(publisher, Baseline.fit(rng.normal(size=(2000, 2)), outputs=values))
    for _ in range(2):
        serve(monitor, rows(500), torch.tensor(rng.normal(size=500) + 4))
        monitor.flush()
    assert publisher.value(m.DRIFTED, "output", "value", "1000", "9000") == 1
    assert publisher.total(m.PREDICTIONS) == 0


def test_thresholds_and_baseline_are_published(publisher, baseline):
    monitor_of(publisher, baseline, thresholds=Thresholds(kl_divergence=0.7, class_share=None))
    assert publisher.value(m.THRESHOLD, "kl_divergence") == 0.7
    assert (m.THRESHOLD.name, ("class_share",)) not in publisher.series
    assert publisher.value(m.BASELINE_SAMPLES) == 5000
    assert publisher.value(m.BASELINE_INFO, "1.0", baseline.sha256[:12]) == 1
    for feature in baseline.features:
        shares = [
            publisher.value(m.BASELINE_BIN_RATIO, feature.source, feature.name, label)
            for label in feature.bin_labels
        ]
        assert sum(shares) == pytest.approx(1)
        assert min(shares) > 0


def test_an_error_of_the_monitor_is_counted_logged_once_and_goes_no_further(
    publisher, baseline, caplog, monkeypatch
):
    monitor = monitor_of(publisher, baseline)
    monkeypatch.setattr(monitor.drift, "evaluate", lambda pause: 1 / 0)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            serve(monitor, rows(5), scores(5))
            monitor.flush()
    assert publisher.value(m.MONITOR_ERRORS, "drift") == 3
    assert caplog.text.count("TorchVitals failed while handling drift; predictions are unaffected") == 1
    assert publisher.value(m.REQUESTS, "ok") == 15


def test_a_publisher_that_fails_stops_nothing(baseline, caplog):
    class Broken(MemoryPublisher):
        def increase(self, metric, labels, amount):
            raise OSError("stdout is closed")

    monitor = monitor_of(Broken(), baseline)
    serve(monitor, rows(5), scores(5))
    monitor.flush()
    assert "stdout is closed" in caplog.text


def test_the_thread_flushes_without_traffic_and_stops(publisher):
    monitor = monitor_of(publisher, flush_interval=0.1)
    monitor.start()
    serve(monitor, rows(1), scores(1))
    monitor.stop()
    assert publisher.value(m.REQUESTS, "ok") == 1
    assert publisher.value(m.WINDOW_EVALUATED, "9000") > 1_700_000_000
    assert publisher.value(m.MEMORY, "9000", "host", "rss") > 10_000_000
    assert publisher.value(m.MONITOR_SECONDS, "flush") > 0


def test_features_beyond_the_budget_count_in_the_ratio_alone(publisher):
    wide = Baseline.fit(rng.normal(size=(2000, 5)))
    monitor = monitor_of(publisher, wide, max_features=2)
    for _ in range(2):
        serve(monitor, torch.randn(500, 5) + torch.tensor([0.0, 0, 0, 0, 5]), scores(500))
        monitor.flush()
    shown = {
        labels[1] for (name, labels) in publisher.series if name == m.feature_gauge("kl_divergence").name
    }
    assert shown == {"f0", "f1", "row_distance"}
    assert publisher.value(m.DRIFTED_RATIO, "1000", "9000") == pytest.approx(2 / 6)


def test_classes_of_one_name_and_one_that_is_called_other_have_series_of_their_own(publisher):
    names = ["crane", "owl", "crane", "other", "crane 0", *map(str, range(60))]
    one_hot = np.eye(len(names)) * 9 + 0.1
    baseline = Baseline.fit(
        np.zeros((len(names) * 3, 2)), outputs=np.tile(one_hot, (3, 1)), class_names=names
    )
    monitor = monitor_of(publisher, baseline)
    serve(monitor, torch.zeros(len(names), 2), torch.tensor(one_hot))
    monitor.flush()
    series = {
        labels[0]: value for (name, labels), value in publisher.series.items() if name == m.PREDICTIONS.name
    }
    assert len(series) == 51
    assert series.pop("other") == len(names) - 50
    assert set(series.values()) == {1}
    assert {"crane 0", "owl", "crane 2", "other 3", "crane 0 4"} <= set(series)
