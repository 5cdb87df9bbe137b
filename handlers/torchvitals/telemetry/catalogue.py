"""Every metric that TorchVitals emits, declared once: name, unit, help, labels.

`metrics.yaml`, `docs/metrics.md`, the dashboards and the tests read this table, in its order. A declaration is all that
a metric needs; the gauges of the statistics follow from `drift.statistics`. A series carries ``model_name`` and
``model_version``, then the labels named here; TorchServe adds ``Hostname``.
"""

from __future__ import annotations

from ..drift.statistics import STATISTICS
from .metric import Catalogue as Catalogue
from .metric import Histogram as Histogram
from .metric import Metric as Metric

COMMON_LABELS = ("model_name", "model_version")

# Seconds: from a small model on a CPU to a request that has all but hung.
LATENCY_BUCKETS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075,
    0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
RATIO_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

STAGES = ("preprocess", "inference", "postprocess", "handle")

# A gauge of one feature, in one window of one worker.
FEATURE = ("source", "feature", "window", "worker")

CATALOGUE = Catalogue()
counter, gauge, histogram = CATALOGUE.counter, CATALOGUE.gauge, CATALOGUE.histogram


def flat() -> tuple[Metric, ...]:
    """Return all metrics as counters and gauges, a histogram as its three counters."""
    return CATALOGUE.flat()


def feature_gauge(statistic: str) -> Metric:
    """Return the gauge that shows a statistic of each feature.

    Args:
        statistic: its name, such as ``kl_divergence``.

    Raises:
        KeyError: there is no such statistic.
    """
    shown = STATISTICS[statistic]
    return Metric(shown.gauge, "gauge", shown.unit, shown.help, FEATURE)


REQUESTS = counter("model_requests_total", "count", "Calls of the handler, by outcome.", ("outcome",))
SLOW_REQUESTS = counter(
    "model_slow_requests_total",
    "count",
    "Requests that took longer than the model's latency objective allows (`slo: latency_seconds`), without warm-up and "
    "compilation.",
)
STAGE_DURATION = histogram(
    "model_stage_duration_seconds",
    "s",
    "Duration of a stage of one call; warm-up and compilation calls are left out.",
    LATENCY_BUCKETS,
    ("stage", "clock"),
)
QUEUE_DURATION = histogram(
    "model_queue_duration_seconds",
    "s",
    "Time between the proxy's X-Request-Start header and the handler.",
    LATENCY_BUCKETS,
)
INFLIGHT = gauge(
    "model_inflight_seconds", "s", "Age of the oldest call that has not ended; 0 without one.", ("worker",)
)
FIRST_STEP_DURATION = histogram(
    "model_first_step_duration_seconds",
    "s",
    "Continuous batching: time from the begin of a request's first step to the reply of it.",
    LATENCY_BUCKETS,
)
LAST_STEP_DURATION = histogram(
    "model_last_step_duration_seconds",
    "s",
    "Continuous batching: time from the begin of a request's first step to the reply of its last one.",
    LATENCY_BUCKETS,
)
BATCH_SIZE = histogram("model_batch_size", "count", "Requests in one call of the handler.", BATCH_BUCKETS)
WARMUP_REQUESTS = counter(
    "model_warmup_requests_total", "count", "Calls counted as warm-up, kept out of the latency series."
)
WARMUP_SECONDS = counter("model_warmup_seconds_total", "s", "Time that warm-up calls took.")
COMPILATIONS = counter(
    "model_compilations_total", "count", "torch.compile compilations seen by PyTorch's own counters."
)
COMPILATION_SECONDS = counter(
    "model_compilation_seconds_total", "s", "Time that calls took in which something was compiled."
)
OBSERVATIONS = counter(
    "model_feature_observations_total",
    "count",
    "Observed values of a feature, by the baseline's bin.",
    ("source", "feature", "bin"),
)
PREDICTIONS = counter(
    "model_predictions_total",
    "count",
    "Predictions, by class: the 50 largest of the baseline, and those that come to hold half of a window; `other` is "
    "all the rest.",
    ("class",),
)
CONFIDENCE = histogram(
    "model_prediction_confidence", "ratio", "Highest class probability of each prediction.", RATIO_BUCKETS
)
ESTIMATED_ACCURACY = gauge(
    "model_estimated_accuracy_ratio",
    "ratio",
    "Accuracy to expect of the window's predictions by confidence-based performance estimation (CBPE); no labels "
    "needed. Not updated while model_estimated_accuracy_withheld is 1 for a reason.",
    ("window", "worker"),
)
ESTIMATED_ACCURACY_BOUND = gauge(
    "model_estimated_accuracy_bound_ratio",
    "ratio",
    "Ends of the estimate's 95 % interval, `lower` and `upper`: what the window's size and the number of labelled rows "
    "leave open.",
    ("bound", "window", "worker"),
)
ESTIMATED_ACCURACY_WITHHELD = gauge(
    "model_estimated_accuracy_withheld",
    "0 or 1",
    "1 for the reason for which the window's accuracy is not estimated; 0 for the others, and for all while it is.",
    ("reason", "window", "worker"),
)
INPUT_INVALID = counter(
    "model_input_invalid_total",
    "count",
    "Input values that a model should not see, by reason.",
    ("feature", "reason"),
)
ANOMALIES = counter(
    "model_anomalies_total", "count", "Calls or windows that crossed an anomaly limit.", ("kind",)
)
CATALOGUE.follow(lambda: (feature_gauge(statistic.name) for statistic in STATISTICS))
DRIFTED = gauge(
    "model_feature_drifted",
    "0 or 1",
    "1 when the feature's drift is significant, large, beyond what training windows do, and lasting.",
    FEATURE,
)
ROW_SHARE = gauge(
    "model_feature_row_distance_ratio",
    "ratio",
    "Share of a column in the squared distance of the window's rows from the training rows.",
    FEATURE,
)
DRIFT_THRESHOLD = gauge(
    "model_feature_drift_threshold",
    "value",
    "How far the statistic may go before it is beyond the training data's own variation.",
    ("source", "feature", "statistic", "window"),
)
DRIFTED_RATIO = gauge(
    "model_drifted_features_ratio", "ratio", "Share of features that drifted.", ("window", "worker")
)
SEGMENT_DRIFT = gauge(
    "model_segment_drift",
    "value",
    "PSI of a feature in a segment of the traffic that drifted from its own training rows, of the five worst; 0 once "
    "it is over.",
    ("segment", "feature", "worker"),
)
DRIFTED_SEGMENTS = gauge(
    "model_drifted_segments", "count", "Segments of the traffic of which a feature drifted.", ("worker",)
)
JUDGED_SEGMENTS = gauge(
    "model_judged_segments",
    "count",
    "Segments of the traffic that are judged: those with rows enough, in training and now.",
    ("worker",),
)
WINDOW_SAMPLES = gauge("model_window_samples", "count", "Rows in the rolling window.", ("window", "worker"))
WINDOW_EVALUATED = gauge(
    "model_window_evaluated_timestamp_seconds",
    "s",
    "When the worker's monitor last ran; the sign of life of every gauge.",
    ("worker",),
)
MEMORY = gauge(
    "model_memory_bytes",
    "B",
    "Memory of a worker, by kind: allocated, reserved, peak_allocated, inactive_split, rss, peak_rss, device_used, "
    "device_total.",
    ("worker", "device", "kind"),
)
OUT_OF_MEMORY = counter("model_out_of_memory_total", "count", "Calls that ran out of memory.", ("device",))
ALLOCATION_RETRIES = counter(
    "model_memory_allocation_retries_total",
    "count",
    "Times that the allocator had to give memory back before it could serve a request.",
    ("device",),
)
BASELINE_INFO = gauge(
    "model_baseline_info", "info", "The baseline in use; always 1.", ("baseline_version", "baseline_sha256")
)
BASELINE_CREATED = gauge("model_baseline_created_timestamp_seconds", "s", "When the baseline was built.")
BASELINE_SAMPLES = gauge("model_baseline_samples", "count", "Rows that the baseline was built from.")
BASELINE_BIN_RATIO = gauge(
    "model_baseline_bin_ratio",
    "ratio",
    "Share of the baseline in each bin, smoothed as the divergences use it.",
    ("source", "feature", "bin"),
)
BASELINE_CLASS = gauge(
    "model_baseline_class_ratio",
    "ratio",
    "Share of each class in the baseline's predictions, under the labels of `model_predictions_total`.",
    ("class",),
)
BASELINE_ACCURACY = gauge(
    "model_baseline_accuracy_ratio", "ratio", "Accuracy on the labelled rows of the baseline."
)
BASELINE_LEARNED_ROWS = gauge(
    "model_baseline_learned_rows",
    "count",
    "Rows served that a worker has for the baseline that it learns (`learn`); those it was learned from in the end.",
    ("worker",),
)
BASELINE_LEARNING = gauge(
    "model_baseline_learning",
    "0 or 1",
    "1 for the state of what a worker learns: `collecting` rows; learned, and `shared` with the other workers by a "
    "file, or `unshared` where it cannot be written; `failed` where no baseline can be learned of such rows.",
    ("state", "worker"),
)
THRESHOLD = gauge("model_threshold", "value", "The model's alert threshold for a signal.", ("signal",))
OBJECTIVE = gauge(
    "model_objective_ratio",
    "ratio",
    "Share of the model's requests that must be answered (`availability`), and answered in time (`latency`).",
    ("objective",),
)
RUNTIME_INFO = gauge(
    "model_runtime_info",
    "info",
    "How a worker runs the model: 1 now, 0 for what was before. Precision: `autocast_bfloat16` and the like where its "
    "first runs were under torch.autocast, else the types of its parameters.",
    ("worker", "device", "precision", "torch_version", "compiled"),
)
PREDICTIONS_WRITTEN = counter(
    "model_predictions_written_total", "count", "Predictions that wait, or waited, for the labels service."
)
PREDICTIONS_UNWRITTEN = counter(
    "model_predictions_unwritten_total",
    "count",
    "Predictions that no label can find, by reason: requests that `failed`, or have no valid id (`no_id`); outputs of "
    "another number than ids (`rows`), of runs of inference beside each other in one call (`order`), of a kind that "
    "has no labels (`kind`), of a kind that is not known yet (`unknown_outputs`), or not finite (`not_finite`); too "
    "many waiting (`full`), a disk that cannot be written (`disk`).",
    ("reason",),
)
MONITOR_ERRORS = counter(
    "model_monitor_errors_total",
    "count",
    "Errors inside the monitor; predictions are unaffected.",
    ("phase",),
)
MONITOR_DROPPED = counter(
    "model_monitor_dropped_total", "count", "Rows or values that the monitor could not take.", ("reason",)
)
MONITOR_UNSEEN = counter(
    "model_monitor_unseen_total",
    "count",
    "Requests of which the monitor saw no inference (stage), no inputs or no outputs that the baseline describes, or "
    "some that cannot be compared with it (uncomparable) or only in windows that it has no limits for (window), by "
    "reason.",
    ("reason",),
)
SAMPLED_RATIO = gauge(
    "model_monitor_sampled_ratio",
    "ratio",
    "Share of large inputs that are compared with the baseline; below 1 when the overhead budget is spent.",
    ("worker",),
)
MONITOR_SECONDS = counter("model_monitor_seconds_total", "s", "CPU time that the monitor used.", ("phase",))
