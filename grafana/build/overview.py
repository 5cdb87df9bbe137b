"""The overview: every model at a glance, what goes wrong first, then rate, errors, duration, drift and the machine."""

from __future__ import annotations

from grafana.build import palette
from grafana.build.panels import alarm_below, alarm_from, dashboard, firing_alerts, living_workers
from grafana.build.promql import (
    MODEL,
    NEWS,
    RANGE,
    RATE,
    THRESHOLDS,
    Scope,
    columns,
    lines,
    peak,
    quantile,
    ranked,
    rate,
    ratio,
    selector,
    total,
)
from grafana.build.spec import Column, Graph, Row, Stat, Table, Target
from torchvitals.telemetry import catalogue as metrics

S = Scope(many_models=True, many_versions=True)

NAME = "{{model_name}} {{model_version}}"

REQUESTS = S.select(metrics.REQUESTS)
ERRORS = S.select(metrics.REQUESTS, 'outcome="error"')
HANDLE = S.stage_buckets()
P95 = S.select("model_stage:model_stage_duration_seconds:p95_rate5m", 'stage="handle"', 'clock="host"')
LATENCY_LIMIT = S.fresh_model(THRESHOLDS, 'signal="latency_p95_seconds"')
DRIFTED = S.select("model:model_drifted_features_ratio:max", 'window=~"$window"')
RSS = S.select("model_device:model_memory_bytes:max", 'kind="rss"')

# TorchServe counts these itself, under the model's name and a version of its own.
QUEUE_TIME = selector("ts_queue_latency_microseconds", 'model_name=~"$model_name"')
QUEUED = selector("ts_inference_requests_total", 'model_name=~"$model_name"')


def _mean_confidence(counted: str) -> str:
    """Mean confidence; ``counted`` takes a counter and labels and sums its growth."""
    summed = counted.format(S.select(metrics.CONFIDENCE.sum))
    return ratio(summed, counted.format(S.select(metrics.CONFIDENCE.count)))


# What is down has no series of its own, whatever the time range: its job tells that it is a TorchServe.
OUR_JOBS = (
    f"last_over_time({selector('model:model_monitor:fresh_workers')}[{NEWS}]) "
    'or label_replace(vector(0), "job", "torchserve", "", "")'
)

GROWTH = f"sum by ({MODEL}) (increase({{}}[{RANGE}] @ end()))"
PER_SECOND = f"sum by ({MODEL}) (rate({{}}[{RATE}]))"

ALL_CLEAR = alarm_from(1)
ANY = alarm_from(1e-9)

KEPT = ("datasource", "cluster", "namespace", "env", "job", "instance", "feature")
ONE_MODEL = "&".join(
    (
        "${__url_time_range}",
        *(f"${{{name}:queryparam}}" for name in KEPT),
        "var-model_name=${__data.fields.Model:percentencode}",
        "var-model_version=${__data.fields.Version:percentencode}",
    )
)


def _host_graph(title: str, description: str, metric: str, *, width: int = 12, gpu: bool = False) -> Graph:
    series = selector(metric)
    by = "instance, Hostname, DeviceId" if gpu else "instance, Hostname"
    legend = "{{Hostname}} ({{instance}}) GPU {{DeviceId}}" if gpu else "{{Hostname}} ({{instance}})"
    return Graph(
        title,
        description,
        ranked(f"max by ({by}) ({series})", peak(series, by), legend),
        unit="percent",
        minimum=0,
        maximum=100,
        width=width,
        no_value="no GPU" if gpu else "",
    )


DASHBOARD = dashboard(
    "overview",
    S,
    "## Is every model healthy, and if not, which one and why?\n"
    "Read from top to bottom: what is wrong, then requests, predictions and the machine. "
    "A name in the table of models opens its own dashboard, its drift column the drift dashboard, its "
    "workers the health of the monitoring. "
    "Graphs show the five largest over the chosen time; a dashed line is a threshold.",
    title="Overview",
    description="All models on TorchServe at a glance: alerts, traffic, latency, drift, memory and the machine.",
    variables=S.variables(),
    rows=(
        Row(
            "State",
            (
                firing_alerts(S, "Alerts that Prometheus is firing now."),
                Stat(
                    "Servers down",
                    "TorchServe servers that Prometheus cannot scrape now, whether or not they were seen in the chosen "
                    "time. A server is one of the job torchserve, or of a job that had a model of ours within a day.",
                    (Target(f"sum({selector('up')} == bool 0 and on (job) ({OUR_JOBS}))"),),
                    steps=ALL_CLEAR,
                ),
                living_workers(S),
                Stat(
                    "Calls",
                    "Calls of all handlers in a second.",
                    (Target(rate(REQUESTS)),),
                    unit="reqps",
                ),
                Stat(
                    "Worst p95 against limit",
                    "The largest p95 latency as a share of that model's own latency_p95_seconds. "
                    "From 100 % ModelLatencyP95High is due.",
                    (Target(f"max(max by ({MODEL}) ({P95}) / max by ({MODEL}) {LATENCY_LIMIT})"),),
                    unit="percentunit",
                    decimals=0,
                    no_value="no traffic",
                    steps=ALL_CLEAR,
                ),
                Stat(
                    "Most drifted features",
                    "The largest share of drifted features that any model has.",
                    (Target(f"max({DRIFTED})"),),
                    unit="percentunit",
                    decimals=0,
                    steps=ANY,
                ),
                Table(
                    "Models",
                    "One row for each model and version. Memory is the resident memory of the largest "
                    "worker.",
                    columns(
                        rate(REQUESTS, MODEL),
                        ratio(rate(ERRORS, MODEL), rate(REQUESTS, MODEL)),
                        quantile(0.95, HANDLE, MODEL),
                        f"max by ({MODEL}) ({P95}) / max by ({MODEL}) {LATENCY_LIMIT}",
                        f"max by ({MODEL}) ({DRIFTED})",
                        f"max by ({MODEL}) ({RSS})",
                        f"sum by ({MODEL}) ({S.select('model:model_monitor:fresh_workers')})",
                        S.alerts_by_version(),
                    ),
                    columns=(
                        Column("model_name", "Model", link=f"/d/torchvitals-model?{ONE_MODEL}"),
                        Column("model_version", "Version"),
                        Column("Value #H", "Firing alerts", "none", steps=ALL_CLEAR),
                        Column("Value #A", "Calls", "reqps"),
                        Column("Value #B", "Errors", "percentunit", 2),
                        Column("Value #C", "p95", "s"),
                        Column("Value #D", "p95 against its limit", "percentunit", 0, steps=ALL_CLEAR),
                        Column(
                            "Value #E",
                            "Drifted features",
                            "percentunit",
                            0,
                            steps=ANY,
                            link=f"/d/torchvitals-drift?{ONE_MODEL}",
                        ),
                        Column("Value #F", "Memory", "bytes"),
                        Column(
                            "Value #G",
                            "Living workers",
                            "none",
                            steps=alarm_below(1),
                            link=f"/d/torchvitals-health?{ONE_MODEL}",
                        ),
                    ),
                    sort_by=("Firing alerts", "p95 against its limit"),
                    height=7,
                ),
                Table(
                    "Alerts",
                    "Every firing alert; empty while there is none. Each has a runbook in docs/runbooks.md under "
                    "its name.",
                    (
                        Target(
                            "max by (alertname, severity, model_name, model_version, kind, class, instance) "
                            f"(1000 * {S.alerts_since()})"
                        ),
                    ),
                    columns=(
                        Column("alertname", "Alert", width=260),
                        Column(
                            "severity",
                            "Severity",
                            texts=(
                                ("critical", "critical", palette.ALARM),
                                ("warning", "warning", palette.BROWN),
                                ("info", "info", palette.BLUE),
                            ),
                        ),
                        Column("model_name", "Model"),
                        Column("model_version", "Version"),
                        Column("kind", "Memory kind"),
                        Column("class", "Class"),
                        Column("instance", "Instance"),
                        Column("Value", "Since", "dateTimeFromNow"),
                    ),
                    height=6,
                ),
            ),
        ),
        Row(
            "Requests: rate, errors, duration",
            (
                Graph(
                    "Calls",
                    "Calls of the handler in a second. A call is a batch of one or more requests.",
                    ranked(rate(REQUESTS, MODEL), total(REQUESTS, MODEL), NAME),
                    unit="reqps",
                ),
                Graph(
                    "Errors",
                    "Share of calls that raised an error in a stage of the handler. The dashed line is the lowest "
                    "limit of the chosen models.",
                    (
                        *ranked(
                            ratio(rate(ERRORS, MODEL), rate(REQUESTS, MODEL)),
                            f"({ratio(total(ERRORS, MODEL), total(REQUESTS, MODEL))})",
                            NAME,
                        ),
                        S.threshold("error_ratio", operation="min"),
                    ),
                    unit="percentunit",
                    minimum=0,
                ),
                Graph(
                    "p95 latency",
                    "95 of 100 calls took at most this long, over all workers; warm-up and compilation are "
                    "left out. The dashed line is the lowest limit of the chosen models.",
                    (
                        *ranked(
                            quantile(0.95, HANDLE, MODEL),
                            f"histogram_quantile(0.95, {total(HANDLE, f'le, {MODEL}')})",
                            NAME,
                        ),
                        S.threshold("latency_p95_seconds", operation="min"),
                    ),
                    unit="s",
                    scale="log",
                ),
                Graph(
                    "Wait in the queue",
                    "Mean time that a request waits in TorchServe before a worker takes it. It grows when "
                    "workers are saturated.",
                    ranked(
                        f"{ratio(rate(QUEUE_TIME, 'model_name'), rate(QUEUED, 'model_name'))} / 1e6",
                        f"({ratio(total(QUEUE_TIME, 'model_name'), total(QUEUED, 'model_name'))})",
                        "{{model_name}}",
                    ),
                    unit="s",
                    minimum=0,
                ),
                Graph(
                    "Responses of TorchServe",
                    "Responses in a second by status, as TorchServe counts them over all of its models.",
                    lines(
                        ("2xx", rate(selector("Requests2XX"))),
                        ("4xx", rate(selector("Requests4XX"))),
                        ("5xx", rate(selector("Requests5XX"))),
                    ),
                    unit="reqps",
                    minimum=0,
                    width=24,
                    height=7,
                ),
            ),
        ),
        Row(
            "Predictions",
            (
                Graph(
                    "Share of drifted features",
                    "Features whose drift is significant and large, as a share of all features that are "
                    "watched.",
                    ranked(f"max by ({MODEL}) ({DRIFTED})", peak(DRIFTED, MODEL), NAME),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                ),
                Graph(
                    "Mean confidence",
                    "Mean of the highest class probability. The dashed line is the highest limit of the "
                    "chosen models: a mean below a model's own limit is too low.",
                    (
                        *ranked(_mean_confidence(PER_SECOND), f"({_mean_confidence(GROWTH)})", NAME),
                        S.threshold("confidence"),
                    ),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                ),
            ),
        ),
        Row(
            "The machine: utilisation and saturation",
            (
                Graph(
                    "Memory of the largest worker",
                    "Resident memory of the worker that uses most, by model. The dashed line is the lowest "
                    "rss_bytes limit.",
                    (
                        *ranked(f"max by ({MODEL}) ({RSS})", peak(RSS, MODEL), NAME),
                        S.threshold("rss_bytes", operation="min"),
                    ),
                    unit="bytes",
                    minimum=0,
                ),
                _host_graph("CPU", "CPU use of the whole host, measured by TorchServe.", "CPUUtilization"),
                _host_graph(
                    "Host memory",
                    "Memory in use on the whole host, measured by TorchServe.",
                    "MemoryUtilization",
                ),
                _host_graph("Disk", "Disk in use on the host, measured by TorchServe.", "DiskUtilization"),
            ),
        ),
        Row(
            "GPUs",
            (
                _host_graph(
                    "GPU",
                    "Use of each GPU, measured by TorchServe. Empty on a machine without one.",
                    "GPUUtilization",
                    width=24,
                    gpu=True,
                ),
            ),
            collapsed=True,
        ),
    ),
)
