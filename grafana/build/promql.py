"""Pieces of PromQL that the panels share.

Every selector names job and instance, and every gauge is joined with the freshness of its worker, because TorchServe
never removes a series (frontend: metrics/format/prometheous).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grafana.build import palette
from grafana.build.spec import THRESHOLD_REF, Annotation, Target, Variable
from torchvitals.telemetry import catalogue as metrics

RATE = "$__rate_interval"
RANGE = "$__range"
LINES = 5
# Without T, which draws the threshold.
REFS = "ABCDEFGHIJKLMNOPQRS"
WINDOW = 'window="$window"'

FRESH = "worker:model_monitor:fresh"
THRESHOLDS = "model_signal:model_threshold:max"
MODEL = "model_name, model_version"
# Labels that keep clusters and environments apart, as in the rules; one that nobody sets changes nothing.
PLACES = (
    ("cluster", "Cluster", "Cluster, where Prometheus adds the label cluster; All otherwise."),
    ("namespace", "Namespace", "Namespace, where Prometheus adds the label namespace; All otherwise."),
    ("env", "Environment", "Environment, where Prometheus adds the label env; All otherwise."),
)
PLACE = ", ".join(name for name, _, _ in PLACES)
MODEL_KEY = f"{PLACE}, job, instance, model_name, model_version"
WORKER_KEY = f"{MODEL_KEY}, worker"

# After this time without a sign of life a worker counts as removed and leaves the graphs of ages.
FORGOTTEN_SECONDS = 3600
# After this time without a sign of life, worker:model_monitor:fresh takes a worker for dead.
FRESH_SECONDS = 120

# It fires always, to show that alerts arrive.
FIRING = 'alertstate="firing"'
NOT_WATCHDOG = 'alertname!="Watchdog"'
# What was there within this time before is no news, so that a server that was away does not count as a deployment.
NEWS = "1d"


@dataclass(frozen=True)
class Scope:
    """Which models a dashboard shows: any number of them, or one; any version of it, or one."""

    many_models: bool
    many_versions: bool
    version: str = "model_version"

    @property
    def model_matchers(self) -> tuple[str, str]:
        """Matchers for the labels that all of our series carry."""
        return self._name_matcher, f'model_version{"=~" if self.many_versions else "="}"${self.version}"'

    @property
    def _name_matcher(self) -> str:
        return f'model_name{"=~" if self.many_models else "="}"$model_name"'

    def select(self, metric: metrics.Metric | str, *matchers: str) -> str:
        """Select the series of a metric, or of a recording rule, for the chosen models."""
        name = metric if isinstance(metric, str) else metric.name
        return selector(name, *self.model_matchers, *matchers)

    def fresh(self, metric: metrics.Metric, *matchers: str) -> str:
        """Select a gauge of living workers only; of a model with a living worker, where it has no worker label."""
        key = WORKER_KEY if "worker" in metric.labels else MODEL_KEY
        return f"({self.select(metric, *matchers)} and on ({key}) {self.select(FRESH)} == 1)"

    def fleet(self, name: str, *matchers: str) -> str:
        """Select what is recorded of a model over all servers: it names none, and shows whichever is chosen."""
        return _selector(name, JOB, 'instance=~"$instance|"', *_PLACE, self._name_matcher, *matchers)

    def stated(self, metric: metrics.Metric, *matchers: str) -> str:
        """Select a gauge of an estimated accuracy, of living workers, where the estimate is not withheld."""
        withheld = self.fresh(metrics.ESTIMATED_ACCURACY_WITHHELD)
        return f"({self.fresh(metric, *matchers)} unless on ({WORKER_KEY}, window) {withheld} == 1)"

    def fresh_model(self, recorded: str, *matchers: str) -> str:
        """Select a recorded series per model, of models with a living worker only."""
        return f"({self.select(recorded, *matchers)} and on ({MODEL_KEY}) {self.select(FRESH)} == 1)"

    def fresh_peak(self, metric: metrics.Metric, by: str, *matchers: str) -> str:
        """Return the peak of a worker's gauge, of workers that lived in the dashboard's time range."""
        lived = f"max_over_time({self.select(FRESH)}[{RANGE}] @ end()) == 1"
        reached = f"max_over_time({self.select(metric, *matchers)}[{RANGE}] @ end())"
        return f"max by ({by}) ({reached} and on ({WORKER_KEY}) {lived})"

    def stage_buckets(self, stage: str = "handle", clock: str = "host") -> str:
        """Select the buckets of a stage's duration."""
        return self.select(metrics.STAGE_DURATION.bucket, f'stage="{stage}"', f'clock="{clock}"')

    def mean(self, histogram: metrics.Histogram, by: str = "", *matchers: str) -> str:
        """Return the mean of what a histogram observed, from rates."""
        summed = rate(self.select(histogram.sum, *matchers), by)
        return ratio(summed, rate(self.select(histogram.count, *matchers), by))

    def class_shares(self) -> str:
        """Return the share of each class in the predictions of the dashboard's time range."""
        growth = f"increase({self.select(metrics.PREDICTIONS)}[{RANGE}])"
        return share(f"sum by (class) ({growth})", f"sum({growth})")

    def bin_shares(self, *matchers: str) -> str:
        """Return the share of each bin in a feature's values of the dashboard's time range."""
        growth = f"increase({self.select(metrics.OBSERVATIONS, *matchers)}[{RANGE}])"
        shares = share(f"sum by (source, bin) ({growth})", f"sum by (source) ({growth})", "source")
        return without_number(shares)

    def bin_shares_over_time(self, *matchers: str) -> str:
        """Return the share of each bin in a feature's values, at each point of a graph."""
        observed = self.select(metrics.OBSERVATIONS, *matchers)
        return without_number(share(rate(observed, "source, bin"), rate(observed, "source"), "source"))

    def baseline_bins(self, *matchers: str) -> str:
        """Return the share of each bin in the baseline."""
        return without_number(f"max by (source, bin) {self.fresh(metrics.BASELINE_BIN_RATIO, *matchers)}")

    def alerts(self, offset: str = "") -> str:
        """Select firing alerts. Alerts about a whole server carry no model and are in the overview alone."""
        return f"{alert_selector('ALERTS', FIRING, self._alert_model)} {offset}".rstrip()

    def alerts_by_version(self) -> str:
        """Count the firing alerts of each model and version; those of all versions of a model count for each."""
        own = alert_selector("ALERTS", FIRING, self._name_matcher, 'model_version!=""')
        whole = alert_selector("ALERTS", FIRING, self._name_matcher, 'model_version=""')
        served = f"0 * sum by ({MODEL}) ({self.select('model:model_monitor:fresh_workers')})"
        return (
            f"(count by ({MODEL}) ({own}) or {served}) + on (model_name) group_left () "
            f"(count by (model_name) ({whole}) or sum by (model_name) ({served})) > 0"
        )

    def alerts_since(self) -> str:
        """When each firing alert became active, in Unix seconds."""
        active = alert_selector("ALERTS_FOR_STATE", self._alert_model)
        return f"({active} and ignoring (alertstate) {self.alerts()})"

    @property
    def _alert_model(self) -> str:
        return 'model_name=~"$model_name|"' if self.many_models else 'model_name="$model_name"'

    def annotations(self) -> tuple[Annotation, ...]:
        """Return what is marked across the graphs: alerts, and what was deployed, of any version."""
        seen = selector(metrics.WINDOW_EVALUATED.name, self._name_matcher)
        info = selector(metrics.BASELINE_INFO.name, self._name_matcher)
        baseline = f"{MODEL}, baseline_version, baseline_sha256"
        # A version's first baseline comes with it and is no news of its own.
        began = f"{self.alerts()} unless {self.alerts('offset $__interval')}"
        known = f"and on ({MODEL}) count by ({MODEL}) (last_over_time({seen}[{NEWS}] offset $__interval))"
        return (
            Annotation(
                "Firing alerts",
                self.alerts(),
                palette.ALARM,
                "{{alertname}}",
                "{{severity}} {{model_name}} {{model_version}}",
                "severity",
                # Times of many alerts lie on each other and hide the graphs.
                enabled=False,
            ),
            Annotation(
                "Alerts began",
                began,
                palette.ALARM,
                "{{alertname}}",
                "{{severity}} {{model_name}} {{model_version}}",
                "severity",
            ),
            Annotation(
                "New versions",
                _appeared(seen, MODEL),
                palette.BLUE,
                "{{model_name}} {{model_version}} is served",
                "A version that was not there before.",
                "model_version",
            ),
            Annotation(
                "New baselines",
                f"{_appeared(info, baseline)} {known}",
                palette.BROWN,
                "{{model_name}} {{model_version}}: baseline {{baseline_version}}",
                "A baseline that was not there before: sha256 {{baseline_sha256}}",
                "baseline_version",
            ),
        )

    def threshold(self, signal: str, *, operation: str = "max") -> Target:
        """Draw the threshold of the chosen models for one signal."""
        limits = self.fresh_model(THRESHOLDS, f'signal="{signal}"')
        return Target(f"{operation}({limits})", "Threshold", THRESHOLD_REF)

    def variables(
        self, *own: Variable, uses_window: bool = True, version_label: str = "Version"
    ) -> tuple[Variable, ...]:
        """Return the variables that every dashboard has, each narrowed by the ones before it.

        ``own`` is what this dashboard adds; without a feature among it, the feature is kept for the others unseen.
        """
        sign = metrics.WINDOW_EVALUATED.name
        name, version = self.model_matchers
        common = (
            *_places(sign),
            Variable(
                "job",
                "Job",
                "Scrape job of TorchServe.",
                f"label_values({_selector(sign, *_PLACE)}, job)",
                multi=True,
            ),
            Variable(
                "instance",
                "Instance",
                "Metrics address of a TorchServe server.",
                f"label_values({_selector(sign, *_PLACE, JOB)}, instance)",
                multi=True,
            ),
            Variable(
                "model_name",
                "Model",
                "Name under which TorchServe serves the model.",
                f"label_values({selector(sign)}, model_name)",
                multi=self.many_models,
            ),
            Variable(
                "model_version",
                version_label,
                "Version in the model's archive.",
                f"label_values({selector(sign, name)}, model_version)",
                multi=self.many_versions,
                order="version",
            ),
            Variable(
                "window",
                "Window",
                "Rows in the rolling window that drift is judged on.",
                f"label_values({selector(metrics.WINDOW_SAMPLES.name, name, version)}, window)",
                multi=self.many_models,
                order="number",
                hidden=not uses_window,
            ),
        )
        chosen = () if any(variable.name == "feature" for variable in own) else (self.feature(hidden=True),)
        return (*common, *own, *chosen)

    def feature(self, *, hidden: bool = False) -> Variable:
        """Return the variable of the chosen feature."""
        return Variable(
            "feature",
            "Feature",
            "The feature whose distribution is shown.",
            f"label_values({self.select(metrics.BASELINE_BIN_RATIO)}, feature)",
            multi=False,
            hidden=hidden,
        )


JOB = 'job=~"$job"'
_PLACE = tuple(f'{place}=~"${place}"' for place, _, _ in PLACES)


def _places(sign: str) -> Iterator[Variable]:
    """Give the variables of what keeps clusters and environments apart, each narrowed by the ones before it.

    The label may be absent from all series: then nothing is offered but All, which takes what has no such label.
    """
    for index, (place, label, description) in enumerate(PLACES):
        chosen = _selector(sign, *_PLACE[:index]) if index else sign
        yield Variable(
            place, label, description, f"label_values({chosen}, {place})", multi=True, all_value=".*"
        )


def _selector(name: str, *matchers: str) -> str:
    return f"{name}{{{', '.join(matchers)}}}"


def selector(name: str, *matchers: str) -> str:
    """Select the series ``name`` of the chosen servers."""
    return _selector(name, JOB, 'instance=~"$instance"', *_PLACE, *matchers)


def place_selector(name: str, *matchers: str) -> str:
    """Select series that name no server, or another than the chosen ones."""
    return _selector(name, *_PLACE, *matchers)


def alert_selector(name: str, *matchers: str) -> str:
    """Select alerts about the chosen servers, and those that name none: of all servers of a model, and by labels."""
    places = (f'{place}=~"${place}|"' for place, _, _ in PLACES)
    return _selector(name, 'job=~"$job|"', 'instance=~"$instance|"', *places, *matchers, NOT_WATCHDOG)


def without_number(series: str) -> str:
    """Name each bin in the label ``values``, without the number that sorts it: "..12.5" of "00 ..12.5"."""
    return f'label_replace({series}, "values", "$1", "bin", "(?:[0-9]+ )?(.*)")'


def fixed_threshold(value: float) -> Target:
    """Draw a threshold that is the same for all models."""
    return Target(f"vector({value:g})", "Threshold", THRESHOLD_REF)


def rate(series: str, by: str = "") -> str:
    """Per-second rate of counters, summed."""
    return f"sum{_by(by)} (rate({series}[{RATE}]))"


def total(series: str, by: str = "") -> str:
    """Increase of counters over the dashboard's time range, the same at each point of a graph."""
    return f"sum{_by(by)} (increase({series}[{RANGE}] @ end()))"


def peak(series: str, by: str) -> str:
    """Return the largest value of gauges in the dashboard's time range, the same at each point of a graph."""
    return f"max{_by(by)} (max_over_time({series}[{RANGE}] @ end()))"


def ratio(part: str, whole: str) -> str:
    """Divide sums; no result where the whole is zero."""
    return f"{part} / ({whole} > 0)"


def share(parts: str, whole: str, on: str = "") -> str:
    """Divide many series by the one that is their sum; no result where that is zero."""
    return f"{parts} / on ({on}) group_left () ({whole} > 0)"


def quantile(q: float, buckets: str, by: str = "") -> str:
    """Quantile of a histogram from the rates of its buckets."""
    return f"histogram_quantile({q:g}, {rate(buckets, f'le, {by}' if by else 'le')})"


def ranked(value: str, size: str, legend: str) -> tuple[Target, ...]:
    """One target that draws the five largest series.

    ``value`` is what is drawn and ``size`` what orders it; both have the same labels, and ``size`` is constant over the
    time range: otherwise topk picks anew at each point and draws more than five lines.

    It is one query. A query for each rank gives each line a colour of ours, but of equal series topk(2) may leave out
    the one that topk(1) picked: histogram_quantile, for one, orders its series anew each time. One is then drawn twice,
    another never.
    """
    return (Target(f"{value} and topk({LINES}, {size})", legend, many=True),)


def estimated_accuracy(scope: Scope) -> tuple[Target, ...]:
    """Draw the lowest estimated accuracy, its interval, the baseline's, and as threshold the drop that is allowed."""
    baseline = scope.fresh(metrics.BASELINE_ACCURACY)
    drop = scope.fresh_model(THRESHOLDS, 'signal="estimated_accuracy_drop"')
    return (
        *lines(
            ("estimated", f"min({scope.stated(metrics.ESTIMATED_ACCURACY, WINDOW)})"),
            ("baseline", f"max({baseline})"),
        ),
        *accuracy_band(scope, "A", ("C", "D")),
        Target(f"max({baseline}) - max({drop})", "Threshold", THRESHOLD_REF),
    )


def accuracy_band(scope: Scope, line: str, refs: tuple[str, str], *, name: str = "") -> tuple[Target, Target]:
    """Draw the 95 % interval of an estimated accuracy as a band around ``line``, which is the ref of its target."""
    bounds = (f'bound="{bound}"' for bound in ("lower", "upper"))
    lower, upper = (
        f"min({scope.stated(metrics.ESTIMATED_ACCURACY_BOUND, WINDOW, bound)})" for bound in bounds
    )
    low, high = (f"{name}{words}" for words in ("at least", "at most"))
    return (
        Target(lower, low, refs[0], edge_of=line),
        Target(upper, high, refs[1], edge_of=line, filled_to=low),
    )


def by_label(expr: str, legend: str, names: tuple[str, ...], ref: str = "A") -> Target:
    """One query, a line for each known value of a label; ``names`` are what ``legend`` makes of them."""
    return Target(expr, legend, ref, names=names)


def lines(*named: tuple[str, str]) -> tuple[Target, ...]:
    """One target for each (name, expression), at most five."""
    return tuple(Target(expr, name, REFS[index]) for index, (name, expr) in enumerate(named))


def columns(*exprs: str) -> tuple[Target, ...]:
    """One target for each column of a table."""
    return tuple(Target(expr, "", REFS[index]) for index, expr in enumerate(exprs))


def _appeared(series: str, by: str) -> str:
    """Give a point where a label set was not there a step before; an annotation asks step by step."""
    before = f"last_over_time({series}[{NEWS}] offset $__interval)"
    return f"count by ({by}) ({series}) unless count by ({by}) ({before})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
