"""Versions: a new version of a model, the canary, beside the one that is trusted, in everything that can differ."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from grafana.build import statistics
from grafana.build.labelled import recorded as recorded_labels
from grafana.build.panels import (
    BIN,
    Measure,
    alarm_below,
    alarm_from,
    bars,
    dashboard,
    firing_alerts,
    measure,
    table,
)
from grafana.build.promql import THRESHOLDS, WINDOW, Scope, accuracy_band, lines, quantile, rate, selector
from grafana.build.spec import THRESHOLD_REF, Column, Graph, Heatmap, Row, Scale, Stat, Target, Variable
from grafana.build.statistics import DRIFTED, FEATURE, VERDICT_TEXTS, recorded
from torchvitals.drift.statistics import STATISTICS
from torchvitals.telemetry import catalogue as metrics

STABLE = Scope(many_models=False, many_versions=False)
CANARY = Scope(many_models=False, many_versions=False, version="canary_version")
SCOPES = (("Stable", STABLE), ("Canary", CANARY))
ROLES = (("stable $model_version", STABLE), ("canary $canary_version", CANARY))

VERSION = "model_version"
CHOSEN = 'feature="$feature"'
ERROR = 'outcome="error"'
HOST = 'kind="rss"'
DROP = 'signal="estimated_accuracy_drop"'

DRIFTED_RATIO = "model:model_drifted_features_ratio:max"
WORKERS = "model:model_monitor:fresh_workers"
RSS = "model_device:model_memory_bytes:max"


def _requests(scope: Scope, *matchers: str) -> str:
    return scope.select(metrics.REQUESTS, *matchers)


def _errors(scope: Scope, by: str = "") -> str:
    whole = rate(_requests(scope), by)
    # A version that never failed has no series of errors yet.
    return f"({rate(_requests(scope, ERROR), by)} or 0 * {whole}) / ({whole} > 0)"


def _confidence(scope: Scope, by: str = "") -> str:
    return scope.mean(metrics.CONFIDENCE, by)


def _accuracy(scope: Scope, by: str = "") -> str:
    return f"min{f' by ({by})' if by else ''} ({scope.stated(metrics.ESTIMATED_ACCURACY, WINDOW)})"


def _true_accuracy(scope: Scope) -> str:
    return f"max by ({VERSION}) ({recorded_labels(scope, 'model:model_accuracy_ratio:1d')})"


def _quantile(percent: int, scope: Scope) -> str:
    return quantile(percent / 100, scope.stage_buckets(), VERSION)


def _drifted(source: str, scope: Scope) -> str:
    drifted = scope.select(DRIFTED, WINDOW, f'source="{source}"')
    return f"sum by ({VERSION}) (max by ({VERSION}, {FEATURE}) ({drifted}))"


def _rows(
    make: Callable[[Scope], str], title: str, unit: str = "none", decimals: int | None = None
) -> Measure:
    """Return a column with one row for each of the two versions."""
    return measure(f"{make(STABLE)} or {make(CANARY)}", title, unit, decimals)


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
    scale: Scale = "linear",
) -> Graph:
    threshold = (STABLE.threshold(signal),) if signal else ()
    return Graph(
        title,
        description,
        (*_both(make), *threshold),
        unit=unit,
        minimum=0 if scale == "linear" else None,
        maximum=maximum,
        width=width,
        scale=scale,
    )


def _percentile(title: str, percent: int, signal: str = "") -> Graph:
    limit = " The dashed line is the stable version's limit." if signal else ""
    return _graph(
        title,
        f"{percent} of 100 calls took at most this long.{limit}",
        lambda scope: quantile(percent / 100, scope.stage_buckets()),
        unit="s",
        signal=signal,
        scale="log",
    )


def _of_feature(name: str, what: str) -> Graph:
    return _graph(
        f"{STATISTICS[name].title} of $feature",
        f"{what}. The dashed line is the stable version's limit.",
        lambda scope: f"max({scope.select(recorded(name), WINDOW, CHOSEN)})",
        signal=name,
    )


def _with_baseline(shares: Callable[[Scope], str], baseline: str) -> tuple[Measure, ...]:
    """Return a bar for each of the two versions, and one for the stable version's baseline."""
    live = (measure(shares(scope), role, "percentunit") for role, scope in SCOPES)
    return (*live, measure(baseline, "Baseline", "percentunit"))


def _heatmap(name: str, scope: Scope) -> Heatmap:
    return Heatmap(
        f"Distribution of latency: {name}",
        "How many calls took how long. Bands that only one version has are what a percentile hides.",
        (Target(f"sum by (le) (increase({scope.stage_buckets()}[$__rate_interval]))", "{{le}}"),),
        unit="s",
    )


def _p95(scope: Scope) -> str:
    return quantile(0.95, scope.stage_buckets())


ACCURACY_LIMIT = (
    f"max({STABLE.fresh(metrics.BASELINE_ACCURACY)}) - max({STABLE.fresh_model(THRESHOLDS, DROP)})"
)

DASHBOARD = dashboard(
    "versions",
    STABLE,
    "## Is the canary as good as the stable version, so that it may have all of the traffic?\n"
    "Blue is the stable version, green the canary. Both should see the same mix of traffic: then a "
    "difference in outputs is the model's, and drift of the inputs in one alone is the split's. While one "
    "version is served, both lines are the same.",
    title="Versions",
    description="Two versions of one model side by side: latency, errors, outputs and drift, canary against stable.",
    purpose="how to read it",
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
                    "p95 against stable",
                    "The canary's p95 as a share of the stable version's. At 150 % the canary is slower than the "
                    "default of the latency_regression_ratio limit allows.",
                    (Target(f"{_p95(CANARY)} / ({_p95(STABLE)} > 0)"),),
                    unit="percentunit",
                    decimals=0,
                    no_value="no traffic",
                    steps=alarm_from(1.5),
                ),
                Stat(
                    "More errors than stable",
                    "The canary's share of calls with an error, less the stable version's.",
                    (Target(f"{_errors(CANARY)} - {_errors(STABLE)}"),),
                    unit="percentunit",
                    decimals=2,
                    no_value="no traffic",
                    steps=alarm_from(0.01),
                ),
                Stat(
                    "Class mix that differs",
                    "The share of predictions that would have to change class for both versions to have the same "
                    "class mix over the chosen time. Chance alone gives some, the more the fewer predictions "
                    "and the more classes there are.",
                    (
                        Target(
                            f"sum(abs(({CANARY.class_shares()} or 0 * ({STABLE.class_shares()})) - "
                            f"({STABLE.class_shares()} or 0 * ({CANARY.class_shares()})))) / 2"
                        ),
                    ),
                    unit="percentunit",
                    decimals=1,
                    no_value="no predictions",
                    steps=alarm_from(0.1),
                ),
                Stat(
                    "Confidence difference",
                    "The canary's mean confidence, less the stable version's.",
                    (Target(f"{_confidence(CANARY)} - {_confidence(STABLE)}"),),
                    unit="percentunit",
                    decimals=1,
                    no_value="no traffic",
                    steps=alarm_below(-0.05),
                ),
                firing_alerts(STABLE, "Alerts that Prometheus is firing for this model now, of any version."),
                table(
                    "Both versions",
                    "One row for each version. Confidence is the mean, true accuracy that of the labels of the last "
                    "day, workers are those alive. Memory is the resident memory of the largest worker.",
                    (Column("model_version", "Version"),),
                    (
                        _rows(lambda scope: rate(_requests(scope), VERSION), "Calls", "reqps"),
                        _rows(lambda scope: _errors(scope, VERSION), "Errors", "percentunit", 2),
                        *(_rows(partial(_quantile, percent), f"p{percent}", "s") for percent in (50, 95, 99)),
                        _rows(lambda scope: _confidence(scope, VERSION), "Confidence", "percentunit", 1),
                        _rows(
                            lambda scope: _accuracy(scope, VERSION), "Estimated accuracy", "percentunit", 1
                        ),
                        _rows(_true_accuracy, "True accuracy", "percentunit", 1),
                        *(
                            _rows(partial(_drifted, source), f"Drifted {source}s", "none", 0)
                            for source in ("input", "output")
                        ),
                        _rows(
                            lambda scope: f"max by ({VERSION}) ({scope.select(RSS, HOST)})", "Memory", "bytes"
                        ),
                        _rows(
                            lambda scope: f"sum by ({VERSION}) ({scope.select(WORKERS)})",
                            "Workers",
                            "none",
                            0,
                        ),
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
                    "Accuracy to expect of the window's predictions, from calibrated confidence, each in the band of "
                    "its 95 % interval. Below the dashed "
                    "line it is lower than the stable version's limit allows. Empty where it is withheld, and for "
                    "a model whose baseline had no labels.",
                    (
                        *_both(_accuracy),
                        *accuracy_band(STABLE, "A", ("C", "D"), name="stable, "),
                        *accuracy_band(CANARY, "B", ("E", "F"), name="canary, "),
                        Target(ACCURACY_LIMIT, "Threshold", THRESHOLD_REF),
                    ),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                    width=8,
                    no_value="withheld, or the baselines have no labels",
                ),
                bars(
                    "Class mix",
                    "Share of each class over the chosen time, and its share when the stable version's baseline "
                    "was built.",
                    (Column("class", "Class"),),
                    _with_baseline(
                        lambda scope: scope.class_shares(),
                        f"max by (class) {STABLE.fresh_model('model_class:model_baseline_class:ratio')}",
                    ),
                    maximum=1,
                    width=8,
                ),
            ),
        ),
        Row(
            "Drift",
            (
                table(
                    "Features",
                    "Every watched feature of both versions against the version's own baseline. PSI and KL compare "
                    "distributions; Wasserstein distance is in baseline standard deviations.",
                    statistics.keys(),
                    (
                        *(statistics.verdict(role, scope, VERDICT_TEXTS) for role, scope in SCOPES),
                        *(
                            statistics.value(STATISTICS[name], scope, role.lower())
                            for name in ("psi", "kl_divergence", "wasserstein_distance")
                            for role, scope in SCOPES
                        ),
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
                _of_feature("psi", "Population stability index of the chosen feature"),
                _of_feature("kl_divergence", "Histogram KL divergence of the chosen feature, in nats"),
                bars(
                    "Values of $feature",
                    "Share of the chosen feature's values in each bin over the chosen time, and the share in the "
                    "stable version's baseline. Bins of two versions are the same only where they share a baseline.",
                    BIN,
                    _with_baseline(lambda scope: scope.bin_shares(CHOSEN), STABLE.baseline_bins(CHOSEN)),
                    width=24,
                    height=9,
                ),
            ),
        ),
    ),
)
