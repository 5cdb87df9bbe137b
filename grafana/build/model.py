"""One model: its calls, where their time goes, what it predicts, its memory and its workers."""

from __future__ import annotations

from grafana.build import palette
from grafana.build.panels import bars, dashboard, firing_alerts, living_workers, measure, table
from grafana.build.promql import (
    FRESH,
    RANGE,
    RATE,
    WINDOW,
    Scope,
    by_label,
    estimated_accuracy,
    lines,
    quantile,
    ranked,
    rate,
    ratio,
    selector,
    share,
    total,
)
from grafana.build.spec import Column, Graph, Heatmap, Row, Stat, Target, Timeline
from torchvitals.telemetry import catalogue as metrics

S = Scope(many_models=False, many_versions=True)


def _any_of(label: str, values: tuple[str, ...]) -> str:
    return f'{label}=~"{"|".join(values)}"'


WORKER = "instance, model_version, worker"
RUNTIME = f"{WORKER}, device, precision, torch_version, compiled"
WORKER_NAME = "{{instance}} {{model_version}} {{worker}}"

REQUESTS = S.select(metrics.REQUESTS)
ERRORS = S.select(metrics.REQUESTS, 'outcome="error"')
HOST_CLOCK = 'clock="host"'
INNER_STAGES = tuple(stage for stage in metrics.STAGES if stage != "handle")
ANOMALY_KINDS = ("high_latency", "low_confidence", "high_memory", "imbalanced_output")
DEVICE_MEMORY_KINDS = ("allocated", "reserved", "peak_allocated", "inactive_split")
OBJECTIVES = ("availability", "latency")
BATCHES = metrics.BATCH_SIZE
CONFIDENCE = metrics.CONFIDENCE
PREDICTIONS = S.select(metrics.PREDICTIONS)
BASELINE_CLASSES = S.fresh_model("model_class:model_baseline_class:ratio")
RSS = 'kind="rss"'
PEAK_RSS = 'kind="peak_rss"'
# TorchServe counts these itself, under the model's name and a version of its own.
RECEIVED, QUEUED_TIME, ANSWER_TIME = (
    selector(name, 'model_name="$model_name"')
    for name in (
        "ts_inference_requests_total",
        "ts_queue_latency_microseconds",
        "ts_inference_latency_microseconds",
    )
)
DEVICE_MEMORY = S.select("model_device:model_memory_bytes:max", _any_of("kind", DEVICE_MEMORY_KINDS))
UNANSWERED = S.fleet("model:fleet_unanswered:ratio_increase5m")
ASKED = S.fleet("model:fleet_received:increase5m")
LIVING = f"sum({S.select(FRESH)})"
# TorchServe names a worker W-PORT-MODEL_VERSION and sets the gauge each time the worker loads its model.
LOAD_TIME = selector("WorkerLoadTime", 'WorkerName=~"W-[0-9]+-${model_name}_.*"')


def _percentiles(buckets: str) -> tuple[Target, ...]:
    return lines(*((f"p{percent}", quantile(percent / 100, buckets)) for percent in (50, 95, 99)))


def _by_device(title: str, description: str, counter: metrics.Metric, no_value: str) -> Graph:
    series = S.select(counter)
    return Graph(
        title,
        description,
        ranked(f"sum by (device) (increase({series}[{RATE}]))", total(series, "device"), "{{device}}"),
        minimum=0,
        bars=True,
        height=6,
        no_value=no_value,
    )


DASHBOARD = dashboard(
    "model",
    S,
    "## Is this model fast, sure of itself and within its memory, and where does its time go?\n"
    "Rows follow a call: it arrives, passes the stages, leaves a prediction, and costs memory. A "
    "dashed line is the threshold in the model's own configuration. Whether its *data* moved is on "
    "the drift dashboard.",
    title="Model",
    description="One model on TorchServe: calls, latency by stage, predictions, memory and workers.",
    variables=S.variables(),
    rows=(
        Row(
            "State",
            (
                firing_alerts(S, "Alerts that Prometheus is firing for this model now."),
                Stat("Calls", "Calls of the handler in a second.", (Target(rate(REQUESTS)),), unit="reqps"),
                Stat(
                    "Errors",
                    "Share of calls that raised an error in a stage of the handler.",
                    (Target(ratio(rate(ERRORS), rate(REQUESTS))),),
                    unit="percentunit",
                    decimals=2,
                    no_value="no traffic",
                ),
                Stat(
                    "p95 latency",
                    "95 of 100 calls took at most this long.",
                    (Target(quantile(0.95, S.stage_buckets())),),
                    unit="s",
                    no_value="no traffic",
                ),
                Stat(
                    "Mean confidence",
                    "Mean of the highest class probability. Empty for a model that gives no probabilities.",
                    (Target(S.mean(CONFIDENCE)),),
                    unit="percentunit",
                    decimals=1,
                    no_value="no probabilities",
                ),
                living_workers(S),
            ),
        ),
        Row(
            "Calls",
            (
                Graph(
                    "Calls by outcome",
                    "Calls of the handler in a second that ended well, and that raised an error.",
                    (by_label(rate(REQUESTS, "outcome"), "{{outcome}}", ("ok", "error")),),
                    unit="reqps",
                    minimum=0,
                ),
                Graph(
                    "Batch size",
                    "Requests in one call: the mean, and the size that 95 of 100 calls do not exceed.",
                    lines(("mean", S.mean(BATCHES)), ("p95", quantile(0.95, S.select(BATCHES.bucket)))),
                    minimum=0,
                ),
                Graph(
                    "Oldest call that has not ended",
                    "Age of the oldest call in each worker that has not answered yet, the longest first. A line "
                    "that climbs with the clock is a call that hangs. The dashed line is the inflight_seconds limit.",
                    (
                        *ranked(
                            f"max by ({WORKER}) {S.fresh(metrics.INFLIGHT)}",
                            S.fresh_peak(metrics.INFLIGHT, WORKER),
                            WORKER_NAME,
                        ),
                        S.threshold("inflight_seconds"),
                    ),
                    unit="s",
                    minimum=0,
                ),
                Graph(
                    "Anomalies",
                    "Calls or windows in a second that crossed a limit, by kind.",
                    (
                        by_label(
                            rate(S.select(metrics.ANOMALIES, _any_of("kind", ANOMALY_KINDS)), "kind"),
                            "{{kind}}",
                            ANOMALY_KINDS,
                        ),
                    ),
                    unit="cps",
                    minimum=0,
                ),
                Graph(
                    "Objectives",
                    "Share of the requests that failed in the handler, and that took longer than was promised, with "
                    "what the model's objectives (slo) allow. Of a model without one of them, its lines are not drawn.",
                    (
                        *lines(
                            ("failed", ratio(rate(ERRORS), rate(REQUESTS))),
                            ("too slow", ratio(rate(S.select(metrics.SLOW_REQUESTS)), rate(REQUESTS))),
                        ),
                        by_label(
                            "1 - max by (objective) "
                            + S.fresh(metrics.OBJECTIVE, _any_of("objective", OBJECTIVES)),
                            "allowed: {{objective}}",
                            tuple(f"allowed: {objective}" for objective in OBJECTIVES),
                            "C",
                        ),
                    ),
                    unit="percentunit",
                    minimum=0,
                    width=24,
                ),
            ),
        ),
        Row(
            "Latency",
            (
                Graph(
                    "Latency of a call",
                    "Percentiles over all workers, from entering the handler to leaving it; warm-up and "
                    "compilation are left out. The dashed line is the limit on p95.",
                    (*_percentiles(S.stage_buckets()), S.threshold("latency_p95_seconds")),
                    unit="s",
                    scale="log",
                ),
                Heatmap(
                    "Distribution of latency",
                    "How many calls took how long. Two bands mean two kinds of calls, which a percentile "
                    "hides.",
                    (Target(f"sum by (le) (increase({S.stage_buckets('handle')}[{RATE}]))", "{{le}}"),),
                    unit="s",
                ),
                Graph(
                    "p95 by stage",
                    "95 of 100 calls took at most this long in each stage, by the host's clock.",
                    (
                        by_label(
                            quantile(0.95, S.select(metrics.STAGE_DURATION.bucket, HOST_CLOCK), "stage"),
                            "{{stage}}",
                            metrics.STAGES,
                        ),
                    ),
                    unit="s",
                    minimum=0,
                ),
                Graph(
                    "Where the time goes",
                    "Mean time of a call in each stage, stacked.",
                    (
                        by_label(
                            S.mean(
                                metrics.STAGE_DURATION, "stage", _any_of("stage", INNER_STAGES), HOST_CLOCK
                            ),
                            "{{stage}}",
                            INNER_STAGES,
                        ),
                    ),
                    unit="s",
                    minimum=0,
                    stacked=True,
                ),
                Graph(
                    "Steps of continuous batching",
                    "From the begin of a request's first step to the reply of the first and of the last one: the mean, "
                    "and what 95 of 100 requests do not exceed. Empty without continuous batching.",
                    lines(
                        *(
                            line
                            for name, steps in (
                                ("first step", metrics.FIRST_STEP_DURATION),
                                ("last step", metrics.LAST_STEP_DURATION),
                            )
                            for line in (
                                (f"{name}, mean", S.mean(steps)),
                                (f"{name}, p95", quantile(0.95, S.select(steps.bucket))),
                            )
                        )
                    ),
                    unit="s",
                    minimum=0,
                    width=24,
                    height=7,
                    no_value="no continuous batching",
                ),
            ),
        ),
        Row(
            "Before the handler",
            (
                Graph(
                    "Requests without an answer of the model",
                    "Share of the requests that no handler has seen, and that TorchServe answered with an error of its "
                    "own or not at all (last 5 minutes, all servers and versions). TorchServe counts its 5xx by host "
                    "alone, so what handlers explain is taken away. The dashed line is the limit on errors.",
                    (
                        *lines(
                            # TorchServe has no counter of 5xx before the first.
                            ("no answer", f"max({UNANSWERED}) or 0 * max({ASKED} > 0)"),
                        ),
                        S.threshold("error_ratio"),
                    ),
                    unit="percentunit",
                    minimum=0,
                    no_value="no traffic",
                ),
                Graph(
                    "Requests waiting and running",
                    "How many requests there are on average, of those that TorchServe answered by REST: in its queue, "
                    "and after it, in a worker or on the way back. It is the time that they spent there in each "
                    "second. A request that waits counts once it is answered. All versions.",
                    lines(
                        ("waiting", f"{rate(QUEUED_TIME)} / 1e6"),
                        ("running", f"({rate(ANSWER_TIME)} - {rate(QUEUED_TIME)}) / 1e6"),
                    ),
                    minimum=0,
                    no_value="no traffic by REST",
                ),
                Graph(
                    "Wait in TorchServe's queue",
                    "Mean time that a request waits for a worker, over all versions, and what 95 of 100 requests wait "
                    "at most for their answer: the handler's p95 after the mean of the wait (last 5 minutes, all "
                    "servers). The dashed line is the limit on p95.",
                    (
                        *lines(
                            ("mean wait", f"{ratio(rate(QUEUED_TIME), rate(RECEIVED))} / 1e6"),
                            (
                                "p95 of the answer",
                                f"max({S.fleet('model:fleet_wait_seconds:p95_rate5m', S.model_matchers[1])})",
                            ),
                        ),
                        S.threshold("latency_p95_seconds"),
                    ),
                    unit="s",
                    scale="log",
                    no_value="no traffic",
                ),
                Graph(
                    "Wait before the handler",
                    "Mean and percentiles of the time between the proxy's X-Request-Start header and the handler: "
                    "network, queue and batching. Empty without a proxy that sets the header.",
                    (
                        *_percentiles(S.select(metrics.QUEUE_DURATION.bucket)),
                        Target(S.mean(metrics.QUEUE_DURATION), "mean", "D"),
                    ),
                    unit="s",
                    minimum=0,
                    no_value="no proxy sends the header X-Request-Start",
                ),
            ),
        ),
        Row(
            "Warm-ups and compilations",
            (
                Graph(
                    "Warm-ups and compilations",
                    "First calls of a worker, and torch.compile compilations. Both are slow, are left out "
                    "of the latencies and belong to the start of a worker; later ones mean restarts or "
                    "changing input shapes.",
                    lines(
                        ("warm-up calls", f"sum(increase({S.select(metrics.WARMUP_REQUESTS)}[{RATE}]))"),
                        ("compilations", f"sum(increase({S.select(metrics.COMPILATIONS)}[{RATE}]))"),
                    ),
                    minimum=0,
                    bars=True,
                ),
                Graph(
                    "Time lost to warm-ups and compilations",
                    "How long callers waited in those calls, in seconds of waiting for each second of the clock.",
                    lines(
                        ("warm-up calls", rate(S.select(metrics.WARMUP_SECONDS))),
                        ("calls that compiled", rate(S.select(metrics.COMPILATION_SECONDS))),
                    ),
                    unit="percentunit",
                    minimum=0,
                ),
            ),
        ),
        Row(
            "Predictions",
            (
                Graph(
                    "Confidence",
                    "Highest class probability of a prediction: the mean, the median, and the value that 5 "
                    "of 100 predictions fall below. The dashed line is the limit on the mean.",
                    (
                        *lines(
                            ("mean", S.mean(CONFIDENCE)),
                            ("median", quantile(0.5, S.select(CONFIDENCE.bucket))),
                            ("p5", quantile(0.05, S.select(CONFIDENCE.bucket))),
                        ),
                        S.threshold("confidence"),
                    ),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                ),
                Graph(
                    "Estimated accuracy",
                    "Accuracy to expect of the window's predictions, from calibrated confidence, in the worker "
                    "where it is lowest, with its 95 % interval, and the accuracy on the baseline's labelled rows. "
                    "Below the dashed line it dropped by more than the limit. It has gaps where it is withheld, "
                    "and is empty for a model whose baseline had no labels.",
                    estimated_accuracy(S),
                    unit="percentunit",
                    maximum=1,
                    no_value="withheld, or the baseline has no labels",
                ),
                Graph(
                    "Class mix",
                    "Share of each of the five most predicted classes. The dashed line is the limit for a "
                    "single class.",
                    (
                        *ranked(
                            share(rate(PREDICTIONS, "class"), rate(PREDICTIONS)),
                            total(PREDICTIONS, "class"),
                            "{{class}}",
                        ),
                        S.threshold("class_share"),
                    ),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                ),
                bars(
                    "Class mix against the baseline",
                    "Share of each class over the chosen time, beside its share when the baseline was built.",
                    (Column("class", "Class"),),
                    (
                        measure(S.class_shares(), "Live", "percentunit"),
                        measure(f"max by (class) {BASELINE_CLASSES}", "Baseline", "percentunit"),
                    ),
                    maximum=1,
                ),
                Timeline(
                    "Accuracy unknown",
                    "When the accuracy of some worker's window could not be estimated, and why: the window is "
                    "outside what the labelled rows of the baseline knew. Empty for a model whose baseline had no "
                    "labels.",
                    (
                        Target(
                            f"max by (reason) {S.fresh(metrics.ESTIMATED_ACCURACY_WITHHELD, WINDOW)}",
                            "{{reason}}",
                        ),
                    ),
                    texts=(("0", "no", palette.OK), ("1", "withheld", palette.ALARM)),
                    height=8,
                    no_value="the baseline has no labels",
                ),
            ),
        ),
        Row(
            "Memory",
            (
                Graph(
                    "Host memory by worker",
                    "Resident memory of the five largest workers. A steady climb is a leak. The dashed line "
                    "is the rss_bytes limit.",
                    (
                        *ranked(
                            f"max by ({WORKER}) {S.fresh(metrics.MEMORY, RSS)}",
                            S.fresh_peak(metrics.MEMORY, WORKER, RSS),
                            WORKER_NAME,
                        ),
                        S.threshold("rss_bytes"),
                    ),
                    unit="bytes",
                    minimum=0,
                    width=24,
                ),
            ),
        ),
        Row(
            "Accelerator",
            (
                Graph(
                    "Inference on the device",
                    "Percentiles of the time that the accelerator worked, by its own clock. Empty on a CPU.",
                    _percentiles(S.stage_buckets("inference", "device")),
                    unit="s",
                    minimum=0,
                    no_value="no accelerator",
                ),
                Graph(
                    "Device memory",
                    "Memory on the accelerator of the worker that uses most. Inactive split memory is reserved in "
                    "pieces that no tensor fits: fragmentation. Empty on a CPU. The dashed line is the "
                    "memory_bytes limit on the peak.",
                    (
                        by_label(
                            f"max by (kind) ({DEVICE_MEMORY})",
                            "{{kind}}",
                            DEVICE_MEMORY_KINDS,
                        ),
                        S.threshold("memory_bytes"),
                    ),
                    unit="bytes",
                    minimum=0,
                    no_value="no accelerator",
                ),
                _by_device(
                    "Out of memory",
                    "Calls that ran out of memory, by device. Empty until the first.",
                    metrics.OUT_OF_MEMORY,
                    "no call has run out of memory",
                ),
                _by_device(
                    "Retries of the allocator",
                    "Times that the allocator had to give memory back before it could serve a request, by device. "
                    "They slow calls down, and come before running out of memory. Empty on a CPU.",
                    metrics.ALLOCATION_RETRIES,
                    "no accelerator",
                ),
            ),
            collapsed=True,
        ),
        Row(
            "Workers",
            (
                table(
                    "Workers",
                    "How each living worker runs the model, and when its monitor last evaluated the window.",
                    (
                        Column("instance", "Instance"),
                        Column("worker", "Worker"),
                        Column("model_version", "Version"),
                        Column("device", "Device"),
                        Column("precision", "Precision"),
                        Column("compiled", "Compiled"),
                        Column("torch_version", "PyTorch"),
                    ),
                    (
                        # 0 is how the worker ran the model before.
                        measure(
                            f"max by ({RUNTIME}) {S.fresh(metrics.RUNTIME_INFO)} == 1",
                            "Info",
                            "string",
                            hidden=True,
                        ),
                        measure(f"max by ({WORKER}) {S.fresh(metrics.MEMORY, RSS)}", "Memory", "bytes"),
                        measure(
                            f"max by ({WORKER}) {S.fresh(metrics.MEMORY, PEAK_RSS)}", "Peak memory", "bytes"
                        ),
                        measure(
                            f"max by ({WORKER}) {S.fresh(metrics.WINDOW_SAMPLES, WINDOW)}",
                            "Rows in the window",
                            "short",
                        ),
                        measure(
                            f"1000 * max by ({WORKER}) {S.fresh(metrics.WINDOW_EVALUATED)}",
                            "Evaluated",
                            "dateTimeFromNow",
                        ),
                    ),
                    height=6,
                ),
                Graph(
                    "Workers over time",
                    "Workers whose monitor reported in the last two minutes, and the most that there were at once in "
                    "the chosen time. TorchServe exports nothing about how many it is asked to run.",
                    lines(
                        ("living", LIVING),
                        ("most at once", f"max_over_time(({LIVING})[{RANGE}:$__interval] @ end())"),
                    ),
                    minimum=0,
                    height=6,
                    no_value="no worker has reported",
                ),
                Graph(
                    "Worker restarts",
                    "Changes of the time that a worker took to load the model; a worker that starts again "
                    "sets it anew.",
                    ranked(
                        f"sum by (WorkerName) (changes({LOAD_TIME}[{RATE}]))",
                        f"sum by (WorkerName) (changes({LOAD_TIME}[{RANGE}] @ end()))",
                        "{{WorkerName}}",
                    ),
                    minimum=0,
                    bars=True,
                    height=6,
                    no_value="TorchServe exports no WorkerLoadTime of this model",
                ),
            ),
        ),
    ),
)
