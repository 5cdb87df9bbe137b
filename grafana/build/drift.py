"""Drift: whether the data moved away from the training data, in which feature, how far and since when."""

from __future__ import annotations

from typing import Any

from grafana.build import palette, statistics
from grafana.build.panels import BIN, alarm_from, bars, dashboard, measure, table
from grafana.build.promql import (
    MODEL_KEY,
    RANGE,
    WINDOW,
    Scope,
    fixed_threshold,
    lines,
    peak,
    ranked,
    rate,
    total,
)
from grafana.build.spec import THRESHOLD_REF, Graph, Heatmap, Row, Stat, Table, Target, Timeline
from grafana.build.statistics import DRIFTED, FEATURE, VERDICT_TEXTS, recorded
from torchvitals.drift.statistics import STATISTICS, Statistic
from torchvitals.telemetry import catalogue as metrics

S = Scope(many_models=False, many_versions=False)

NAME = "{{feature}}"
TIMELINE_ROWS = 25

KL = recorded("kl_divergence")
PSI = recorded("psi")
WASSERSTEIN = recorded("wasserstein_distance")
MEAN_SHIFT = recorded("mean_shift_sigmas")
MISSING = recorded("missing_ratio")
LIMITS = "model_feature:model_feature_drift_threshold:max"
# Recorded for the range at the end of the name.
FLEET_RANGES = (("10m", "10 minutes"), ("1h", "1 hour"), ("1d", "1 day"))

SEGMENTS, SEGMENT = "model_segment:model_segment_drift:max", "segment, feature"
DRIFTED_SEGMENTS = "model:model_drifted_segments:max"

CHOSEN = 'feature="$feature"'
# What tells how far a feature went; a spread that narrows has a limit too, and a column of its own.
DISTANCES = ("kl_divergence", "wasserstein_distance")
WINDOW_ROWS = S.fresh(metrics.WINDOW_SAMPLES, WINDOW)
INVALID = S.select(metrics.INPUT_INVALID)

KEPT = (
    "datasource",
    "cluster",
    "namespace",
    "env",
    "job",
    "instance",
    "model_name",
    "model_version",
    "window",
)
TO_FEATURE = "/d/torchvitals-drift?" + "&".join(
    (
        "${__url_time_range}",
        *(f"${{{name}:queryparam}}" for name in KEPT),
        "var-feature=${__data.fields.Feature:percentencode}",
    )
)


def _windowed(series: str, *matchers: str) -> str:
    return S.select(series, WINDOW, *matchers)


def _worst(series: str) -> str:
    return f"max by ({FEATURE}) ({_windowed(series)})"


def _no_verdict() -> str:
    """Return one row where no feature has a verdict in the whole range: Grafana draws no timeline of nothing."""
    found = f"max_over_time({_windowed(DRIFTED)}[{RANGE}] @ end())"
    return f'label_replace(vector(-1), "feature", "no feature", "", "") unless on () {found}'


def _drifted(source: str) -> Target:
    series = _windowed(DRIFTED, f'source="{source}"')
    return Target(f"sum(max by ({FEATURE}) ({series}))")


def _trend(title: str, description: str, name: str, *threshold: Target, **panel: Any) -> Graph:
    series = recorded(name)
    return Graph(
        title,
        description,
        (*ranked(_worst(series), peak(_windowed(series), FEATURE), NAME), *threshold),
        minimum=0,
        **panel,
    )


def _learned(statistic: str, *matchers: str) -> str:
    """Return the limits that were learned from the training data; one of 0 says nothing."""
    chosen = S.fresh_model(LIMITS, WINDOW, f'statistic="{statistic}"', *matchers)
    return f"({chosen} > 0)"


def _limits(statistic: Statistic) -> str:
    """Return each feature's limit, learned from the training data."""
    return f"max by ({FEATURE}) ({_learned(statistic.name)})"


def _of_limits(series: str) -> str:
    """Divide each statistic by the feature's own limit and take the largest; ``series`` selects one of them."""
    key = f"{MODEL_KEY}, {FEATURE}, window"
    parts = [
        f"label_replace({series.format(_windowed(recorded(one.name)))} / on ({key}) {_learned(one.name)}, "
        f'"statistic", "{one.name}", "", "")'
        for one in STATISTICS.learned
        if one.name in DISTANCES
    ]
    return f"max by ({FEATURE}) ({' or '.join(parts)})"


def features() -> tuple[Table, Table]:
    """Return the tables of features, with a column for each statistic that no graph has to itself."""
    return (
        _features(
            "Features",
            "Every watched feature against its baseline; of several workers the worst. Drifted "
            "means significant, large and, where the training data taught it, beyond what they do "
            "themselves. PSI and KL compare distributions; Wasserstein distance "
            "and mean shift are in baseline standard deviations; the p value is the chance of such "
            "a window if nothing had changed. A category has no distance or shift. A limit is what the "
            "training data's own windows taught.",
            statistics.distances(),
            sort_by="PSI",
            height=11,
        ),
        _features(
            "Missing values, shares and spread",
            "The same features. Share change is the largest change of a share of the rows; "
            "narrowing is how many times narrower the values are; exceedance is the share of values farther "
            "out than 999 in 1,000 of the training data. A category has no narrowing or exceedance.",
            statistics.shapes(),
            sort_by="Share change",
            height=9,
        ),
    )


def _features(title: str, description: str, shown: list[Statistic], *, sort_by: str, height: int) -> Table:
    return table(
        title,
        description,
        statistics.keys(TO_FEATURE),
        (statistics.verdict("Verdict", S, VERDICT_TEXTS), *statistics.table_measures(shown, S, _limits)),
        sort_by=("Verdict", sort_by),
        height=height,
    )


def _of_chosen(series: str) -> str:
    return f"max({_windowed(series, CHOSEN)})"


def _titled(name: str) -> tuple[str, str]:
    return STATISTICS[name].title, _of_chosen(recorded(name))


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
    "Beside it all servers together over a time range, less what chance alone gives; without a value by fewer than "
    "100 rows, while one version has two baselines in the range, or while Instance is not All."
)

ANY_DRIFT = alarm_from(1)

DASHBOARD = dashboard(
    "drift",
    S,
    "## Has the data moved away from the training data, and in which feature, how far, since when?\n"
    "Many inputs drifted while latency and confidence stay normal: the *data* changed, so look "
    "upstream and do not roll back. Outputs drifted, or confidence fell: the *model* no longer "
    "fits, so retrain or roll back. A feature's name in the table shows its distribution below.",
    title="Drift",
    description="Drift of one model's inputs and outputs against its training baseline, feature by feature.",
    purpose="how to read it",
    time_from="now-6h",
    variables=S.variables(S.feature()),
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
                *features(),
                Timeline(
                    "Verdict over time",
                    f"When each feature counted as drifted, for the {TIMELINE_ROWS} that drifted longest.",
                    (
                        Target(
                            f"{_worst(DRIFTED)} and topk({TIMELINE_ROWS}, "
                            f"avg by ({FEATURE}) (avg_over_time({_windowed(DRIFTED)}[{RANGE}] @ end()))) "
                            f"or {_no_verdict()}",
                            NAME,
                        ),
                    ),
                    texts=(*VERDICT_TEXTS, ("-1", "no verdict", palette.GREY)),
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
                    no_value="no limits: the baseline was built without the order of time",
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
                    no_value="no table, or its rows have not drifted",
                ),
            ),
        ),
        Row(
            "By segment of the traffic",
            (
                Stat(
                    "Drifted segments",
                    "Values of the columns in features: segments that moved away from their own training rows, in the "
                    "worker that sees most of them.",
                    (Target(f"max({S.select(DRIFTED_SEGMENTS)})"),),
                    steps=ANY_DRIFT,
                    width=12,
                ),
                Stat(
                    "Judged segments",
                    "Segments with rows enough, in training and now, in the worker that judges fewest.",
                    (Target(f"min({S.fresh(metrics.JUDGED_SEGMENTS)})"),),
                    unit="short",
                    width=12,
                ),
                Graph(
                    "Segments that drifted",
                    "PSI of the worst features of the segments that drifted, each against the training rows of its "
                    "own segment. Empty while none did, and where the baseline has no segments.",
                    ranked(
                        f"max by ({SEGMENT}) ({S.select(SEGMENTS)})",
                        peak(S.select(SEGMENTS), SEGMENT),
                        "{{segment}}: {{feature}}",
                    ),
                    minimum=0,
                    no_value="no segment has drifted, or the baseline has none",
                    width=24,
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
                    "kl_divergence",
                    S.threshold("kl_divergence"),
                ),
                _trend(
                    "PSI",
                    "Population stability index: the symmetric sum of both KL divergences. Over the dashed "
                    "line a significant change counts as drift.",
                    "psi",
                    S.threshold("psi"),
                ),
                _trend(
                    "Mean shift",
                    "How far the mean moved, up or down, in baseline standard deviations.",
                    "mean_shift_sigmas",
                    S.threshold("mean_shift_sigmas"),
                    width=8,
                ),
                _trend(
                    "Wasserstein distance",
                    "How far the values moved on average, in baseline standard deviations. It keeps growing "
                    "where KL saturates. The dashed line is the lowest limit that the training data's own windows "
                    "taught for any feature.",
                    "wasserstein_distance",
                    Target(f"min({_learned('wasserstein_distance')})", "Lowest limit", THRESHOLD_REF),
                    width=8,
                ),
                _trend(
                    "Gaussian KL divergence",
                    "KL divergence of two normal distributions with the same means and standard deviations, "
                    "in nats. The scale is logarithmic above 1: a small standard deviation makes it immense.",
                    "gaussian_kl_divergence",
                    width=8,
                    scale="symlog",
                ),
            ),
        ),
        Row(
            "One feature: $feature",
            (
                bars(
                    "Live against baseline",
                    "Share of the chosen feature's values in each bin over the chosen time, beside the "
                    "baseline's.",
                    BIN,
                    (
                        measure(S.bin_shares(CHOSEN), "Live", "percentunit"),
                        measure(S.baseline_bins(CHOSEN), "Baseline", "percentunit"),
                    ),
                    height=10,
                ),
                Graph(
                    "Statistics of the feature",
                    "All statistics of the chosen feature. Wasserstein distance and mean shift are in "
                    "baseline standard deviations, the Jensen-Shannon distance lies between 0 and 1.",
                    lines(
                        *map(_titled, ("psi", "kl_divergence", "js_distance", "wasserstein_distance")),
                        ("mean shift", _of_chosen(MEAN_SHIFT)),
                    ),
                    minimum=0,
                    height=10,
                ),
                Heatmap(
                    "Distribution over time",
                    "Share of the chosen feature's values in each bin, the lowest values at the bottom. The baseline's "
                    "stand beside it in the same colours: bins that are brighter here have become more. Empty without "
                    "traffic.",
                    (Target(S.bin_shares_over_time(CHOSEN), "{{values}}"),),
                    unit="percentunit",
                    shares=True,
                    width=18,
                    height=9,
                    no_value="no traffic",
                ),
                Heatmap(
                    "Distribution in the baseline",
                    "Share of the chosen feature's values in each bin of the baseline, in the same colours.",
                    (Target(S.baseline_bins(CHOSEN), "{{values}}"),),
                    unit="percentunit",
                    shares=True,
                    width=6,
                    height=9,
                ),
                Graph(
                    "KL divergence against its limit",
                    "The worst worker's window, and dashed its limit, learned from the training data's own "
                    f"windows. No dashed line: not known. {FLEET_NOTE}",
                    (
                        *lines(("worst worker, last $window rows", _of_chosen(KL)), *_fleet("kl_divergence")),
                        Target(_limit("kl_divergence"), "Limit", THRESHOLD_REF),
                    ),
                    minimum=0,
                    width=8,
                ),
                Graph(
                    "Wasserstein distance against its limit",
                    "The worst worker's window in baseline standard deviations, and dashed its limit, learned "
                    "from the training data's own windows. No dashed line: not known. Empty for a category, which has "
                    "no distances.",
                    (
                        *lines(("worst worker, last $window rows", _of_chosen(WASSERSTEIN))),
                        Target(_limit("wasserstein_distance"), "Limit", THRESHOLD_REF),
                    ),
                    minimum=0,
                    no_value="a category has no distances",
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
                    ranked(_worst(MISSING), peak(_windowed(MISSING), FEATURE), NAME),
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
