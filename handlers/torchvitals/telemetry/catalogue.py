"""Every metric that TorchVitals emits, declared once: name, type, unit, labels, help.

`metrics.yaml`, `docs/metrics.md`, the dashboards and the tests read this table. A series carries
``model_name`` and ``model_version``, then the labels named here; TorchServe adds ``Hostname``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

COMMON_LABELS = ("model_name", "model_version")

# Seconds: from a small model on a CPU to a request that has all but hung.
LATENCY_BUCKETS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075,
    0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
RATIO_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

STAGES = ("preprocess", "inference", "postprocess", "handle")


@dataclass(frozen=True)
class Metric:
    """One counter or gauge."""

    name: str
    type: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Histogram:
    """A histogram kept as counters ``_bucket`` (with ``le``), ``_sum`` and ``_count``.

    TorchServe's own histograms have buckets that cannot be set, and counters add across workers
    (frontend: metrics/format/prometheous/PrometheusHistogram.java).
    """

    name: str
    unit: str
    help: str
    buckets: tuple[float, ...]
    labels: tuple[str, ...] = ()

    @property
    def bucket(self) -> Metric:
        """Observations at or below ``le``."""
        return Metric(f"{self.name}_bucket", "counter", "count", self.help, (*self.labels, "le"))

    @property
    def sum(self) -> Metric:
        """Sum of all observations."""
        return Metric(f"{self.name}_sum", "counter", self.unit, self.help, self.labels)

    @property
    def count(self) -> Metric:
        """Number of observations."""
        return Metric(f"{self.name}_count", "counter", "count", self.help, self.labels)

    @property
    def le_values(self) -> tuple[str, ...]:
        """The ``le`` label of each bucket, ``+Inf`` last."""
        return (*(f"{bound:g}" for bound in self.buckets), "+Inf")


FEATURE = ("source", "feature", "window", "worker")

REQUESTS = Metric(
    "model_requests_total", "counter", "count", "Calls of the handler, by outcome.", ("outcome",)
)
STAGE_DURATION = Histogram(
    "model_stage_duration_seconds",
    "s",
    "Duration of a stage of one call; warm-up and compilation calls are left out.",
    LATENCY_BUCKETS,
    ("stage", "clock"),
)
BATCH_SIZE = Histogram("model_batch_size", "count", "Requests in one call of the handler.", BATCH_BUCKETS)
WARMUP_REQUESTS = Metric(
    "model_warmup_requests_total",
    "counter",
    "count",
    "Calls counted as warm-up, kept out of the latency series.",
)
WARMUP_SECONDS = Metric("model_warmup_seconds_total", "counter", "s", "Time that warm-up calls took.")
COMPILATIONS = Metric(
    "model_compilations_total",
    "counter",
    "count",
    "torch.compile compilations seen by PyTorch's own counters.",
)
COMPILATION_SECONDS = Metric(
    "model_compilation_seconds_total", "counter", "s", "Time that calls took in which something was compiled."
)
QUEUE_DURATION = Histogram(
    "model_queue_duration_seconds",
    "s",
    "Time between the proxy's X-Request-Start header and the handler.",
    LATENCY_BUCKETS,
)
INFLIGHT = Metric(
    "model_inflight_seconds",
    "gauge",
    "s",
    "Age of the oldest call that has not ended; 0 without one.",
    ("worker",),
)
OBSERVATIONS = Metric(
    "model_feature_observations_total",
    "counter",
    "count",
    "Observed values of a feature, by the baseline's bin.",
    ("source", "feature", "bin"),
)
PREDICTIONS = Metric("model_predictions_total", "counter", "count", "Predictions, by class.", ("class",))
CONFIDENCE = Histogram(
    "model_prediction_confidence", "ratio", "Highest class probability of each prediction.", RATIO_BUCKETS
)
INPUT_INVALID = Metric(
    "model_input_invalid_total",
    "counter",
    "count",
    "Input values that a model should not see, by reason.",
    ("feature", "reason"),
)
ANOMALIES = Metric(
    "model_anomalies_total", "counter", "count", "Calls or windows that crossed an anomaly limit.", ("kind",)
)

KL = Metric(
    "model_feature_kl_divergence",
    "gauge",
    "nats",
    "Histogram KL divergence, baseline to window.",
    FEATURE,
)
GAUSSIAN_KL = Metric(
    "model_feature_gaussian_kl_divergence",
    "gauge",
    "nats",
    "KL divergence of the two normal distributions with the same mean and standard deviation.",
    FEATURE,
)
PSI = Metric(
    "model_feature_psi", "gauge", "nats", "Population stability index, window against baseline.", FEATURE
)
JS_DISTANCE = Metric(
    "model_feature_js_distance", "gauge", "ratio", "Jensen-Shannon distance (base 2), 0 to 1.", FEATURE
)
WASSERSTEIN = Metric(
    "model_feature_wasserstein_distance",
    "gauge",
    "baseline standard deviations",
    "Wasserstein-1 distance, window to baseline, in baseline standard deviations.",
    FEATURE,
)
MEAN_SHIFT = Metric(
    "model_feature_mean_shift_sigmas",
    "gauge",
    "baseline standard deviations",
    "Window mean minus baseline mean, in baseline standard deviations.",
    FEATURE,
)
MISSING_RATIO = Metric(
    "model_feature_missing_ratio", "gauge", "ratio", "Share of missing values in the window.", FEATURE
)
P_VALUE = Metric(
    "model_feature_drift_p_value",
    "gauge",
    "ratio",
    "Probability of a window this different if nothing had changed (two-sample test on bin counts).",
    FEATURE,
)
DRIFTED = Metric(
    "model_feature_drifted",
    "gauge",
    "0 or 1",
    "1 when the feature's drift is significant, large, beyond what training windows do, and lasting.",
    FEATURE,
)
ROW_SHARE = Metric(
    "model_feature_row_distance_ratio",
    "gauge",
    "ratio",
    "Share of a column in the squared distance of the window's rows from the training rows.",
    FEATURE,
)
DRIFT_THRESHOLD = Metric(
    "model_feature_drift_threshold",
    "gauge",
    "value",
    "How far the statistic may go before it is beyond the training data's own variation.",
    ("source", "feature", "statistic", "window"),
)
DRIFTED_RATIO = Metric(
    "model_drifted_features_ratio", "gauge", "ratio", "Share of features that drifted.", ("window", "worker")
)
WINDOW_SAMPLES = Metric(
    "model_window_samples", "gauge", "count", "Rows in the rolling window.", ("window", "worker")
)
WINDOW_EVALUATED = Metric(
    "model_window_evaluated_timestamp_seconds",
    "gauge",
    "s",
    "When the worker's monitor last ran; the sign of life of every gauge.",
    ("worker",),
)
MEMORY = Metric(
    "model_memory_bytes",
    "gauge",
    "B",
    "Memory of a worker, by kind: allocated, reserved, peak_allocated, inactive_split, rss, peak_rss, device_used, "
    "device_total.",
    ("worker", "device", "kind"),
)
OUT_OF_MEMORY = Metric(
    "model_out_of_memory_total", "counter", "count", "Calls that ran out of memory.", ("device",)
)
ALLOCATION_RETRIES = Metric(
    "model_memory_allocation_retries_total",
    "counter",
    "count",
    "Times that the allocator had to give memory back before it could serve a request.",
    ("device",),
)
ESTIMATED_ACCURACY = Metric(
    "model_estimated_accuracy_ratio",
    "gauge",
    "ratio",
    "Accuracy to expect of the window's predictions, from calibrated confidence; no labels needed.",
    ("window", "worker"),
)
BASELINE_ACCURACY = Metric(
    "model_baseline_accuracy_ratio", "gauge", "ratio", "Accuracy on the labelled rows of the baseline."
)
BASELINE_INFO = Metric(
    "model_baseline_info",
    "gauge",
    "info",
    "The baseline in use; always 1.",
    ("baseline_version", "baseline_sha256"),
)
BASELINE_CREATED = Metric(
    "model_baseline_created_timestamp_seconds", "gauge", "s", "When the baseline was built."
)
BASELINE_SAMPLES = Metric(
    "model_baseline_samples", "gauge", "count", "Rows that the baseline was built from."
)
BASELINE_BIN_RATIO = Metric(
    "model_baseline_bin_ratio",
    "gauge",
    "ratio",
    "Share of the baseline in each bin, smoothed as the divergences use it.",
    ("source", "feature", "bin"),
)
THRESHOLD = Metric(
    "model_threshold", "gauge", "value", "The model's alert threshold for a signal.", ("signal",)
)
RUNTIME_INFO = Metric(
    "model_runtime_info",
    "gauge",
    "info",
    "How a worker runs the model: 1 now, 0 for what was before. Precision: `autocast_bfloat16` and the like where its "
    "first runs were under torch.autocast, else the types of its parameters.",
    ("worker", "device", "precision", "torch_version", "compiled"),
)
MONITOR_ERRORS = Metric(
    "model_monitor_errors_total",
    "counter",
    "count",
    "Errors inside the monitor; predictions are unaffected.",
    ("phase",),
)
MONITOR_DROPPED = Metric(
    "model_monitor_dropped_total",
    "counter",
    "count",
    "Rows or values that the monitor could not take.",
    ("reason",),
)
SAMPLED_RATIO = Metric(
    "model_monitor_sampled_ratio",
    "gauge",
    "ratio",
    "Share of large inputs that are compared with the baseline; below 1 when the overhead budget is spent.",
    ("worker",),
)
MONITOR_SECONDS = Metric(
    "model_monitor_seconds_total", "counter", "s", "CPU time that the monitor used.", ("phase",)
)

DECLARED: tuple[Union[Metric, Histogram], ...] = (
    REQUESTS, STAGE_DURATION, QUEUE_DURATION, INFLIGHT, BATCH_SIZE, WARMUP_REQUESTS, WARMUP_SECONDS, COMPILATIONS,
    COMPILATION_SECONDS, OBSERVATIONS, PREDICTIONS, CONFIDENCE, ESTIMATED_ACCURACY, INPUT_INVALID, ANOMALIES, KL,
    GAUSSIAN_KL, PSI, JS_DISTANCE, WASSERSTEIN, MEAN_SHIFT, MISSING_RATIO, P_VALUE, DRIFTED, ROW_SHARE, DRIFT_THRESHOLD,
    DRIFTED_RATIO, WINDOW_SAMPLES, WINDOW_EVALUATED, MEMORY, OUT_OF_MEMORY, ALLOCATION_RETRIES, BASELINE_INFO,
    BASELINE_CREATED, BASELINE_SAMPLES, BASELINE_BIN_RATIO, BASELINE_ACCURACY, THRESHOLD, RUNTIME_INFO,
    MONITOR_ERRORS, MONITOR_DROPPED, SAMPLED_RATIO, MONITOR_SECONDS,
)  # fmt: skip


def flat() -> tuple[Metric, ...]:
    """All metrics as counters and gauges, a histogram as its three counters."""
    result: list[Metric] = []
    for entry in DECLARED:
        result += [entry.bucket, entry.sum, entry.count] if isinstance(entry, Histogram) else [entry]
    return tuple(result)
