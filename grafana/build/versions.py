"""Versions: a new version of a model, the canary, beside the one that is trusted, in everything that can differ."""

from __future__ import annotations

from collections.abc import Callable

from grafana.build import palette
from grafana.build.promql import (
    RANGE,
    THRESHOLDS,
    Scope,
    columns,
    lines,
    quantile,
    rate,
    ratio,
    selector,
)
from grafana.build.spec import (
    THRESHOLD_REF,
    Bars,
    Column,
    Dashboard,
    Graph,
    Heatmap,
    Row,
    Stat,
    Step,
    Table,
    Target,
    Text,
    Variable,
)
from torchvitals.telemetry import catalogue as metrics

STABLE = Scope(many_models=False, many_versions=False)
CANARY = Scope(many_models=False, many_versions=False, version="canary_version")
ROLES = (("stable $model_version", STABLE), ("canary $canary_version", CANARY))

VERSION = "model_version"
FEATURE = "source, feature"
WINDOW = 'window="$window"'
CHOSEN = 'feature="$feature"'
ERROR = 'outcome="error"'
HOST = 'kind="rss"'
DROP = 'signal="estimated_accuracy_drop"'
# "stable" is a version here.
VERDICT = (("0", "no drift", palette.OK), ("1", "drifted", palette.ALARM))

KL = "model_feature:model_feature_kl_divergence:max"
PSI = "model_feature:model_feature_psi:max"
WASSERSTEIN = "model_feature:model_feature_wasserstein_distance:max"
DRIFTED = "model_feature:model_feature_drifted:max"
DRIFTED_RATIO = "model:model_drifted_features_ratio:max"
RSS = "model_device:model_memory_bytes:max"


def _requests(scope: Scope, *matchers: str) -> str:
    return scope.select(metrics.REQUESTS, *matchers)


def _errors(scope: Scope, by: str = "") -> str:
    whole = rate(_requests(scope), by)
    # A version that never failed has no series of errors yet.
    return f"({rate(_requests(scope, ERROR), by)} or 0 * {whole}) / ({whole} > 0)"


def _buckets(scope: Scope, stage: str = "handle") -> str:
    return scope.select(metrics.STAGE_DURATION.bucket, f'stage="{stage}"', 'clock="host"')


def _confidence(scope: Scope, by: str = "") -> str:
    histogram = metrics.CONFIDENCE
    return ratio(rate(scope.select(histogram.sum), by), rate(scope.select(histogram.count), by))


def _accuracy(scope: Scope, by: str = "") -> str:
    return f"min{f' by ({by})' if by else ''} ({scope.fresh(metrics.ESTIMATED_ACCURACY, WINDOW)})"


def _classes(scope: Scope) -> str:
    """Share of each class over the dashboard's time range."""
    series = scope.select(metrics.PREDICTIONS)
    return f"sum by (class) (increase({series}[{RANGE}])) / on () group_left () (sum(increase({series}[{RANGE}])) > 0)"


def _bins(scope: Scope) -> str:
    """Share of each bin of the chosen feature over the dashboard's time range."""
    series = scope.select(metrics.OBSERVATIONS, CHOSEN)
    return (
        f"sum by (source, bin) (increase({series}[{RANGE}])) / on (source) group_left () "
        f"(sum by (source) (increase({series}[{RANGE}])) > 0)"
    )


def _features(scope: Scope, recorded: str, *matchers: str) -> str:
    return f"max by ({FEATURE}) ({scope.select(recorded, WINDOW, *matchers)})"


def _drifted(scope: Scope, source: str) -> str:
    drifted = scope.select(DRIFTED, WINDOW, f'source="{source}"')
    return f"sum by ({VERSION}) (max by ({VERSION}, {FEATURE}) ({drifted}))"


def _rows(make: Callable[[Scope], str]) -> str:
    """One row for each of the two versions."""
    return f"{make(STABLE)} or {make(CANARY)}"


def _both(make: Callable[[Scope], str]) -> tuple[Target, ...]:
    return lines(*((name, make(scope)) for name, scope in ROLES))


def _graph(
    title: str,
    description: str,
    make: Callable[[Scope], str],
    *,
    unit: str = "none",
    maximum: float | None = None,
    signal: str = "",
    width: int = 8,
) -> Graph:
    threshold = (STABLE.threshold(signal),) if signal else ()
    return Graph(
        title,
        description,
        (*_both(make), *threshold),
        unit=unit,
        minimum=0,
        maximum=maximum,
        width=width,
    )


def _percentile(title: str, percent: int, signal: str = "") -> Graph:
    limit = " The dashed line is the stable version's limit." if signal else ""
    return _graph(
        title,
        f"{percent} of 100 calls took at most this long.{limit}",
        lambda scope: quantile(percent / 100, _buckets(scope)),
        unit="s",
        signal=signal,
    )


def _heatmap(name: str, scope: Scope) -> Heatmap:
    return Heatmap(
        f"Distribution of latency: {name}",
        "How many calls took how long. Bands that only one version has are what a percentile hides.",
        (Target(f"sum by (le) (increase({_buckets(scope)}[$__rate_interval]))", "{{le}}"),),
        unit="s",
    )


def _p95(scope: Scope) -> str:
    return quantile(0.95, _buckets(scope))


ABOVE = (Step(None, palette.OK), Step(1.5, palette.ALARM))
ACCURACY_LIMIT = (
    f"max({STABLE.fresh(metrics.BASELINE_ACCURACY)}) - max({STABLE.fresh_model(THRESHOLDS, DROP)})"
)

DASHBOARD = Dashboard(
    uid="torchvitals-versions",
    title="TorchVitals / Versions",
    description="Two versions of one model side by side: latency, errors, outputs and drift, canary against stable.",
    annotations=STABLE.annotations(),
    time_from="now-1h",
    variables=STABLE.variables(
        Variable(
            "canary_version",
            "Canary version",
            "The newer version, which is compared with the stable one.",
            f"label_values({selector(metrics.WINDOW_EVALUATED.name, STABLE.model_matchers[0])}, model_version)",
            multi=False,
            order="newest",
        ),
        STABLE.feature(),
        version_label="Stable version",
    ),
    question=Text(
        "Which question this answers",
        "What this dashboard is for and how to read it.",
        content=(
            "## Is the canary as good as the stable version, so that it may have all of the traffic?\n"
            "Blue is the stable version, green the canary. Both should see the same mix of traffic: then a "
            "difference in outputs is the model's, and drift of the inputs in one alone is the split's. While one "
            "version is served, both lines are the same."
        ),
    ),
    rows=(
        Row(
            "Verdict",
            (
                Stat(
                    "Share of traffic",
                    "Calls of the canary as a share of the calls of both.",
                    (
                        Target(
                            f"{rate(_requests(CANARY))} / "
                            f"({rate(_requests(STABLE))} + {rate(_requests(CANARY))} > 0)"
                        ),
                    ),
                    unit="percentunit",
                    decimals=1,
                    no_value="no traffic",
                ),
                Stat(
                    "p95 latency against stable",
                    "The canary's p95 as a share of the stable version's. At 150 % the canary is slower than the "
                    "default of the latency_regression_ratio limit allows.",
                    (Target(f"{_p95(CANARY)} / ({_p95(STABLE)} > 0)"),),
                    unit="percentunit",
                    decimals=0,
                    no_value="no traffic",
                    steps=ABOVE,
                ),
                Stat(
                    "More errors than stable",
                    "The canary's share of calls with an error, less the stable version's.",
                    (Target(f"{_errors(CANARY)} - {_errors(STABLE)}"),),
                    unit="percentunit",
                    decimals=2,
                    no_value="no traffic",
                    steps=(Step(None, palette.OK), Step(0.01, palette.ALARM)),
                ),
                Stat(
                    "Predictions that differ in class",
                    "The share of predictions that would have to change class for both versions to have the same "
                    "class mix over the chosen time. Chance alone gives some, the more the fewer predictions "
                    "and the more classes there are.",
                    (
                        Target(
                            f"sum(abs(({_classes(CANARY)} or 0 * ({_classes(STABLE)})) - "
                            f"({_classes(STABLE)} or 0 * ({_classes(CANARY)})))) / 2"
                        ),
                    ),
                    unit="percentunit",
                    decimals=1,
                    no_value="no predictions",
                    steps=(Step(None, palette.OK), Step(0.1, palette.ALARM)),
                ),
                Stat(
                    "Confidence against stable",
                    "The canary's mean confidence, less the stable version's.",
                    (Target(f"{_confidence(CANARY)} - {_confidence(STABLE)}"),),
                    unit="percentunit",
                    decimals=1,
                    no_value="no traffic",
                    steps=(Step(None, palette.ALARM), Step(-0.05, palette.OK)),
                ),
                Stat(
                    "Firing alerts",
                    "Alerts that Prometheus is firing for this model now, of any version.",
                    (Target(f"count({STABLE.alerts()}) or vector(0)"),),
                    steps=(Step(None, palette.OK), Step(1, palette.ALARM)),
                ),
                Table(
                    "Both versions",
                    "One row for each version. Memory is the resident memory of the largest worker.",
                    columns(
                        _rows(lambda scope: rate(_requests(scope), VERSION)),
                        _rows(lambda scope: _errors(scope, VERSION)),
                        _rows(lambda scope: quantile(0.5, _buckets(scope), VERSION)),
                        _rows(lambda scope: quantile(0.95, _buckets(scope), VERSION)),
                        _rows(lambda scope: quantile(0.99, _buckets(scope), VERSION)),
                        _rows(lambda scope: _confidence(scope, VERSION)),
                        _rows(lambda scope: _accuracy(scope, VERSION)),
                        _rows(lambda scope: _drifted(scope, "input")),
                        _rows(lambda scope: _drifted(scope, "output")),
                        _rows(lambda scope: f"max by ({VERSION}) ({scope.select(RSS, HOST)})"),
                        _rows(
                            lambda scope: (
                                f"sum by ({VERSION}) ({scope.select('model:model_monitor:fresh_workers')})"
                            )
                        ),
                    ),
                    columns=(
                        Column("model_version", "Version"),
                        Column("Value #A", "Calls", "reqps"),
                        Column("Value #B", "Errors", "percentunit", 2),
                        Column("Value #C", "p50", "s"),
                        Column("Value #D", "p95", "s"),
                        Column("Value #E", "p99", "s"),
                        Column("Value #F", "Mean confidence", "percentunit", 1),
                        Column("Value #G", "Estimated accuracy", "percentunit", 1),
                        Column("Value #H", "Drifted inputs", "none", 0),
                        Column("Value #I", "Drifted outputs", "none", 0),
                        Column("Value #J", "Memory", "bytes"),
                        Column("Value #K", "Living workers", "none", 0),
                    ),
                    height=5,
                ),
            ),
        ),
        Row(
            "Latency",
            (
                _percentile("Median latency", 50),
                _percentile("p95 latency", 95, "latency_p95_seconds"),
                _percentile("p99 latency", 99),
                *(_heatmap(name, scope) for name, scope in ROLES),
            ),
        ),
        Row(
            "Traffic, errors, memory",
            (
                _graph(
                    "Calls",
                    "Calls of the handler in a second.",
                    lambda scope: rate(_requests(scope)),
                    unit="reqps",
                ),
                _graph(
                    "Errors",
                    "Share of calls that raised an error in a stage of the handler. The dashed line is the stable "
                    "version's limit.",
                    _errors,
                    unit="percentunit",
                    signal="error_ratio",
                ),
                _graph(
                    "Memory of the largest worker",
                    "Resident memory of the worker that uses most. The dashed line is the stable version's "
                    "rss_bytes limit.",
                    lambda scope: f"max({scope.select(RSS, HOST)})",
                    unit="bytes",
                    signal="rss_bytes",
                ),
            ),
        ),
        Row(
            "Outputs",
            (
                _graph(
                    "Mean confidence",
                    "Mean of the highest class probability. The dashed line is the stable version's limit.",
                    _confidence,
                    unit="percentunit",
                    maximum=1,
                    signal="confidence",
                ),
                Graph(
                    "Estimated accuracy",
                    "Accuracy to expect of the window's predictions, from calibrated confidence. Below the dashed "
                    "line it is lower than the stable version's limit allows. Empty for a model whose baseline "
                    "had no labels.",
                    (*_both(_accuracy), Target(ACCURACY_LIMIT, "Threshold", THRESHOLD_REF)),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                    width=8,
                ),
                Bars(
                    "Class mix",
                    "Share of each class over the chosen time, and its share when the stable version's baseline "
                    "was built.",
                    columns(
                        _classes(STABLE),
                        _classes(CANARY),
                        f"max by (class) {STABLE.fresh_model('model_class:model_baseline_class:ratio')}",
                    ),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                    width=8,
                    category="Class",
                    columns=(
                        Column("class", "Class"),
                        Column("Value #A", "Stable", "percentunit"),
                        Column("Value #B", "Canary", "percentunit"),
                        Column("Value #C", "Baseline", "percentunit"),
                    ),
                ),
            ),
        ),
        Row(
            "Drift",
            (
                Table(
                    "Features",
                    "Every watched feature of both versions against the version's own baseline. PSI and KL compare "
                    "distributions; Wasserstein distance is in baseline standard deviations.",
                    columns(
                        _features(STABLE, DRIFTED),
                        _features(CANARY, DRIFTED),
                        _features(STABLE, PSI),
                        _features(CANARY, PSI),
                        _features(STABLE, KL),
                        _features(CANARY, KL),
                        _features(STABLE, WASSERSTEIN),
                        _features(CANARY, WASSERSTEIN),
                    ),
                    columns=(
                        Column("feature", "Feature"),
                        Column("source", "Source", width=90),
                        Column("Value #A", "Stable", "none", texts=VERDICT, width=110),
                        Column("Value #B", "Canary", "none", texts=VERDICT, width=110),
                        Column("Value #C", "PSI, stable", "none", 3),
                        Column("Value #D", "PSI, canary", "none", 3),
                        Column("Value #E", "KL divergence, stable", "none", 3),
                        Column("Value #F", "KL divergence, canary", "none", 3),
                        Column("Value #G", "Wasserstein distance, stable", "none", 2),
                        Column("Value #H", "Wasserstein distance, canary", "none", 2),
                    ),
                    sort_by=("Canary", "PSI, canary"),
                    height=11,
                ),
                _graph(
                    "Share of drifted features",
                    "Features whose drift is significant and large, as a share of all features that are watched.",
                    lambda scope: f"max({scope.select(DRIFTED_RATIO, WINDOW)})",
                    unit="percentunit",
                    maximum=1,
                ),
                _graph(
                    "PSI of $feature",
                    "Population stability index of the chosen feature. The dashed line is the stable version's "
                    "limit.",
                    lambda scope: f"max({scope.select(PSI, WINDOW, CHOSEN)})",
                    signal="psi",
                ),
                _graph(
                    "KL divergence of $feature",
                    "Histogram KL divergence of the chosen feature, in nats. The dashed line is the stable "
                    "version's limit.",
                    lambda scope: f"max({scope.select(KL, WINDOW, CHOSEN)})",
                    signal="kl_divergence",
                ),
                Bars(
                    "Values of $feature",
                    "Share of the chosen feature's values in each bin over the chosen time, and the share in the "
                    "stable version's baseline. Bins of two versions are the same only where they share a baseline.",
                    columns(
                        _bins(STABLE),
                        _bins(CANARY),
                        f"max by (source, bin) {STABLE.fresh(metrics.BASELINE_BIN_RATIO, CHOSEN)}",
                    ),
                    unit="percentunit",
                    minimum=0,
                    width=24,
                    height=9,
                    category="Bin",
                    columns=(
                        Column("bin", "Bin"),
                        Column("source", "Source", hidden=True),
                        Column("Value #A", "Stable", "percentunit"),
                        Column("Value #B", "Canary", "percentunit"),
                        Column("Value #C", "Baseline", "percentunit"),
                    ),
                ),
            ),
        ),
    ),
)
