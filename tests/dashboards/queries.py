"""Evaluates every query of a dashboard against a real Prometheus, as Grafana would send it.

    results = evaluate(dashboard, "http://127.0.0.1:9090", range_seconds=300)
    empty = [panel.title for panel in results.panels if panel.series == 0]

Variables take the value that Grafana gives them on first load: All where a variable offers it, else the first option.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

FOLDER = Path(__file__).resolve().parents[2] / "grafana" / "dashboards"

# $name, ${name}, ${name:format} and [[name]], as in Grafana's template service.
VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>\w+)|\[\[(?P<square>\w+)\]\]")
LABEL_VALUES = re.compile(r"^label_values\((?:(?P<selector>.+), *)?(?P<label>\w+)\)$", re.DOTALL)

Value = str | list[str]


class QueryError(Exception):
    """Prometheus refused a query, or a query names a variable that does not exist."""


@dataclass(frozen=True)
class TargetResult:
    """What one query returned. ``seconds`` is the slower of its instant and its range evaluation."""

    ref_id: str
    expr: str
    labels: tuple[dict[str, str], ...]
    values: tuple[float, ...]
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
    """All panels that have queries, all query variables, and the query of the annotations."""

    title: str
    panels: tuple[PanelResult, ...]
    variables: tuple[VariableResult, ...]
    annotations: tuple[TargetResult, ...]

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
) -> DashboardResult:
    """Evaluate all queries over the last ``range_seconds`` before ``at`` (Unix seconds; now by default).

    ``variables`` overrides what a variable takes. Raises QueryError when Prometheus refuses a query or a variable is
    unknown.
    """
    end = time.time() if at is None else at
    with httpx.Client(base_url=prometheus_url, timeout=30) as client:
        prometheus = _Prometheus(client, end - range_seconds, end, scrape_interval_seconds)
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
            if panel.get("targets")
        )
        annotations = tuple(
            prometheus.target(annotation["target"], taken) for annotation in dashboard["annotations"]["list"]
        )
    return DashboardResult(dashboard["title"], panels, tuple(resolved), annotations)


def substitute(text: str, values: Mapping[str, Value]) -> str:
    """Replace variables and macros as Grafana's Prometheus data source does; raise QueryError for an unknown one."""

    def replacement(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"] or match["square"]
        if name not in values:
            raise QueryError(f"query names the variable '{name}', which does not exist: {text}")
        value = values[name]
        if isinstance(value, list):
            escaped = [_escape_pattern(option) for option in value]
            return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
        return re.escape(value) if match["format"] == "regex" else value

    return VARIABLE.sub(replacement, text)


def macros(range_seconds: float, step_seconds: float, scrape_interval_seconds: float) -> dict[str, Value]:
    """Return the values of Grafana's time macros (public/…/prometheus: $__rate_interval is at least four scrapes)."""
    rate = max(step_seconds + scrape_interval_seconds, 4 * scrape_interval_seconds)
    return {
        "__interval": _duration(step_seconds),
        "__interval_ms": str(round(step_seconds * 1000)),
        "__rate_interval": _duration(rate),
        "__range": _duration(range_seconds),
        "__range_s": str(round(range_seconds)),
        "__range_ms": str(round(range_seconds * 1000)),
    }


class _Prometheus:
    """Queries one Prometheus over one time range."""

    def __init__(
        self, client: httpx.Client, start: float, end: float, scrape_interval_seconds: float
    ) -> None:
        self._client = client
        self._start, self._end = start, end
        # Grafana asks for about as many points as a panel has pixels, and never finer than the scrape interval.
        self._step = max(scrape_interval_seconds, math.ceil((end - start) / 1000))
        self._macros = macros(end - start, self._step, scrape_interval_seconds)

    def variable(
        self, variable: Mapping[str, Any], taken: Mapping[str, Value], override: Value | None
    ) -> VariableResult:
        query = substitute(variable["query"]["query"], {**taken, **self._macros})
        match = LABEL_VALUES.match(query)
        if match is None:
            raise QueryError(f"variable '{variable['name']}' is no label_values query: {query}")
        params: dict[str, Any] = {"start": self._start, "end": self._end}
        if match["selector"]:
            params["match[]"] = match["selector"]
        found, seconds = self._get(f"/api/v1/label/{match['label']}/values", params, query)
        key = float if variable["sort"] == 3 else str
        options = tuple(sorted(found, key=key))
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
        instant, instant_seconds = self._get("/api/v1/query", {"query": expr, "time": self._end}, expr)
        ranged, range_seconds = self._get(
            "/api/v1/query_range",
            {"query": expr, "start": self._start, "end": self._end, "step": self._step},
            expr,
        )
        if target.get("instant"):
            found = [(series["metric"], series["value"]) for series in _series(instant)]
        else:
            found = [
                (series["metric"], points[-1])
                for series in ranged["result"]
                if (points := [point for point in series["values"] if point[1] != "NaN"])
            ]
        found = [(metric, point) for metric, point in found if point[1] != "NaN"]
        return TargetResult(
            ref_id=target["refId"],
            expr=expr,
            labels=tuple(metric for metric, _ in found),
            values=tuple(float(point[1]) for _, point in found),
            seconds=max(instant_seconds, range_seconds),
        )

    def _get(self, path: str, params: Mapping[str, Any], query: str) -> tuple[Any, float]:
        begin = time.perf_counter()
        response = self._client.get(path, params=params)
        seconds = time.perf_counter() - begin
        body = response.json()
        if body["status"] != "success":
            raise QueryError(f"Prometheus refused the query: {body.get('error')}: {query}")
        if body.get("warnings"):
            raise QueryError(f"Prometheus warned about the query: {body['warnings']}: {query}")
        return body["data"], seconds


def _series(instant: Mapping[str, Any]) -> list[dict[str, Any]]:
    if instant["resultType"] == "scalar":
        return [{"metric": {}, "value": instant["result"]}]
    result: list[dict[str, Any]] = instant["result"]
    return result


def _escape_pattern(value: str) -> str:
    r"""Escape for a regular expression in a PromQL string: each backslash twice, as Grafana does."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", "\\\\\\\\"))


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
