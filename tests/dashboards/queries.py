"""Evaluates every query of a dashboard against a real Prometheus, as Grafana would send it.

    results = evaluate(dashboard, "http://127.0.0.1:9090", range_seconds=300)
    empty = [panel.title for panel in results.panels if panel.series == 0]

Variables take the value that Grafana gives them on first load: All where a variable offers it, else the first option.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchvitals_report import Prometheus, QueryError, Span
from torchvitals_report.templating import LABEL_VALUES, VARIABLE, Value, macros, natural, substitute

__all__ = [
    "FOLDER",
    "LABEL_VALUES",
    "VARIABLE",
    "QueryError",
    "evaluate",
    "load",
    "names",
    "panels_of",
    "substitute",
]

FOLDER = Path(__file__).resolve().parents[2] / "grafana" / "dashboards"
# Grafana asks for about as many points as a panel has pixels.
POINTS = 1000


@dataclass(frozen=True)
class TargetResult:
    """What one query returned: each series with its last value and the times of its points.

    ``seconds`` is the slower of its instant and its range evaluation.
    """

    ref_id: str
    expr: str
    labels: tuple[dict[str, str], ...]
    values: tuple[float, ...]
    times: tuple[tuple[float, ...], ...]
    seconds: float

    @property
    def series(self) -> int:
        """Number of series that have a value other than NaN."""
        return len(self.labels)


@dataclass(frozen=True)
class PanelResult:
    """What the queries of one panel returned."""

    dashboard: str
    panel_id: int
    title: str
    type: str
    targets: tuple[TargetResult, ...]

    @property
    def series(self) -> int:
        """Series over all targets of the panel; the threshold line, target T, is not data."""
        return sum(target.series for target in self.targets if target.ref_id != "T")

    @property
    def seconds(self) -> float:
        """Duration of the slowest query."""
        return max((target.seconds for target in self.targets), default=0.0)

    def target(self, ref_id: str) -> TargetResult:
        """Return the result of the target with this refId."""
        return next(target for target in self.targets if target.ref_id == ref_id)


@dataclass(frozen=True)
class VariableResult:
    """The options that the query of a variable gave, and the value that was taken."""

    name: str
    options: tuple[str, ...]
    value: Value
    seconds: float


@dataclass(frozen=True)
class DashboardResult:
    """All panels that have queries, all query variables, and the annotations by name."""

    title: str
    panels: tuple[PanelResult, ...]
    variables: tuple[VariableResult, ...]
    annotations: Mapping[str, TargetResult]

    def panel(self, title: str) -> PanelResult:
        """Return the panel with this title."""
        return next(panel for panel in self.panels if panel.title == title)

    def empty(self) -> list[str]:
        """Titles of the panels in which no query returned a series."""
        return [panel.title for panel in self.panels if panel.series == 0]


def load(name: str) -> dict[str, Any]:
    """Read a committed dashboard, by the name of its file without ``.json``."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def names() -> list[str]:
    """Names of the committed dashboards."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def panels_of(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all panels, those inside rows too, without the rows."""
    found: list[dict[str, Any]] = []
    for panel in dashboard["panels"]:
        found += panel.get("panels", []) if panel["type"] == "row" else [panel]
    return found


def evaluate(
    dashboard: Mapping[str, Any],
    prometheus_url: str,
    *,
    range_seconds: float = 300,
    scrape_interval_seconds: float = 15,
    variables: Mapping[str, Value] | None = None,
    at: float | None = None,
    titles: Collection[str] | None = None,
) -> DashboardResult:
    """Evaluate all queries over the last ``range_seconds`` before ``at`` (Unix seconds; now by default).

    ``titles``: of the panels alone that are called so. ``variables`` overrides what a variable takes.

    Raises QueryError when Prometheus refuses a query or a variable is unknown.
    """
    end = time.time() if at is None else at
    span = Span(end - range_seconds, end, scrape_interval_seconds)
    with Prometheus(prometheus_url) as client:
        prometheus = _Queries(client, span)
        taken: dict[str, Value] = {}
        resolved = []
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            result = prometheus.variable(variable, taken, (variables or {}).get(variable["name"]))
            taken[result.name] = result.value
            resolved.append(result)
        panels = tuple(
            PanelResult(
                dashboard=dashboard["title"],
                panel_id=panel["id"],
                title=panel["title"],
                type=panel["type"],
                targets=tuple(prometheus.target(target, taken) for target in panel["targets"]),
            )
            for panel in panels_of(dashboard)
            if panel.get("targets") and (titles is None or panel["title"] in titles)
        )
        annotations = {
            annotation["name"]: prometheus.target(annotation["target"], taken)
            for annotation in dashboard["annotations"]["list"]
        }
        if client.warnings:
            raise QueryError(f"Prometheus warned: {client.warnings}")
    return DashboardResult(dashboard["title"], panels, tuple(resolved), annotations)


def slow(evaluated: Callable[[], DashboardResult], *, limit_seconds: float, tries: int = 10) -> set[str]:
    """Return the panels and variables that take as long as the limit in each of so many evaluations.

    On a busy machine any query takes long now and then.
    """
    found: set[str] | None = None
    for _ in range(tries):
        result = evaluated()
        now = {panel.title for panel in result.panels if panel.seconds >= limit_seconds}
        now |= {variable.name for variable in result.variables if variable.seconds >= limit_seconds}
        found = now if found is None else found & now
        if not found:
            break
    return found or set()


class _Queries:
    """Evaluates over one time range, as Grafana would, and takes the time."""

    def __init__(self, client: Prometheus, span: Span) -> None:
        self._client, self._span = client, span
        self._step = span.step(POINTS)
        self._macros = macros(span, self._step)

    def variable(
        self, variable: Mapping[str, Any], taken: Mapping[str, Value], override: Value | None
    ) -> VariableResult:
        begin = time.perf_counter()
        query = substitute(variable["query"]["query"], {**taken, **self._macros})
        found = self._client.label_values(query, self._span)
        seconds = time.perf_counter() - begin
        descending = variable["sort"] == 8
        options = tuple(sorted(found, key=float if variable["sort"] == 3 else natural, reverse=descending))
        if override is not None:
            value = override
        elif variable["includeAll"]:
            value = str(variable["allValue"])
        else:
            value = options[0] if options else ""
        return VariableResult(variable["name"], options, value, seconds)

    def target(self, target: Mapping[str, Any], taken: Mapping[str, Value]) -> TargetResult:
        """Evaluate a query both ways; the labels and last values come from the way that the panel asks for."""
        expr = substitute(target["expr"], {**taken, **self._macros})
        begin = time.perf_counter()
        instant = self._client.instant(expr, self._span.end)
        middle = time.perf_counter()
        ranged = self._client.ranged(expr, self._span, self._step)
        seconds = max(middle - begin, time.perf_counter() - middle)
        if target.get("instant"):
            found = [(series["metric"], [series["value"]]) for series in instant]
        else:
            found = [(series["metric"], series["values"]) for series in ranged]
        numbers = [
            (metric, [(float(at), float(value)) for at, value in points if value != "NaN"])
            for metric, points in found
        ]
        shown = [(metric, points) for metric, points in numbers if points]
        return TargetResult(
            ref_id=target["refId"],
            expr=expr,
            labels=tuple(metric for metric, _ in shown),
            values=tuple(points[-1][1] for _, points in shown),
            times=tuple(tuple(at for at, _ in points) for _, points in shown),
            seconds=seconds,
        )
