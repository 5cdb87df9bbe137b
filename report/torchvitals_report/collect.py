"""Evaluates the queries of the dashboards for one model: what a report shows, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Optional

from . import definitions
from .errors import ReportError
from .prometheus import CONNECTIONS, Matrix, Prometheus
from .span import CELLS, Span, moment
from .templating import Value, legend, macros, natural, substitute, substitute_text

# The beginnings of what "Firing alerts" has from beginning to end.
ALERTS_BEGAN = "Alerts began"
SIGN_OF_LIFE = "model_window_evaluated_timestamp_seconds"
# A canary gets a part of the traffic; with half of it, it is still the canary.
ABOUT_AS_MANY = 0.9
# Of living workers only.
DRIFTED = "model_feature:model_feature_drifted:max"
WORST_PSI = "model_feature:model_feature_psi:max"
# No PSI is as large, so that the verdict comes first.
PSI_BEYOND = 1e6
# The target that draws a threshold, as grafana/build/spec.py has it.
THRESHOLD_REF = "T"


@dataclass(frozen=True)
class Choice:
    """Which model, and what else the user chose; None is left to the report."""

    model: str
    version: Optional[str] = None
    canary: Optional[str] = None
    feature: Optional[str] = None
    window: Optional[str] = None

    def values(self) -> dict[str, str]:
        """Return what was chosen, by the name of the dashboards' variable."""
        named = {
            "model_name": self.model,
            "model_version": self.version,
            "canary_version": self.canary,
            "feature": self.feature,
            "window": self.window,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Series:
    """One line: its labels, its name in the legend, and (Unix seconds, value) without gaps filled."""

    labels: Mapping[str, str]
    name: str
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Target:
    """What one query returned; ``step`` in seconds."""

    ref: str
    step: float
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Panel:
    """A panel of a dashboard with its data; ``source`` is its definition."""

    title: str
    description: str
    kind: str
    width: int
    height: int
    source: Mapping[str, Any]
    targets: tuple[Target, ...] = ()

    @property
    def series(self) -> int:
        """Series over all targets; a threshold is no data."""
        return sum(len(target.series) for target in self.targets if target.ref != THRESHOLD_REF)


@dataclass(frozen=True)
class Event:
    """An alert that fired, or something that was deployed, from ``start`` to ``end`` in Unix seconds."""

    kind: str
    title: str
    text: str
    colour: str
    start: float
    end: float


@dataclass(frozen=True)
class Section:
    """One dashboard with the data of its panels."""

    name: str
    title: str
    variables: Mapping[str, str]
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Report:
    """All that a page shows."""

    choice: Choice
    span: Span
    prometheus: str
    sections: tuple[Section, ...]
    events: tuple[Event, ...] = field(default=())


def collect(
    prometheus: Prometheus,
    choice: Choice,
    *,
    start: float,
    end: float,
    dashboards: tuple[str, ...] = definitions.NAMES,
    scrape_seconds: Optional[float] = None,
) -> Report:
    """Evaluate the dashboards for one model, from ``start`` to ``end`` in Unix seconds.

    scrape_seconds: how often Prometheus scrapes TorchServe; None asks it. Raises ReportError for a model, version,
    feature or time that Prometheus knows nothing about.
    """
    span = Span(start, end, scrape_seconds or prometheus.scrape_seconds(_job(prometheus, choice, start, end)))
    complete = _Defaults(prometheus, choice, span).values()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        collector = _Collector(prometheus, span, pool)
        sections = []
        events: dict[tuple[str, str, float], Event] = {}
        for name in dashboards:
            dashboard = definitions.load(name)
            values = collector.variables(dashboard, complete)
            sections.append(collector.section(name, dashboard, values))
            for event in collector.events(dashboard, values):
                events.setdefault((event.kind, event.title + event.text, event.start), event)
    ordered = tuple(sorted(events.values(), key=lambda event: (event.start, event.title)))
    return Report(choice, span, prometheus.url, tuple(sections), ordered)


def _job(prometheus: Prometheus, choice: Choice, start: float, end: float) -> str:
    """Return the scrape job of the model; raise ReportError where there is no such model, or nothing in the range."""
    selector = substitute(f'{SIGN_OF_LIFE}{{model_name="$model_name"}}', {"model_name": choice.model})
    span = Span(start, end, 1)
    jobs = prometheus.label_values(f"label_values({selector}, job)", span)
    if jobs:
        return jobs[0]
    models = prometheus.label_values(f"label_values({SIGN_OF_LIFE}, model_name)")
    if choice.model in models:
        raise ReportError(
            f"Prometheus has nothing about model '{choice.model}' from {moment(start)} to {moment(end)}; "
            "choose another time with --last and --until"
        )
    known = ", ".join(models) if models else "none, so is TorchServe scraped?"
    raise ReportError(f"Prometheus at {prometheus.url} knows no model '{choice.model}'; it knows: {known}")


class _Defaults:
    """What to show where the user did not choose: the busiest version, and what moved most."""

    def __init__(self, prometheus: Prometheus, choice: Choice, span: Span) -> None:
        self._prometheus, self._choice, self._span = prometheus, choice, span

    def values(self) -> dict[str, str]:
        """Return the value of each variable that is chosen here. Raises ReportError for one that does not exist."""
        values = self._choice.values()
        versions = sorted(
            self._options(SIGN_OF_LIFE, "model_version", {"model_name": values["model_name"]}),
            key=natural,
            reverse=True,
        )
        if "model_version" not in values:
            values["model_version"] = self._busiest(values) or versions[0]
        others = [version for version in versions if version != values["model_version"]]
        values.setdefault("canary_version", others[0] if others else values["model_version"])
        for name in ("model_version", "canary_version"):
            self._must_exist("version", values[name], versions)

        one = {name: values[name] for name in ("model_name", "model_version")}
        features = self._options("model_baseline_bin_ratio", "feature", one)
        if "feature" in values:
            self._must_exist("feature", values["feature"], features)
        elif features:
            values["feature"] = self._farthest(one) or features[0]
        windows = sorted(self._options("model_window_samples", "window", one), key=float)
        if "window" in values:
            self._must_exist("window", values["window"], windows)
        elif windows:
            values["window"] = windows[0]
        return values

    def _options(self, metric: str, label: str, values: Mapping[str, str]) -> list[str]:
        return self._prometheus.label_values(
            f"label_values({self._selector(metric, values)}, {label})", self._span
        )

    def _busiest(self, values: Mapping[str, str]) -> Optional[str]:
        """Return the version with most calls; the oldest of those that have about as many."""
        series = self._selector("model_requests_total", values)
        found = self._at_end(f"sum by (model_version) (increase({series}[{self._range}]))")
        calls = {entry["metric"].get("model_version", ""): float(entry["value"][1]) for entry in found}
        most = max(calls.values(), default=0.0)
        many = [version for version, count in calls.items() if count >= ABOUT_AS_MANY * most]
        return min(many, key=natural, default=None)

    def _farthest(self, values: Mapping[str, str]) -> Optional[str]:
        """Return the feature that counted as drifted longest; of equal ones that with the largest PSI."""
        drifted, psi = (
            f"avg_over_time({self._selector(name, values)}[{self._range}])" for name in (DRIFTED, WORST_PSI)
        )
        found = self._at_end(f"topk(1, max by (feature) ({PSI_BEYOND} * {drifted} + {psi}))")
        return str(found[0]["metric"]["feature"]) if found else None

    @property
    def _range(self) -> str:
        return f"{round(self._span.seconds)}s"

    def _at_end(self, query: str) -> Matrix:
        return self._prometheus.instant(query, self._span.end)

    @staticmethod
    def _selector(metric: str, values: Mapping[str, str]) -> str:
        chosen = [name for name in ("model_name", "model_version") if name in values]
        matchers = ", ".join(f'{name}="${name}"' for name in chosen)
        return substitute(f"{metric}{{{matchers}}}", dict(values))

    def _must_exist(self, what: str, value: str, options: list[str]) -> None:
        if value not in options:
            known = ", ".join(options) or "none"
            raise ReportError(
                f"model '{self._choice.model}' has no {what} '{value}' in that time; it has: {known}"
            )


class _Collector:
    """Queries one Prometheus over one span."""

    def __init__(self, prometheus: Prometheus, span: Span, pool: ThreadPoolExecutor) -> None:
        self._prometheus, self._span, self._pool = prometheus, span, pool

    def variables(self, dashboard: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, Value]:
        """Give each variable its value: the chosen one, All where it offers that, else its first option."""
        values: dict[str, Value] = {}
        for variable in definitions.query_variables(dashboard):
            name = variable["name"]
            if name == "model_name" or (name in chosen and not variable["multi"]):
                values[name] = [chosen[name]] if variable["multi"] else chosen[name]
            elif variable["multi"]:
                values[name] = str(variable["allValue"])
            else:
                query = substitute(variable["query"]["query"], values)
                options = sorted(self._prometheus.label_values(query, self._span))
                values[name] = options[0] if options else ""
        return values

    def section(self, name: str, dashboard: Mapping[str, Any], values: Mapping[str, Value]) -> Section:
        """Evaluate all panels, several at a time."""
        panels = list(
            self._pool.map(lambda source: self._panel(source, values), definitions.panels(dashboard))
        )
        hidden = {entry["name"] for entry in definitions.query_variables(dashboard) if entry.get("hide") == 2}
        shown = {
            variable: value
            for variable, value in values.items()
            if isinstance(value, str) and variable not in hidden and value not in {"", ".+", ".*"}
        }
        return Section(name, dashboard["title"].split(" / ")[-1], shown, tuple(panels))

    def _panel(self, source: Mapping[str, Any], values: Mapping[str, Value]) -> Panel:
        return Panel(
            title=substitute_text(source["title"], values),
            description=source.get("description", ""),
            kind=source["type"],
            width=source["gridPos"]["w"],
            height=source["gridPos"]["h"],
            source=source,
            targets=tuple(
                self._target(target, source["type"], values) for target in source.get("targets", [])
            ),
        )

    def _target(self, target: Mapping[str, Any], kind: str, values: Mapping[str, Value]) -> Target:
        step = self._span.step(CELLS) if kind == "heatmap" else self._span.step()
        query = substitute(target["expr"], {**values, **macros(self._span, step)})
        if target.get("instant"):
            found = [
                (series["metric"], [series["value"]])
                for series in self._prometheus.instant(query, self._span.end)
            ]
        else:
            found = [
                (series["metric"], series["values"])
                for series in self._prometheus.ranged(query, self._span, step)
            ]
        shown = substitute_text(target.get("legendFormat", ""), values)
        series = []
        for labels, points in found:
            numbers = tuple((float(at), float(value)) for at, value in points if math.isfinite(float(value)))
            if numbers:
                series.append(Series(labels, legend(shown, labels) or target["refId"], numbers))
        return Target(target["refId"], step, tuple(series))

    def events(self, dashboard: Mapping[str, Any], values: Mapping[str, Value]) -> list[Event]:
        """Return what the dashboard's annotations mark, neighbouring points joined."""
        step = self._span.step()
        found = []
        for annotation in dashboard["annotations"]["list"]:
            if annotation["name"] == ALERTS_BEGAN:
                continue
            query = substitute(annotation["target"]["expr"], {**values, **macros(self._span, step)})
            for series in self._prometheus.ranged(query, self._span, step):
                labels = series["metric"]
                for first, last in _runs([float(at) for at, _ in series["values"]], step):
                    found.append(
                        Event(
                            annotation["name"],
                            legend(annotation["titleFormat"], labels),
                            legend(annotation["textFormat"], labels).strip(),
                            annotation["iconColor"],
                            first,
                            last,
                        )
                    )
        return found


def _runs(times: list[float], step: float) -> list[tuple[float, float]]:
    """Join times that are one step apart into (first, last)."""
    runs: list[tuple[float, float]] = []
    for at in times:
        if runs and at - runs[-1][1] <= 1.5 * step:
            runs[-1] = (runs[-1][0], at)
        else:
            runs.append((at, at))
    return runs
