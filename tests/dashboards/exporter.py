"""Series for the dashboards' queries: every metric of ``torchvitals.metrics``, and what TorchServe adds of its own.

The table of metrics decides names and labels, so a metric that is added there is exported here. Values are made up, but
move as real ones do: counters grow with time, gauges stay.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from torchvitals.drift.statistics import STATISTICS
from torchvitals.telemetry import catalogue as metrics

# A canary of flight_delay is served beside its stable version.
CANARY = ("flight_delay", "1.10")
MODELS = (("flight_delay", "1.9"), CANARY, ("fraud.v2", "2.1"))
NAMES = tuple(dict.fromkeys(name for name, _ in MODELS))
# This one gets a second baseline while it is served; TorchServe goes on exporting the first.
REBASED = ("fraud.v2", "2.1")
REBASED_SECONDS = 18
WORKERS = ("9000", "9001")
# It stopped ten minutes ago; TorchServe goes on exporting what it last said.
DEAD_WORKER = "9009"
DEAD_SECONDS = 600
# Its last flushes, as Prometheus saw them.
DYING_SECONDS = 24
DEAD_VALUE = 1e15

FEATURES = (
    *(("input", name) for name in ("temp", "dewp", "humid", "wind_speed", "hour", "air_time", "origin")),
    ("input", "row_distance"),
    ("output", "predicted_class"),
    ("output", "confidence"),
    ("output", "entropy"),
    ("output", "margin"),
)
DRIFTED = {"temp", "dewp", "predicted_class"}
# Categories have no mean, spread or distance: no series of these statistics.
CATEGORIES = {"origin", "predicted_class"}
OF_NUMBERS = {
    "wasserstein_distance",
    "mean_shift_sigmas",
    "gaussian_kl_divergence",
    "narrowing",
    "exceedance_ratio",
}
# Limits learned from the training data; the drifted features are beyond theirs.
LIMITS = {"kl_divergence": 0.1, "wasserstein_distance": 0.15, "narrowing": 3.0, "exceedance_ratio": 0.01}
CLASSES = ("on_time", "late", "very_late")
BINS = {
    "predicted_class": tuple(f"{index:02d} {name}" for index, name in enumerate(CLASSES)),
}
NUMERIC_BINS = ("00 ..12.5", "01 12.5..20", "02 20..", "missing")
THRESHOLDS = {
    "latency_p95_seconds": 0.5,
    "memory_bytes": 5e8,
    "rss_bytes": 4e9,
    "kl_divergence": 0.5,
    "psi": 0.1,
    "mean_shift_sigmas": 3.0,
    "error_ratio": 0.06,
    "inflight_seconds": 30.0,
    "latency_regression_ratio": 1.5,
    "estimated_accuracy_drop": 0.05,
    "confidence": 0.5,
    "class_share": 0.9,
}
ACCURACY_BOUNDS = {"lower": 0.85, "upper": 0.9}
FIRST_SHA, SECOND_SHA = "0123abcd", "4567cdef"
VALUES = {
    "outcome": ("ok", "error"),
    "stage": metrics.STAGES,
    "clock": ("host", "device"),
    "class": CLASSES,
    "reason": ("missing", "infinite", "below_range", "above_range", "unseen_category", "bad_shape"),
    "bound": ("lower", "upper"),
    "window": ("1000",),
    "statistic": tuple(statistic.name for statistic in STATISTICS.learned),
    "worker": (*WORKERS, DEAD_WORKER),
    "device": ("cuda0",),
    "phase": ("flush", "capture"),
    "signal": tuple(THRESHOLDS),
    "objective": ("availability", "latency"),
    "baseline_version": ("3",),
    "baseline_sha256": (FIRST_SHA, SECOND_SHA),
    "precision": ("fp32",),
    "torch_version": ("2.4.1",),
    "compiled": ("false",),
    "state": ("collecting",),
    "segment": ("carrier=AA", "carrier=UA"),
    "kind": (
        "allocated",
        "reserved",
        "peak_allocated",
        "inactive_split",
        "rss",
        "peak_rss",
        "device_used",
        "device_total",
    ),
}
ANOMALY_KINDS = ("high_latency", "low_confidence", "high_memory", "imbalanced_output")
# In a second, for each model.
CALLS = 20.0
ERROR_SHARE = 0.05

# TorchServe's own series: name, labels, growth in a second or value.
COUNTERS = (
    ("Requests2XX", {"Level": "Host", "Hostname": "host-a"}, 38.0),
    ("Requests4XX", {"Level": "Host", "Hostname": "host-a"}, 1.0),
    ("Requests5XX", {"Level": "Host", "Hostname": "host-a"}, 1.0),
    *(
        (name, {"model_name": model, "model_version": "default", "hostname": "host-a"}, growth)
        for model in NAMES
        for name, growth in (
            ("ts_inference_requests_total", CALLS),
            ("ts_inference_latency_microseconds", 9000.0 * CALLS),
            ("ts_queue_latency_microseconds", 150.0 * CALLS),
        )
    ),
)
GAUGES = (
    ("CPUUtilization", {"Level": "Host", "Hostname": "host-a"}, 37.5),
    ("MemoryUtilization", {"Level": "Host", "Hostname": "host-a"}, 41.0),
    ("DiskUtilization", {"Level": "Host", "Hostname": "host-a"}, 12.0),
    ("GPUUtilization", {"Level": "Host", "DeviceId": "0", "Hostname": "host-a"}, 66.0),
    *(
        (
            "WorkerLoadTime",
            {"WorkerName": f"W-{worker}-{model}_{version}", "Level": "Host", "Hostname": "host-a"},
            4100.0,
        )
        for model, version in MODELS
        for worker in WORKERS
    ),
)


class Exporter(Collector):
    """Serves the series on a free loopback port, between entering and leaving."""

    def __init__(self) -> None:
        self._start = time.time()
        self._first_scrape: float | None = None
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Exporter:
        registry = CollectorRegistry()
        registry.register(self)
        self._server, self._thread = start_http_server(0, addr="127.0.0.1", registry=registry)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def collect(self) -> Iterator[Family]:
        """Give all series as they are now."""
        now = time.time()
        elapsed = now - self._start
        if self._first_scrape is None and self._server is not None:
            self._first_scrape = now
        is_rebased = self._first_scrape is not None and now - self._first_scrape >= REBASED_SECONDS
        for metric in metrics.flat():
            family = Family(metric.name, metric.help, "unknown")
            for model, version in MODELS:
                common = {"model_name": model, "model_version": version, "Hostname": "host-a"}
                for labels in label_sets(metric):
                    if labels.get("baseline_sha256") == SECOND_SHA and not (
                        is_rebased and (model, version) == REBASED
                    ):
                        continue
                    if labels.get("feature") in CATEGORIES and _is_of_numbers(metric, labels):
                        continue
                    value = self._value(metric, labels, elapsed, is_canary=(model, version) == CANARY)
                    family.add_sample(metric.name, common | labels, value)
            yield family
        for name, labels, growth in COUNTERS:
            yield _single(name, labels, growth * elapsed)
        for name, labels, value in GAUGES:
            yield _single(name, labels, value)

    def _value(
        self, metric: metrics.Metric, labels: dict[str, str], elapsed: float, *, is_canary: bool
    ) -> float:
        if metric.type == "counter":
            return growth(metric, labels, is_canary=is_canary) * elapsed
        dead = labels.get("worker") == DEAD_WORKER
        if metric is metrics.WINDOW_EVALUATED:
            return self._start - DEAD_SECONDS + min(elapsed, DYING_SECONDS) if dead else time.time()
        if dead:
            return DEAD_VALUE
        return _gauge(metric, labels, self._start)


def label_sets(metric: metrics.Metric) -> Iterator[dict[str, str]]:
    """All label sets of a metric for one model."""
    for parts in itertools.product(*(_choices(metric, label) for label in metric.labels if label != "bin")):
        labels = {name: value for part in parts for name, value in part.items()}
        if "bin" not in metric.labels:
            yield labels
            continue
        for name in BINS.get(labels["feature"], NUMERIC_BINS):
            yield labels | {"bin": name}


def _choices(metric: metrics.Metric, label: str) -> list[dict[str, str]]:
    """What a label may be; ``source`` brings the feature along."""
    if label == "source":
        return [{"source": source, "feature": feature} for source, feature in FEATURES]
    if label == "feature":
        if "source" in metric.labels:
            return [{}]
        return [{"feature": feature} for source, feature in FEATURES if source == "input"]
    if label == "le":
        return [{"le": bound} for bound in _histogram(metric).le_values]
    if metric is metrics.ANOMALIES:
        return [{"kind": kind} for kind in ANOMALY_KINDS]
    return [{label: value} for value in VALUES[label]]


def _is_of_numbers(metric: metrics.Metric, labels: dict[str, str]) -> bool:
    gauges = {metrics.feature_gauge(name).name for name in OF_NUMBERS}
    return metric.name in gauges or labels.get("statistic") in OF_NUMBERS


def _single(name: str, labels: dict[str, str], value: float) -> Family:
    family = Family(name, "TorchServe's own.", "unknown")
    family.add_sample(name, labels, value)
    return family


def _histogram(metric: metrics.Metric) -> metrics.Histogram:
    return next(
        entry
        for entry in metrics.CATALOGUE
        if isinstance(entry, metrics.Histogram) and metric.name.startswith(f"{entry.name}_")
    )


def growth(metric: metrics.Metric, labels: dict[str, str], *, is_canary: bool = False) -> float:
    """Growth of a counter in a second. The canary fails twice as often, is slower, and predicts all classes alike."""
    if "outcome" in labels:
        failing = ERROR_SHARE * (2 if is_canary else 1)
        return CALLS * (failing if labels["outcome"] == "error" else 1 - failing)
    if "le" in labels:
        bounds = _histogram(metric).le_values
        below = (bounds.index(labels["le"]) + 1) / len(bounds)
        return CALLS * (below**2 if is_canary else below)
    if metric.name.endswith("_sum"):
        return CALLS * 0.6
    if "class" in labels:
        return CALLS if is_canary else CALLS / 2.0 ** CLASSES.index(labels["class"])
    if metric.unit == "s":
        return 1e-4
    if metric is metrics.SLOW_REQUESTS:
        return CALLS / 100
    return CALLS if not labels else CALLS / (1 + sum(map(ord, "".join(labels.values()))) % 7)


# Gauges that are the same for all features. The share of missing values is, as in most windows, so that no size
# orders them.
SAME = {
    metrics.DRIFTED_RATIO.name: len(DRIFTED) / len(FEATURES),
    metrics.feature_gauge("missing_ratio").name: 0.0,
    metrics.BASELINE_SAMPLES.name: 1000.0,
    metrics.BASELINE_LEARNED_ROWS.name: 400.0,
    metrics.BASELINE_LEARNING.name: 1.0,
    metrics.WINDOW_SAMPLES.name: 1000.0,
    metrics.DRIFTED_SEGMENTS.name: 2.0,
    metrics.JUDGED_SEGMENTS.name: 16.0,
    metrics.INFLIGHT.name: 0.02,
    metrics.OBJECTIVE.name: 0.99,
    metrics.ESTIMATED_ACCURACY.name: 0.88,
    metrics.ESTIMATED_ACCURACY_WITHHELD.name: 0.0,
    metrics.BASELINE_ACCURACY.name: 0.91,
    metrics.SAMPLED_RATIO.name: 0.75,
}


def _gauge(metric: metrics.Metric, labels: dict[str, str], start: float) -> float:
    for by_label, label, values in (
        (metrics.THRESHOLD, "signal", THRESHOLDS),
        (metrics.DRIFT_THRESHOLD, "statistic", LIMITS),
        (metrics.ESTIMATED_ACCURACY_BOUND, "bound", ACCURACY_BOUNDS),
    ):
        if metric is by_label:
            return values[labels[label]]
    if metric is metrics.BASELINE_BIN_RATIO:
        return 1 / len(BINS.get(labels["feature"], NUMERIC_BINS))
    if metric is metrics.BASELINE_CLASS:
        return 1 / len(CLASSES)
    if metric is metrics.BASELINE_CREATED:
        return start - 86400
    if metric is metrics.DRIFTED:
        return float(labels["feature"] in DRIFTED)
    if metric.name in SAME:
        return SAME[metric.name]
    if metric.unit == "B":
        return 3e8 + int(labels["worker"]) * 1e4
    if metric.unit == "info":
        return 1
    # Each feature its own value, so that none shares a rank with another.
    rank = [name for _, name in FEATURES].index(labels["feature"])
    rank += len(FEATURES) * VALUES["segment"].index(labels["segment"]) if "segment" in labels else 0
    return (0.9 if labels["feature"] in DRIFTED else 0.09) / (1 + rank)
