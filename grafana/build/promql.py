"""Pieces of PromQL that the panels share.

Every selector names job and instance, and every gauge is joined with the freshness of its worker, because TorchServe
never removes a series (frontend: metrics/format/prometheous).
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana.build.spec import THRESHOLD_REF, Target, Variable
from torchvitals import metrics

RATE = "$__rate_interval"
RANGE = "$__range"
LINES = 5
REFS = "ABCDEFGHIJ"

FRESH = "worker:model_monitor:fresh"
THRESHOLDS = "model_signal:model_threshold:max"
MODEL = "model_name, model_version"
WORKER_KEY = "job, instance, model_name, model_version, worker"
MODEL_KEY = "job, instance, model_name, model_version"

# After this time without a sign of life a worker counts as removed and leaves the graphs of ages.
FORGOTTEN_SECONDS = 3600
# As in worker:model_monitor:fresh.
FRESH_SECONDS = 30


@dataclass(frozen=True)
class Scope:
    """Which models a dashboard shows: any number of them, or one; any version of it, or one."""

    many_models: bool
    many_versions: bool

    @property
    def model_matchers(self) -> tuple[str, str]:
        """Matchers for the labels that all of our series carry."""
        name = 'model_name=~"$model_name"' if self.many_models else 'model_name="$model_name"'
        version = (
            'model_version=~"$model_version"' if self.many_versions else 'model_version="$model_version"'
        )
        return name, version

    def select(self, metric: metrics.Metric | str, *matchers: str) -> str:
        """Select the series of a metric, or of a recording rule, for the chosen models."""
        name = metric if isinstance(metric, str) else metric.name
        return selector(name, *self.model_matchers, *matchers)

    def fresh(self, metric: metrics.Metric, *matchers: str) -> str:
        """Select a gauge of living workers only; of a model with a living worker, where it has no worker label."""
        key = WORKER_KEY if "worker" in metric.labels else MODEL_KEY
        return f"({self.select(metric, *matchers)} and on ({key}) {self.select(FRESH)} == 1)"

    def fresh_model(self, recorded: str, *matchers: str) -> str:
        """Select a recorded series per model, of models with a living worker only."""
        return f"({self.select(recorded, *matchers)} and on ({MODEL_KEY}) {self.select(FRESH)} == 1)"

    def fresh_peak(self, metric: metrics.Metric, by: str, *matchers: str) -> str:
        """Return the peak of a worker's gauge, of workers that lived in the dashboard's time range."""
        lived = f"max_over_time({self.select(FRESH)}[{RANGE}] @ end()) == 1"
        reached = f"max_over_time({self.select(metric, *matchers)}[{RANGE}] @ end())"
        return f"max by ({by}) ({reached} and on ({WORKER_KEY}) {lived})"

    def alerts(self) -> str:
        """Select firing alerts. Alerts about a whole server carry no model and are in the overview alone."""
        return selector("ALERTS", 'alertstate="firing"', self._alert_model)

    def alerts_since(self) -> str:
        """When each firing alert became active, in Unix seconds."""
        return (
            f"({selector('ALERTS_FOR_STATE', self._alert_model)} and ignoring (alertstate) {self.alerts()})"
        )

    @property
    def _alert_model(self) -> str:
        return 'model_name=~"$model_name|"' if self.many_models else 'model_name="$model_name"'

    def threshold(self, signal: str, *, operation: str = "max") -> Target:
        """Draw the threshold of the chosen models for one signal."""
        limits = self.fresh_model(THRESHOLDS, f'signal="{signal}"')
        return Target(f"{operation}({limits})", "Threshold", THRESHOLD_REF)

    def variables(self) -> tuple[Variable, ...]:
        """Return the variables that every dashboard has, each narrowed by the ones before it."""
        sign = metrics.WINDOW_EVALUATED.name
        name, version = self.model_matchers
        return (
            Variable("job", "Job", "Scrape job of TorchServe.", f"label_values({sign}, job)", multi=True),
            Variable(
                "instance",
                "Instance",
                "Metrics address of a TorchServe server.",
                f'label_values({sign}{{job=~"$job"}}, instance)',
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
                "Version",
                "Version in the model's archive.",
                f"label_values({selector(sign, name)}, model_version)",
                multi=self.many_versions,
            ),
            Variable(
                "window",
                "Window",
                "Rows in the rolling window that drift is judged on.",
                f"label_values({selector(metrics.WINDOW_SAMPLES.name, name, version)}, window)",
                multi=self.many_models,
                numeric=True,
            ),
        )


def selector(name: str, *matchers: str) -> str:
    """Select the series ``name`` of the chosen servers."""
    chosen = ", ".join(('job=~"$job"', 'instance=~"$instance"', *matchers))
    return f"{name}{{{chosen}}}"


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


def quantile(q: float, buckets: str, by: str = "") -> str:
    """Quantile of a histogram from the rates of its buckets."""
    return f"histogram_quantile({q:g}, {rate(buckets, f'le, {by}' if by else 'le')})"


def ranked(value: str, size: str, legend: str) -> tuple[Target, ...]:
    """One target for each of the five largest series, largest first.

    ``value`` is what is drawn and ``size`` what orders it; both have the same labels, and ``size`` is constant over the
    time range. A plain topk picks anew at each point and draws more than five lines. One target a rank gives each line
    a colour of the fixed palette, whatever the series are called.

    Of equal sizes, topk(2) may leave out the one that topk(1) picked; on sorted input it keeps the first, and the ranks
    are disjoint.
    """
    targets = []
    ordered = f"sort_desc({size})"
    for rank in range(1, LINES + 1):
        chosen = f"topk({rank}, {ordered})" + (f" unless topk({rank - 1}, {ordered})" if rank > 1 else "")
        targets.append(Target(f"{value} and ({chosen})", legend, REFS[rank - 1]))
    return tuple(targets)


def lines(*named: tuple[str, str]) -> tuple[Target, ...]:
    """One target for each (name, expression), at most five."""
    return tuple(Target(expr, name, REFS[index]) for index, (name, expr) in enumerate(named))


def columns(*exprs: str) -> tuple[Target, ...]:
    """One target for each column of a table."""
    return tuple(Target(expr, "", REFS[index]) for index, expr in enumerate(exprs))


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
