"""Drift: whether the data moved away from the training data, in which feature, how far and since when."""

from __future__ import annotations

from grafana.build import palette
from grafana.build.promql import (
    MODEL,
    RANGE,
    THRESHOLDS,
    Scope,
    columns,
    fixed_threshold,
    lines,
    peak,
    ranked,
    rate,
    total,
)
from grafana.build.spec import (
    THRESHOLD_REF,
    Bars,
    Column,
    Dashboard,
    Graph,
    Row,
    Stat,
    Step,
    Table,
    Target,
    Text,
    Timeline,
)
from torchvitals.telemetry import catalogue as metrics

S = Scope(many_models=False, many_versions=False)

FEATURE = "source, feature"
NAME = "{{feature}}"
VERDICT = (("0", "stable", palette.OK), ("1", "drifted", palette.ALARM))
TIMELINE_ROWS = 25

KL = "model_feature:model_feature_kl_divergence:max"
GAUSSIAN_KL = "model_feature:model_feature_gaussian_kl_divergence:max"
PSI = "model_feature:model_feature_psi:max"
JS = "model_feature:model_feature_js_distance:max"
WASSERSTEIN = "model_feature:model_feature_wasserstein_distance:max"
MEAN_SHIFT = "model_feature:model_feature_mean_shift_sigmas:absmax"
MISSING = "model_feature:model_feature_missing_ratio:max"
P_VALUE = "model_feature:model_feature_drift_p_value:min"
DRIFTED = "model_feature:model_feature_drifted:max"
LIMITS = "model_feature:model_feature_drift_threshold:max"
# Recorded for the range at the end of the name.
FLEET_RANGES = (("10m", "10 minutes"), ("1h", "1 hour"), ("1d", "1 day"))

CHOSEN = 'feature="$feature"'
WINDOW = 'window="$window"'
SIGNAL = 'signal="kl_divergence"'
OBSERVED = S.select(metrics.OBSERVATIONS, CHOSEN)
WINDOW_ROWS = S.fresh(metrics.WINDOW_SAMPLES, 'window="$window"')
INVALID = S.select(metrics.INPUT_INVALID)

KEPT = ("datasource", "job", "instance", "model_name", "model_version", "window")
TO_FEATURE = "/d/torchvitals-drift?" + "&".join(
    (
        "${__url_time_range}",
        *(f"${{{name}:queryparam}}" for name in KEPT),
        "var-feature=${__data.fields.Feature:percentencode}",
    )
)


def _windowed(recorded: str, *matchers: str) -> str:
    return S.select(recorded, 'window="$window"', *matchers)


def _column(recorded: str, operation: str = "max") -> str:
    return f"{operation} by ({FEATURE}) ({_windowed(recorded)})"


def _drifted(source: str) -> Target:
    series = _windowed(DRIFTED, f'source="{source}"')
    return Target(f"sum(max by ({FEATURE}) ({series}))")


def _trend(title: str, description: str, recorded: str, *threshold: Target, width: int = 12) -> Graph:
    series = _windowed(recorded)
    return Graph(
        title,
        description,
        (*ranked(f"max by ({FEATURE}) ({series})", peak(series, FEATURE), NAME), *threshold),
        minimum=0,
        width=width,
    )


def _learned(statistic: str, *matchers: str) -> str:
    """Return the limits that were learned from the training data; one of 0 says nothing."""
    chosen = S.fresh_model(LIMITS, 'window="$window"', f'statistic="{statistic}"', *matchers)
    return f"({chosen} > 0)"


def _kl_limits() -> str:
    """Return each feature's limit of the KL divergence: learned from the training data, else the model's."""
    model = f"max({S.fresh_model(THRESHOLDS, SIGNAL)})"
    return (
        f"max by ({FEATURE}) ({_learned('kl_divergence')}) or 0 * {_column(KL)} + on () group_left () {model}"
    )


def _of_limits(series: str) -> str:
    """Divide KL and Wasserstein by the feature's own limit and take the larger; ``series`` selects one of both."""
    key = f"job, instance, {MODEL}, {FEATURE}, window"
    parts = [
        f"label_replace({series.format(recorded)} / on ({key}) {_learned(statistic)}, "
        f'"statistic", "{statistic}", "", "")'
        for recorded, statistic in (
            (_windowed(KL), "kl_divergence"),
            (_windowed(WASSERSTEIN), "wasserstein_distance"),
        )
    ]
    return f"max by ({FEATURE}) ({' or '.join(parts)})"


def _of_chosen(recorded: str) -> str:
    return f"max({_windowed(recorded, CHOSEN)})"


def _limit(statistic: str) -> str:
    return f"max({_learned(statistic, CHOSEN)})"


def _fleet(statistic: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"all servers, {words}",
            f"max({S.select(f'model_feature:fleet_{statistic}:corrected{name}', CHOSEN)})",
        )
        for name, words in FLEET_RANGES
    )


FLEET_NOTE = (
    "Beside it all servers together over a time range, less what chance alone gives; without a value while one "
    "version has two baselines in the range, or Instance is not All."
)

ANY_DRIFT = (Step(None, palette.OK), Step(1, palette.ALARM))

DASHBOARD = Dashboard(
    uid="torchvitals-drift",
    title="TorchVitals / Drift",
    description="Drift of one model's inputs and outputs against its training baseline, feature by feature.",
    annotations=S.annotations(),
    time_from="now-6h",
    variables=S.variables(S.feature()),
    question=Text(
        "Which question this answers",
        "What this dashboard is for and how to read it.",
        content=(
            "## Has the data moved away from the training data, and in which feature, how far, since "
            "when?\n"
            "Many inputs drifted while latency and confidence stay normal: the *data* changed, so look "
            "upstream and do not roll back. Outputs drifted, or confidence fell: the *model* no longer "
            "fits, so retrain or roll back. A feature's name in the table shows its distribution below."
        ),
    ),
    rows=(
        Row(
            "Verdict",
            (
                Stat(
                    "Drifted inputs",
                    "Input features whose drift is significant and large in the window of any worker.",
                    (_drifted("input"),),
                    steps=ANY_DRIFT,
                ),
                Stat(
                    "Drifted outputs",
                    "Output features, such as the predicted class or the confidence, that drifted.",
                    (_drifted("output"),),
                    steps=ANY_DRIFT,
                ),
                Stat(
                    "Rows in the window",
                    "Rows that the least filled worker judges on. A window that is not full yet shows less.",
                    (Target(f"min({WINDOW_ROWS})"),),
                    unit="short",
                ),
                Stat(
                    "Rows in the baseline",
                    "Rows that the baseline was built from.",
                    (Target(f"max({S.fresh(metrics.BASELINE_SAMPLES)})"),),
                    unit="short",
                ),
                Stat(
                    "Baseline built",
                    "When the baseline was built. An old baseline drifts by itself.",
                    (Target(f"1000 * max({S.fresh(metrics.BASELINE_CREATED)})"),),
                    unit="dateTimeFromNow",
                ),
                Stat(
                    "Baseline",
                    "Version of the baseline in use.",
                    (
                        Target(
                            f"max by (baseline_version) ({S.fresh(metrics.BASELINE_INFO)})",
                            "{{baseline_version}}",
                        ),
                    ),
                    show_name=True,
                ),
                Table(
                    "Features",
                    "Every watched feature against its baseline; of several workers the worst. Drifted "
                    "means significant, large and, where the training data taught it, beyond what they do "
                    "themselves. PSI and KL compare distributions; Wasserstein distance "
                    "and mean shift are in baseline standard deviations; the p value is the chance of such "
                    "a window if nothing had changed. A limit is what the training data's own windows taught, for "
                    "KL else the model's.",
                    columns(
                        _column(DRIFTED),
                        _column(PSI),
                        _column(KL),
                        _kl_limits(),
                        _column(WASSERSTEIN),
                        f"max by ({FEATURE}) ({_learned('wasserstein_distance')})",
                        _column(MEAN_SHIFT),
                        _column(P_VALUE, "min"),
                        _column(MISSING),
                    ),
                    columns=(
                        Column("feature", "Feature", link=TO_FEATURE),
                        Column("source", "Source", width=90),
                        Column("Value #A", "Verdict", "none", texts=VERDICT, width=110),
                        Column("Value #B", "PSI", "none", 3),
                        Column("Value #C", "KL divergence", "none", 3),
                        Column("Value #D", "KL limit", "none", 3),
                        Column("Value #E", "Wasserstein distance", "none", 2),
                        Column("Value #F", "Wasserstein limit", "none", 2),
                        Column("Value #G", "Mean shift", "none", 2),
                        Column("Value #H", "p value", "sci", 1),
                        Column("Value #I", "Missing", "percentunit", 1),
                    ),
                    sort_by=("Verdict", "PSI"),
                    height=11,
                ),
                Timeline(
                    "Verdict over time",
                    f"When each feature counted as drifted, for the {TIMELINE_ROWS} that drifted longest.",
                    (
                        Target(
                            f"{_column(DRIFTED)} and topk({TIMELINE_ROWS}, "
                            f"avg by ({FEATURE}) (avg_over_time({_windowed(DRIFTED)}[{RANGE}] @ end())))",
                            NAME,
                        ),
                    ),
                    texts=VERDICT,
                    height=10,
                ),
                Graph(
                    "Farthest as a multiple of its limit",
                    "KL divergence or Wasserstein distance, whichever is farther, divided by the limit that the "
                    "training data's own windows taught. Over 1 a feature went where it never was in training. "
                    "Empty where the baseline was built without the order of time.",
                    (
                        *ranked(_of_limits("{}"), _of_limits(f"max_over_time({{}}[{RANGE}] @ end())"), NAME),
                        fixed_threshold(1),
                    ),
                    minimum=0,
                ),
                Graph(
                    "What makes rows unusual",
                    "Share of each column in the squared distance of the window's rows from the training rows, in "
                    "the worker where it is largest. It says which columns row_distance is about. Empty for inputs "
                    "that are no table.",
                    ranked(
                        f"max by ({FEATURE}) {S.fresh(metrics.ROW_SHARE, WINDOW)}",
                        S.fresh_peak(metrics.ROW_SHARE, FEATURE, WINDOW),
                        NAME,
                    ),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                ),
            ),
        ),
        Row(
            "How far, and since when",
            (
                _trend(
                    "KL divergence",
                    "Histogram KL divergence from the baseline to the window, in nats. It grows without "
                    "limit where the baseline has rows and the window has none. The dashed line is the model's "
                    "limit, for features that learned none of their own.",
                    KL,
                    S.threshold("kl_divergence"),
                ),
                _trend(
                    "PSI",
                    "Population stability index: the symmetric sum of both KL divergences. Over the dashed "
                    "line a significant change counts as drift.",
                    PSI,
                    S.threshold("psi"),
                ),
                _trend(
                    "Mean shift",
                    "How far the mean moved, up or down, in baseline standard deviations.",
                    MEAN_SHIFT,
                    S.threshold("mean_shift_sigmas"),
                    width=8,
                ),
                _trend(
                    "Wasserstein distance",
                    "How far the values moved on average, in baseline standard deviations. It keeps growing "
                    "where KL saturates. The dashed line is the lowest limit that the training data's own windows "
                    "taught for any feature.",
                    WASSERSTEIN,
                    Target(f"min({_learned('wasserstein_distance')})", "Lowest limit", THRESHOLD_REF),
                    width=8,
                ),
                _trend(
                    "Gaussian KL divergence",
                    "KL divergence of two normal distributions with the same means and standard deviations, "
                    "in nats.",
                    GAUSSIAN_KL,
                    width=8,
                ),
            ),
        ),
        Row(
            "One feature: $feature",
            (
                Bars(
                    "Live against baseline",
                    "Share of the chosen feature's values in each bin over the chosen time, beside the "
                    "baseline's.",
                    columns(
                        f"sum by (source, bin) (increase({OBSERVED}[{RANGE}])) / on (source) group_left () "
                        f"(sum by (source) (increase({OBSERVED}[{RANGE}])) > 0)",
                        f"max by (source, bin) {S.fresh(metrics.BASELINE_BIN_RATIO, CHOSEN)}",
                    ),
                    unit="percentunit",
                    minimum=0,
                    height=10,
                    category="Bin",
                    columns=(
                        Column("bin", "Bin"),
                        Column("source", "Source", hidden=True),
                        Column("Value #A", "Live", "percentunit"),
                        Column("Value #B", "Baseline", "percentunit"),
                    ),
                ),
                Graph(
                    "Statistics of the feature",
                    "All statistics of the chosen feature. Wasserstein distance and mean shift are in "
                    "baseline standard deviations, the Jensen-Shannon distance lies between 0 and 1.",
                    lines(
                        ("PSI", _of_chosen(PSI)),
                        ("KL divergence", _of_chosen(KL)),
                        ("Jensen-Shannon distance", _of_chosen(JS)),
                        ("Wasserstein distance", _of_chosen(WASSERSTEIN)),
                        ("mean shift", _of_chosen(MEAN_SHIFT)),
                    ),
                    minimum=0,
                    height=10,
                ),
                Graph(
                    "KL divergence against its limit",
                    "The worst worker's window, and dashed its limit: learned from the training data's own "
                    f"windows, else the model's. {FLEET_NOTE}",
                    (
                        *lines(("worst worker, last $window rows", _of_chosen(KL)), *_fleet("kl_divergence")),
                        Target(
                            f"{_limit('kl_divergence')} or max({S.fresh_model(THRESHOLDS, SIGNAL)})",
                            "Limit",
                            THRESHOLD_REF,
                        ),
                    ),
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Wasserstein distance against its limit",
                    "The worst worker's window in baseline standard deviations, and dashed its limit, learned "
                    "from the training data's own windows. No dashed line: not known, or the feature has no "
                    "distances.",
                    (
                        *lines(("worst worker, last $window rows", _of_chosen(WASSERSTEIN))),
                        Target(_limit("wasserstein_distance"), "Limit", THRESHOLD_REF),
                    ),
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "PSI of worker and fleet",
                    "The worst worker's window, and dashed the PSI below which nothing counts as drift. "
                    f"{FLEET_NOTE}",
                    (
                        *lines(("worst worker, last $window rows", _of_chosen(PSI)), *_fleet("psi")),
                        S.threshold("psi"),
                    ),
                    minimum=0,
                    width=8,
                ),
            ),
        ),
        Row(
            "Quality of the inputs",
            (
                Graph(
                    "Missing values",
                    "Share of missing values in the window.",
                    ranked(_column(MISSING), peak(_windowed(MISSING), FEATURE), NAME),
                    unit="percentunit",
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Invalid inputs",
                    "Input values in a second that the model should not see, by feature and reason.",
                    ranked(
                        rate(INVALID, "feature, reason"),
                        total(INVALID, "feature, reason"),
                        "{{feature}}: {{reason}}",
                    ),
                    unit="cps",
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Dropped rows",
                    "Rows or values in a second that the monitor could not take, by reason; the drift "
                    "statistics lack them.",
                    ranked(
                        rate(S.select(metrics.MONITOR_DROPPED), "reason"),
                        total(S.select(metrics.MONITOR_DROPPED), "reason"),
                        "{{reason}}",
                    ),
                    unit="cps",
                    minimum=0,
                    width=8,
                ),
            ),
        ),
    ),
)
