"""Draws a panel as SVG, with Vega-Lite.

Lines and axes take the colour of the text around them, so that one drawing reads in a light and in a dark page; the
colours of the data are the dashboards' own, which were chosen for both.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vl_convert

from .collect import THRESHOLD_REF, Event, Panel, Series, Target
from .printable import all_printable
from .span import Span
from .units import Scale, scale, show

VEGALITE = "6.4"
# Of the lines of a query that draws many: blue, green, pink, brown and grey, as grafana/build/palette.py has them.
SERIES = ("#3366EE", "#00A060", "#CC77BB", "#995533", "#666666")
INK = "currentColor"
FONT = "system-ui, sans-serif"
# Of labels beside a timeline; longer ones are cut with an ellipsis.
LABEL_PIXELS = 150
ROW_PIXELS = 18
# Width that the label of a moment takes.
TICK_PIXELS = 110
# What a graph leaves free above its largest value.
ROOM = 1.08
# The annotation of the dashboards that marks alerts; the others mark deployments.
ALERTS = "Firing alerts"

CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "padding": {"left": 8, "right": 22, "top": 4, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "title": None,
        "labelColor": INK,
        "labelOpacity": 0.75,
        "labelFontSize": 11,
        "labelPadding": 6,
        "gridColor": INK,
        "gridOpacity": 0.12,
    },
    "legend": {"disable": True},
}
# Drawings stand in one page, where an id may be used once.
_IDS = re.compile(r'(id="|url\(#)((?:clip|gradient)[\w-]*)')
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Key:
    """One entry of a legend: a name, its colour, and the newest value."""

    name: str
    colour: str
    value: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Drawing:
    """An SVG and its legend."""

    svg: str
    keys: tuple[Key, ...] = ()


def timeseries(panel: Panel, span: Span, events: tuple[Event, ...], width: int, height: int) -> Drawing:
    """Draw lines, stacked areas or bars over time, thresholds dashed, and what happened behind them."""
    defaults = panel.source["fieldConfig"]["defaults"]
    custom = defaults.get("custom", {})
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    bars = custom.get("drawStyle") == "bars"
    colours = _colours(panel)
    own = itertools.cycle(SERIES)
    drawn = [(target, series) for target in panel.targets for series in _largest_first(target)]
    largest = max(_top(drawn, is_stack=bars or stacked), custom.get("axisSoftMax", 0.0))
    how = scale(defaults["unit"], largest)

    ends = _ends(panel)
    bands = _bands(panel, ends, how)
    keys, lines, thresholds = [], [], []
    for number, (target, series) in enumerate(drawn):
        if target.ref in ends:
            continue
        colour = colours.get(target.ref) or colours.get(series.name) or next(own)
        is_threshold = target.ref == THRESHOLD_REF
        keys.append(
            Key(
                series.name,
                colour,
                show(series.last, defaults["unit"], defaults.get("decimals")),
                is_threshold,
            )
        )
        rows = _rows(series, target.step, how, f"{number}", filled=not (stacked or bars))
        if is_threshold:
            thresholds.append(_line(rows, colour, dashed=True))
        else:
            lines.append((rows, colour))
    y: dict[str, Any] = {
        "field": "value",
        "type": "quantitative",
        "axis": {"labelExpr": f"format(datum.value, '~g') + '{how.suffix}'", "tickCount": 5},
        "scale": _domain(defaults, how, largest),
    }
    if bars:
        layers = [_bricks(lines, y)]
    elif stacked:
        layers = [_stack(lines, y)]
    else:
        layers = [_line(rows, colour) for rows, colour in lines]
    for layer in (*bands, *layers, *thresholds):
        layer["encoding"].setdefault("y", y)
    spec = {"layer": [*_marks(events), *bands, *layers, *thresholds], "encoding": {"x": _time(span, width)}}
    return Drawing(_svg(spec, width, height), tuple(keys))


def heatmap(panel: Panel, span: Span, width: int, height: int) -> Drawing:
    """Draw the buckets of a histogram over time, each less the one below it; or shares, a row for each series."""
    if not all("le" in series.labels for target in panel.targets for series in target.series):
        return _shares(panel, span, width, height)
    unit = panel.source["options"]["yAxis"]["unit"]
    target = panel.targets[0]
    cells = _cells(target)
    if not cells:
        return Drawing("")
    bounds = sorted({bound for _, bound, _ in cells} | {series_bound(series) for series in target.series})
    found = {bound for _, bound, _ in cells}
    first, last = bounds.index(min(found)), bounds.index(max(found))
    shown = bounds[max(first - 1, 0) : last + 2]
    names = {bound: f"≤ {show(bound, unit)}" if math.isfinite(bound) else "above" for bound in shown}
    largest = max(count for _, _, count in cells)
    spec = _grid(
        panel,
        span,
        width,
        [
            {"t": 1000 * (at - target.step), "u": 1000 * at, "bucket": names[bound], "count": count}
            for at, bound, count in cells
        ],
        rows=[names[bound] for bound in reversed(shown)],
        largest=largest,
    )
    key = Key(
        f"the brightest cell: {show(largest, 'short', 0)} in {show(span.rate_seconds(target.step), 's')}", ""
    )
    return Drawing(_svg(spec, width, height), (key,))


def _shares(panel: Panel, span: Span, width: int, height: int) -> Drawing:
    """Draw a row for each series, the first one at the bottom, in the colours that the panel asks for."""
    [target] = panel.targets
    brightest = panel.source["options"]["color"]["max"]
    cells = [
        {"t": 1000 * (at - target.step), "u": 1000 * at, "bucket": series.name, "count": value}
        for series in target.series
        for at, value in series.points
        if value > 0
    ]
    rows = [series.name for series in reversed(target.series)]
    key = Key(f"bright is {show(brightest, 'percentunit')} and more, dark is 0 %", "")
    return Drawing(
        _svg(_grid(panel, span, width, cells, rows=rows, largest=brightest), width, height), (key,)
    )


def _grid(
    panel: Panel, span: Span, width: int, cells: list[dict[str, Any]], *, rows: list[str], largest: float
) -> dict[str, Any]:
    """Colour the cells of a table of ``rows`` over time, from 0 to ``largest``."""
    return {
        "data": {"values": cells},
        "mark": {"type": "rect", "clip": True},
        "encoding": {
            "x": _time(span, width),
            "x2": {"field": "u"},
            "y": {
                "field": "bucket",
                "type": "ordinal",
                "sort": rows,
                "scale": {"domain": rows},
                "axis": {"grid": True, "labelOverlap": True, "labelLimit": LABEL_PIXELS},
            },
            "color": {
                "field": "count",
                "type": "quantitative",
                "scale": {
                    "scheme": panel.source["options"]["color"]["scheme"].lower(),
                    "type": "sqrt",
                    "domain": [0, largest],
                    "clamp": True,
                },
            },
        },
    }


def timeline(panel: Panel, span: Span, width: int) -> Drawing:
    """Draw a row for each series: its states over time, equal neighbours joined."""
    states = _states(panel.source["fieldConfig"]["defaults"])
    rows = []
    for target in panel.targets:
        for series in target.series:
            for begin, end, value in _intervals(series, target.step):
                text, colour = states.get(f"{value:g}", (f"{value:g}", INK))
                rows.append(
                    {"name": series.name, "t": 1000 * begin, "u": 1000 * end, "state": text, "c": colour}
                )
    names = sorted({str(row["name"]) for row in rows})
    spec = {
        "data": {"values": rows},
        "mark": {"type": "rect", "clip": True},
        "encoding": {
            "x": _time(span, width),
            "x2": {"field": "u"},
            "y": {
                "field": "name",
                "type": "nominal",
                "sort": names,
                "scale": {"paddingInner": 0.25, "paddingOuter": 0.1},
                "axis": {"labelLimit": LABEL_PIXELS},
            },
            "color": {"field": "c", "type": "nominal", "scale": None},
        },
    }
    keys = tuple(Key(text, colour) for text, colour in states.values())
    return Drawing(_svg(spec, width, 30 + ROW_PIXELS * len(names)), keys)


def bars(panel: Panel, table: list[dict[str, Any]], width: int, height: int) -> Drawing:
    """Draw a group of bars for each row of a table: one bar for each column of numbers."""
    category = panel.source["options"]["xField"]
    defaults = panel.source["fieldConfig"]["defaults"]
    colours = {
        override["matcher"]["options"]: _property(override, "color", {}).get("fixedColor", INK)
        for override in panel.source["fieldConfig"]["overrides"]
    }
    values = [
        {"category": str(row[category]), "name": name, "value": row[name]}
        for row in table
        for name in colours
        if isinstance(row.get(name), float)
    ]
    largest = max((entry["value"] for entry in values), default=0.0)
    how = scale(defaults["unit"], largest)
    for entry in values:
        entry["value"] /= how.divisor
    spec = {
        "data": {"values": values},
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "category",
                "type": "nominal",
                # As they come.
                "sort": None,
                "axis": {
                    "labelAngle": -35 if len(table) > 4 else 0,
                    "labelLimit": LABEL_PIXELS,
                    "grid": False,
                },
            },
            "xOffset": {"field": "name", "sort": list(colours)},
            "y": {
                "field": "value",
                "type": "quantitative",
                "axis": {"labelExpr": f"format(datum.value, '~g') + '{how.suffix}'", "tickCount": 5},
                "scale": _domain(defaults, how, largest),
            },
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": list(colours), "range": list(colours.values())},
            },
        },
    }
    return Drawing(_svg(spec, width, height), tuple(Key(name, colour) for name, colour in colours.items()))


def series_bound(series: Series) -> float:
    """Return the upper bound of a bucket."""
    return float(series.labels["le"].replace("+Inf", "inf"))


def _cells(target: Target) -> list[tuple[float, float, float]]:
    """(end of the cell in Unix seconds, upper bound, count) of all buckets that are not empty."""
    buckets = sorted(target.series, key=series_bound)
    below: dict[float, float] = {}
    cells = []
    for series in buckets:
        for at, value in series.points:
            count = value - below.get(at, 0.0)
            below[at] = value
            # Rates of buckets differ in their last digits where nothing happened between them.
            if count > 1e-9 * max(value, 1.0):
                cells.append((at, series_bound(series), count))
    return cells


def _intervals(series: Series, step: float) -> list[tuple[float, float, float]]:
    """(begin, end, value) of equal neighbouring points; each point stands for the step after it."""
    found: list[tuple[float, float, float]] = []
    for at, value in series.points:
        if found and found[-1][2] == value and at - found[-1][1] <= 0.5 * step:
            found[-1] = (found[-1][0], at + step, value)
        else:
            found.append((at, at + step, value))
    return found


def _rows(series: Series, step: float, how: Scale, name: str, *, filled: bool) -> list[dict[str, Any]]:
    """Return the points of a line, and an empty one in each gap, so that it is not drawn across."""
    rows: list[dict[str, Any]] = []
    before = None
    for at, value in series.points:
        if filled and before is not None and at - before > 1.5 * step:
            rows.append({"t": 1000 * (before + step), "value": None, "name": name})
        rows.append({"t": 1000 * at, "u": 1000 * (at + step), "value": value / how.divisor, "name": name})
        before = at
    return rows


def _line(rows: list[dict[str, Any]], colour: str, *, dashed: bool = False) -> dict[str, Any]:
    mark = {"type": "line", "stroke": colour, "strokeWidth": 2, "strokeCap": "round", "clip": True}
    if dashed:
        mark |= {"strokeDash": [7, 6], "strokeWidth": 1.5, "strokeCap": "butt"}
    return {"data": {"values": rows}, "mark": mark, "encoding": {}}


def _stack(lines: list[tuple[list[dict[str, Any]], str]], y: Mapping[str, Any]) -> dict[str, Any]:
    """Stack areas on each other."""
    return {
        "data": {"values": [row for rows, _ in lines for row in rows]},
        "mark": {"type": "area", "opacity": 0.75, "clip": True},
        "encoding": {
            "y": {**y, "stack": "zero"},
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": [rows[0]["name"] for rows, _ in lines], "range": [c for _, c in lines]},
            },
        },
    }


def _bricks(lines: list[tuple[list[dict[str, Any]], str]], y: Mapping[str, Any]) -> dict[str, Any]:
    """Stack bars on each other, each as wide as its step."""
    below: dict[float, float] = {}
    values = []
    for rows, colour in lines:
        for row in rows:
            base = below.get(row["t"], 0.0)
            below[row["t"]] = base + row["value"]
            values.append({**row, "value": base, "top": base + row["value"], "colour": colour})
    return {
        "data": {"values": [entry for entry in values if entry["top"] > entry["value"]]},
        "mark": {"type": "rect", "clip": True, "opacity": 0.85},
        "encoding": {
            "x2": {"field": "u"},
            "y": y,
            "y2": {"field": "top"},
            "color": {"field": "colour", "type": "nominal", "scale": None},
        },
    }


def _marks(events: tuple[Event, ...]) -> list[dict[str, Any]]:
    """Mark what happened behind the lines: a shade while an alert fired, a dotted line at a deployment."""
    colour = {"field": "colour", "type": "nominal", "scale": None}
    shade = {"type": "rect", "opacity": 0.1, "clip": True}
    rule = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5, "clip": True}
    deployed = [{"t": 1000 * event.start, "colour": event.colour} for event in events if event.kind != ALERTS]
    layers: list[dict[str, Any]] = []
    if firing := _firing(events):
        layers.append(
            {
                "data": {"values": firing},
                "mark": shade,
                "encoding": {"color": colour, "x2": {"field": "u"}},
            }
        )
    if deployed:
        layers.append({"data": {"values": deployed}, "mark": rule, "encoding": {"color": colour}})
    return layers


def _firing(events: tuple[Event, ...]) -> list[dict[str, Any]]:
    """Return when any alert fired; times that overlap are one, so that many alerts are not a wall."""
    spans: list[dict[str, Any]] = []
    for event in sorted((event for event in events if event.kind == ALERTS), key=lambda event: event.start):
        if spans and 1000 * event.start <= spans[-1]["u"]:
            spans[-1]["u"] = max(spans[-1]["u"], 1000 * event.end)
        else:
            spans.append({"t": 1000 * event.start, "u": 1000 * event.end, "colour": event.colour})
    return spans


def _time(span: Span, width: int) -> dict[str, Any]:
    shown = "%H:%M:%S" if span.seconds <= 600 else "%H:%M"
    if span.seconds > 86400:
        shown = "%d %b %H:%M"
    return {
        "field": "t",
        "type": "temporal",
        "scale": {"type": "utc", "domain": [1000 * span.start, 1000 * span.end]},
        "axis": {
            "tickCount": max(2, width // TICK_PIXELS),
            "labelOverlap": "greedy",
            "format": shown,
            "labelFlush": False,
        },
    }


def _top(drawn: list[tuple[Target, Series]], *, is_stack: bool) -> float:
    """Return the largest value that is drawn; in a stack, values of one moment add up."""
    if not is_stack:
        return max((abs(value) for _, series in drawn for _, value in series.points), default=0.0)
    sums: dict[float, float] = {}
    for _, series in drawn:
        for at, value in series.points:
            sums[at] = sums.get(at, 0.0) + value
    return max(sums.values(), default=0.0)


def _ends(panel: Panel) -> dict[str, tuple[str, str]]:
    """Return the refs of targets that are ends of bands: their colour, and the name that the band is filled to."""
    return {
        override["matcher"]["options"]: (
            _property(override, "color", {}).get("fixedColor", INK),
            _property(override, "custom.fillBelowTo", ""),
        )
        for override in panel.source["fieldConfig"]["overrides"]
        if _property(override, "custom.lineWidth", None) == 0
    }


def _bands(panel: Panel, ends: Mapping[str, tuple[str, str]], how: Scale) -> list[dict[str, Any]]:
    """Fill between the ends of each band, where both are known."""
    known = {series.name: series for target in panel.targets for series in target.series}
    layers = []
    for target in panel.targets:
        colour, lower = ends.get(target.ref, ("", ""))
        if lower not in known:
            continue
        below = dict(known[lower].points)
        for number, run in enumerate(_unbroken(target, below)):
            rows = [
                {
                    "t": 1000 * at,
                    "value": value / how.divisor,
                    "low": below[at] / how.divisor,
                    "name": f"{number}",
                }
                for at, value in run
            ]
            mark = {"type": "area", "color": colour, "opacity": 0.2, "clip": True, "line": False}
            layers.append({"data": {"values": rows}, "mark": mark, "encoding": {"y2": {"field": "low"}}})
    return layers


def _unbroken(target: Target, below: Mapping[float, float]) -> list[list[tuple[float, float]]]:
    """Return the points of a target that have one below, cut at each gap."""
    runs: list[list[tuple[float, float]]] = []
    for series in target.series:
        before = None
        for at, value in series.points:
            if at not in below:
                continue
            if before is None or at - before > 1.5 * target.step:
                runs.append([])
            runs[-1].append((at, value))
            before = at
    return runs


def _largest_first(target: Target) -> list[Series]:
    return sorted(target.series, key=lambda series: -max(value for _, value in series.points))


def _domain(defaults: Mapping[str, Any], how: Scale, largest: float) -> dict[str, Any]:
    distribution = defaults.get("custom", {}).get("scaleDistribution", {})
    if distribution.get("type") == "log":
        # A logarithm has no 0: the axis begins at the smallest value.
        return {"type": "log", "base": 10, "zero": False}
    domain: dict[str, Any] = {"zero": True}
    if distribution.get("type") == "symlog":
        domain |= {"type": "symlog", "constant": distribution["linearThreshold"] / how.divisor}
    if "min" in defaults:
        domain["domainMin"] = defaults["min"] / how.divisor
    if "max" in defaults:
        domain["domainMax"] = defaults["max"] / how.divisor
    else:
        domain["domainMax"] = ROOM * largest / how.divisor or 1
    return domain


def _colours(panel: Panel) -> dict[str, str]:
    """Return the colour of each target by its ref, and of lines by their name."""
    return {
        override["matcher"]["options"]: _property(override, "color", {}).get("fixedColor", INK)
        for override in panel.source["fieldConfig"]["overrides"]
    }


def _states(defaults: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return text and colour of each value."""
    return {
        value: (shown["text"], shown["color"])
        for mapping in defaults.get("mappings", [])
        for value, shown in mapping["options"].items()
    }


def _property(override: Mapping[str, Any], name: str, default: Any) -> Any:
    return next((entry["value"] for entry in override["properties"] if entry["id"] == name), default)


def _svg(spec: Mapping[str, Any], width: int, height: int) -> str:
    whole = {
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": CONFIG,
        **spec,
    }
    svg: str = vl_convert.vegalite_to_svg(all_printable(whole), vl_version=VEGALITE)
    return _IDS.sub(rf"\g<1>c{next(_numbers)}-\g<2>", svg) if "clip" in svg else svg
