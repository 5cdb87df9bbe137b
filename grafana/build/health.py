"""Monitoring health: whether what the other dashboards show can be believed, and whether alerts reach people."""

from __future__ import annotations

from grafana.build.panels import alarm_from, dashboard, living_workers, measure, table
from grafana.build.promql import (
    FORGOTTEN_SECONDS,
    FRESH,
    FRESH_SECONDS,
    MODEL,
    PLACE,
    RANGE,
    RATE,
    Scope,
    fixed_threshold,
    lines,
    ranked,
    rate,
    ratio,
    selector,
    total,
)
from grafana.build.spec import Column, Graph, Row, Stat, Target
from torchvitals.telemetry import catalogue as metrics

S = Scope(many_models=True, many_versions=True)

NAME = "{{model_name}} {{model_version}}"
WORKER = f"instance, {MODEL}, worker"
WORKER_NAME = "{{instance}} {{model_name}} {{model_version}} {{worker}}"
WINDOW = 'window=~"$window"'
BASELINE = f"{MODEL}, baseline_version, baseline_sha256"

SEEN = S.select(metrics.WINDOW_EVALUATED)
REQUESTS = S.select(metrics.REQUESTS)
SECONDS = S.select(metrics.MONITOR_SECONDS)
ERRORS = S.select(metrics.MONITOR_ERRORS)
DROPPED = S.select(metrics.MONITOR_DROPPED)
CREATED = S.fresh(metrics.BASELINE_CREATED)
OURS = selector("", '__name__=~"model_[a-z_]+"', *S.model_matchers)

# Alertmanager and Prometheus are scraped by jobs of their own, which $job and $instance do not choose among.
SENT = "alertmanager_notifications_total"
FAILED = "alertmanager_notifications_failed_total"
DELIVERY = "alertmanager_notification_latency_seconds"
RULE_GROUPS = 'prometheus_rule_group_last_duration_seconds{rule_group=~".*;torchvitals-.*"}'

NONE_EXPECTED = alarm_from(1e-9)
MONTH_SECONDS = 30 * 86400


def _age(by: str) -> str:
    return f"(time() - max by ({by}) ({SEEN}) < {FORGOTTEN_SECONDS})"


def _silent() -> str:
    """Select workers that reported within the hour and are not fresh, by what changes: clocks of hosts differ."""
    reported = f"max by ({WORKER}) (changes({SEEN}[{FORGOTTEN_SECONDS}s])) > 0"
    return f"{reported} unless max by ({WORKER}) ({S.select(FRESH)}) == 1"


def _of_torchserve(name: str) -> tuple[Target, ...]:
    """Draw a series of Prometheus' own about its scrapes, of the servers that have models of ours."""
    scraped = selector(name)
    now = f"{scraped} and on ({PLACE}, job, instance) last_over_time({SEEN}[{FORGOTTEN_SECONDS}s])"
    reached = (
        f"max_over_time({scraped}[{RANGE}] @ end()) "
        f"and on ({PLACE}, job, instance) last_over_time({SEEN}[{FORGOTTEN_SECONDS}s] @ end())"
    )
    return ranked(f"max by (instance) ({now})", f"max by (instance) ({reached})", "{{instance}}")


def _named_group(series: str) -> str:
    """Name a rule group without the path of its file."""
    return f'label_replace({series}, "group", "$1", "rule_group", ".*;(.*)")'


def _longest_silent(by: str) -> str:
    """Order by age, oldest first, of those that are not forgotten; the same at each point of a graph."""
    # timestamp() and time() would be computed anew at each point, and equal ages then change places.
    alive = f"changes({SEEN}[{FORGOTTEN_SECONDS}s] @ end()) > 0"
    return f"(0 - max by ({by}) ({SEEN} @ end() and {alive}))"


def _growth(series: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (increase({series}[{RANGE}]))"


def _oldest_first() -> str:
    """Order by age: the earlier a baseline was built, the larger; the same at each point of a graph."""
    built = f"last_over_time({S.select(metrics.BASELINE_CREATED)}[{RANGE}] @ end())"
    lived = f"max_over_time({S.select(FRESH)}[{RANGE}] @ end()) == 1"
    return f"(0 - max by ({MODEL}) ({built} and on ({MODEL}) {lived}))"


def _by(title: str, description: str, series: str, label: str) -> Graph:
    return Graph(
        title,
        description,
        ranked(rate(series, label), total(series, label), f"{{{{{label}}}}}"),
        unit="cps",
        minimum=0,
        width=8,
    )


DASHBOARD = dashboard(
    "health",
    S,
    "## Can the other dashboards be believed, and would an alert reach somebody?\n"
    "First the monitors in the workers, then what they compare with, then Prometheus and Alertmanager, "
    "which have to scrape themselves for the last row. An error in a monitor never changes or delays a "
    "prediction: what is missing here is missing on the dashboards, not in the answers.",
    title="Monitoring health",
    description="The monitoring itself: its cost, what it misses, its baselines, and whether alerts arrive.",
    variables=S.variables(),
    rows=(
        Row(
            "State",
            (
                living_workers(S),
                Stat(
                    "Silent workers",
                    "Workers that reported in the last hour, but not in the last two minutes. TorchServe replaces a "
                    "worker under the same name, so one that stays silent was scaled away or is stuck.",
                    (Target(f"count({_silent()}) or vector(0)"),),
                    steps=alarm_from(1),
                ),
                Stat(
                    "Errors of the monitor",
                    "Errors inside the monitor in the chosen time.",
                    (Target(f"{_growth(ERRORS)} or vector(0)"),),
                    decimals=0,
                    steps=NONE_EXPECTED,
                ),
                Stat(
                    "Dropped",
                    "Rows or values that the monitor could not take in the chosen time.",
                    (Target(f"{_growth(DROPPED)} or vector(0)"),),
                    unit="short",
                    decimals=0,
                    steps=NONE_EXPECTED,
                ),
                Stat(
                    "Oldest baseline",
                    "When the oldest baseline in use was built.",
                    (Target(f"1000 * min({CREATED})"),),
                    unit="dateTimeFromNow",
                    no_value="no baseline",
                ),
                Stat(
                    "Failed notifications",
                    "Notifications that Alertmanager could not deliver in the chosen time.",
                    (Target(f"sum(increase({FAILED}[{RANGE}]))"),),
                    decimals=0,
                    no_value="Alertmanager is not scraped",
                    steps=NONE_EXPECTED,
                ),
            ),
        ),
        Row(
            "Monitors",
            (
                Graph(
                    "Since the last flush",
                    "Time since each worker's monitor last ran, the longest first. It stays below the flush "
                    "interval, 5 seconds, plus the scrape interval; over the dashed line the worker's gauges count "
                    "as dead. A worker leaves after an hour.",
                    (
                        *ranked(_age(WORKER), _longest_silent(WORKER), WORKER_NAME),
                        fixed_threshold(FRESH_SECONDS),
                    ),
                    unit="s",
                    minimum=0,
                ),
                Graph(
                    "Overhead of a call",
                    "CPU time that the monitor uses for each call of the handler, its flushes included.",
                    ranked(
                        ratio(rate(SECONDS, MODEL), rate(REQUESTS, MODEL)),
                        f"({ratio(total(SECONDS, MODEL), total(REQUESTS, MODEL))})",
                        NAME,
                    ),
                    unit="s",
                    minimum=0,
                ),
                Graph(
                    "Overhead by phase",
                    "CPU time that all monitors use, as a share of one core, by phase.",
                    ranked(rate(SECONDS, "phase"), total(SECONDS, "phase"), "{{phase}}"),
                    unit="percentunit",
                    minimum=0,
                    stacked=True,
                ),
                Graph(
                    "Sampled share of large inputs",
                    "Share of large inputs that are compared with the baseline, lowest worker. Below 100 % the "
                    "overhead budget is spent: drift is judged on fewer rows, latency and predictions are not "
                    "affected. The five models that sampled most are shown.",
                    ranked(
                        f"min by ({MODEL}) {S.fresh(metrics.SAMPLED_RATIO)}",
                        S.fresh_peak(metrics.SAMPLED_RATIO, MODEL),
                        NAME,
                    ),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                ),
            ),
        ),
        Row(
            "What is missed",
            (
                _by(
                    "Errors of the monitor by phase",
                    "Errors inside the monitor in a second. The worker's log has each of them, once a minute.",
                    ERRORS,
                    "phase",
                ),
                _by(
                    "Dropped rows by reason",
                    "Rows or values in a second that the monitor could not take; the drift statistics lack them.",
                    DROPPED,
                    "reason",
                ),
                _by(
                    "Unseen requests by reason",
                    "Requests in a second that were answered without the monitor seeing all of them: no inference "
                    "(stage), no inputs or outputs that the baseline describes, or some that cannot be compared.",
                    S.select(metrics.MONITOR_UNSEEN),
                    "reason",
                ),
            ),
        ),
        Row(
            "Baselines and series",
            (
                table(
                    "Models",
                    "What each model is compared with, and how many series of ours it has in Prometheus. A window "
                    "with few rows was filled a short time only.",
                    (
                        Column("model_name", "Model"),
                        Column("model_version", "Version"),
                        Column("baseline_version", "Baseline"),
                        Column("baseline_sha256", "SHA-256"),
                    ),
                    (
                        measure(
                            f"max by ({BASELINE}) {S.fresh(metrics.BASELINE_INFO)}",
                            "Info",
                            "string",
                            hidden=True,
                        ),
                        measure(f"1000 * max by ({MODEL}) {CREATED}", "Built", "dateTimeFromNow"),
                        measure(
                            f"max by ({MODEL}) {S.fresh(metrics.BASELINE_SAMPLES)}",
                            "Rows of the baseline",
                            "short",
                            0,
                        ),
                        measure(
                            f"min by ({MODEL}) {S.fresh(metrics.WINDOW_SAMPLES, WINDOW)}",
                            "Rows in the smallest window",
                            "short",
                            0,
                        ),
                        measure(f"count by ({MODEL}) ({OURS})", "Series", "none", 0),
                    ),
                    sort_by=("Series",),
                    height=6,
                ),
                table(
                    "Baselines learned from traffic",
                    "Workers that learn a baseline from the rows they serve (`learn`), by state: `collecting` rows; "
                    "`shared` with the other workers; `unshared` where its file cannot be written, so that each "
                    "worker has its own; `failed` where none can be learned of such rows.",
                    (
                        Column("model_name", "Model"),
                        Column("model_version", "Version"),
                        Column("state", "State"),
                    ),
                    (
                        measure(
                            f"sum by ({MODEL}, state) {S.fresh(metrics.BASELINE_LEARNING)} > 0",
                            "Workers",
                            "none",
                            0,
                        ),
                        measure(
                            f"min by ({MODEL}) {S.fresh(metrics.BASELINE_LEARNED_ROWS)}",
                            "Rows of the slowest",
                            "short",
                            0,
                        ),
                    ),
                    sort_by=("Model",),
                    height=5,
                ),
                Graph(
                    "Age of the baseline",
                    "Time since the baseline was built, the oldest first. Above the dashed line, 30 days, look "
                    "whether the training data still resemble the world.",
                    (
                        *ranked(
                            f"(time() - max by ({MODEL}) {CREATED})",
                            _oldest_first(),
                            NAME,
                        ),
                        fixed_threshold(MONTH_SECONDS),
                    ),
                    unit="s",
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Predictions kept for labels",
                    "Predictions in a second that wait for the labels service, or that no label can find.",
                    lines(
                        ("kept", rate(S.select(metrics.PREDICTIONS_WRITTEN))),
                        ("lost", rate(S.select(metrics.PREDICTIONS_UNWRITTEN))),
                    ),
                    unit="cps",
                    minimum=0,
                    no_value="no model keeps predictions (`ground_truth:`)",
                    width=8,
                ),
                Graph(
                    "Series of a server",
                    "Samples in one scrape of a TorchServe server: ours, TorchServe's own and the host's. It grows "
                    "with models, workers, features and windows.",
                    _of_torchserve("scrape_samples_scraped"),
                    unit="short",
                    minimum=0,
                    width=8,
                ),
            ),
        ),
        Row(
            "Prometheus",
            (
                Graph(
                    "Duration of a scrape",
                    "How long a server takes to answer a scrape. Prometheus gives up after scrape_timeout, 10 "
                    "seconds unless set.",
                    _of_torchserve("scrape_duration_seconds"),
                    unit="s",
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Time to evaluate the rules",
                    "Duration of the last evaluation of our rule groups, the slowest first. It must stay well "
                    "below the group's interval.",
                    ranked(
                        f"max by (group) ({_named_group(RULE_GROUPS)})",
                        f"max by (group) ({_named_group(f'max_over_time({RULE_GROUPS}[{RANGE}] @ end())')})",
                        "{{group}}",
                    ),
                    unit="s",
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Series in Prometheus",
                    "All series in memory, of every job.",
                    lines(("in memory", "sum(prometheus_tsdb_head_series)")),
                    unit="short",
                    minimum=0,
                    width=8,
                ),
            ),
        ),
        Row(
            "Notifications",
            (
                Graph(
                    "From Prometheus to Alertmanager",
                    "Alerts in a second that Prometheus sent to Alertmanager, that could not be sent, and that "
                    "were dropped for lack of room or of an Alertmanager.",
                    lines(
                        ("sent", f"sum(rate(prometheus_notifications_sent_total[{RATE}]))"),
                        ("errors", f"sum(rate(prometheus_notifications_errors_total[{RATE}]))"),
                        ("dropped", f"sum(rate(prometheus_notifications_dropped_total[{RATE}]))"),
                    ),
                    unit="cps",
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Deliveries of Alertmanager",
                    "Notifications in a second that Alertmanager tried to deliver, and that it could not deliver.",
                    lines(
                        ("tried", f"sum(rate({SENT}[{RATE}]))"),
                        ("failed", f"sum(rate({FAILED}[{RATE}]))"),
                    ),
                    unit="cps",
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Time to deliver",
                    "Mean time that a delivery takes, by integration, the most used first. Empty for one that "
                    "delivered nothing.",
                    ranked(
                        ratio(
                            rate(f"{DELIVERY}_sum", "integration"), rate(f"{DELIVERY}_count", "integration")
                        ),
                        f"({total(f'{DELIVERY}_count', 'integration')} > 0)",
                        "{{integration}}",
                    ),
                    unit="s",
                    minimum=0,
                    no_value="nothing was delivered, or Alertmanager is not scraped",
                    width=8,
                ),
                table(
                    "Deliveries by integration",
                    "What Alertmanager delivered in the chosen time, by the kind of receiver.",
                    (Column("integration", "Integration"),),
                    (
                        measure(f"{_growth(SENT, 'integration')} > 0", "Notifications", "none", 0),
                        measure(
                            f"{_growth(FAILED, 'integration')} and {_growth(SENT, 'integration')} > 0",
                            "Failed",
                            "none",
                            0,
                            steps=NONE_EXPECTED,
                        ),
                    ),
                    sort_by=("Failed", "Notifications"),
                    height=5,
                ),
            ),
        ),
    ),
)
