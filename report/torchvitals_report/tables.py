"""Joins instant queries into rows, as the dashboards' transformations ask: merge, organize, sort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Union

from .collect import Panel
from .templating import natural
from .units import show

Row = dict[str, Union[str, float, None]]


@dataclass(frozen=True)
class Cell:
    """A value as it is shown, and the colour of the dot before it.

    shade: how dark it is, from 0 to 1; None of what is no cell of a matrix.
    """

    text: str
    colour: str = ""
    is_number: bool = False
    shade: Optional[float] = None


def rows_of(panel: Panel) -> list[Row]:
    """Return a row for each set of labels that the queries share, by the titles of the columns."""
    if is_matrix(panel):
        return _matrix(panel)
    [options] = _transformations(panel, "organize")
    excluded = {name for name, hide in options["excludeByName"].items() if hide}
    fields = sorted(options["indexByName"], key=options["indexByName"].__getitem__)
    titles = {field: options["renameByName"].get(field, field) for field in fields}
    several = len(panel.targets) > 1

    merged: dict[tuple[tuple[str, str], ...], Row] = {}
    for target in panel.targets:
        value_field = f"Value #{target.ref}" if several else "Value"
        for series in target.series:
            row = merged.setdefault(tuple(sorted(series.labels.items())), dict(series.labels))
            row[value_field] = series.last
    complete = _join_on_shared_labels(list(merged.values()))
    # By a field that need not be shown, so before the columns are named.
    order = _transformations(panel, "sortBy")
    for sort in order[0]["sort"] if order else []:
        complete.sort(key=lambda row: str(row.get(sort["field"], "")), reverse=sort["desc"])
    rows = [{titles[field]: row.get(field) for field in fields if field not in excluded} for row in complete]
    return rows if order else _sorted(panel, rows)


def is_matrix(panel: Panel) -> bool:
    """Tell whether a table has a column for each value of a label."""
    return bool(_transformations(panel, "groupingToMatrix"))


def _matrix(panel: Panel) -> list[Row]:
    """Return a row for each value of one label, with a column for each of another, both in natural order."""
    [options] = _transformations(panel, "groupingToMatrix")
    row_field, column_field = options["rowField"], options["columnField"]
    series = [one for target in panel.targets for one in target.series]
    values = {(one.labels.get(row_field, ""), one.labels.get(column_field, "")): one.last for one in series}
    rows, columns = (sorted({key[place] for key in values}, key=natural) for place in (0, 1))
    corner = f"{row_field} \\ {column_field}"
    return [{corner: row, **{column: values.get((row, column)) for column in columns}} for row in rows]


def cells_of(panel: Panel, row: Row, now: float) -> list[Cell]:
    """Show each value of a row in the unit and colour of its column."""
    cells = []
    defaults = panel.source["fieldConfig"]["defaults"]
    for title, value in row.items():
        column = {**defaults, **_column(panel, title)} if is_matrix(panel) else _column(panel, title)
        unit = column.get("unit", defaults["unit"])
        if isinstance(value, float):
            mapped = _mapped(column, f"{value:g}")
            text = mapped[0] if mapped else show(value, unit, column.get("decimals"), now=now)
            colour = mapped[1] if mapped else colour_of(column.get("thresholds"), value)
            cells.append(Cell(text, colour, True, min(max(value, 0.0), 1.0) if is_matrix(panel) else None))
        else:
            mapped = _mapped(column, value or "")
            cells.append(Cell(mapped[0] if mapped else value or "", mapped[1] if mapped else ""))
    return cells


def colour_of(thresholds: Optional[Mapping[str, Any]], value: float) -> str:
    """Return the colour of the highest threshold at or below the value; "" without thresholds."""
    colour = ""
    for step in (thresholds or {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return colour


def _join_on_shared_labels(rows: list[Row]) -> list[Row]:
    """Put a row with few labels into those that have the same and more, as Grafana's merge does.

    The queries of a table of workers differ in their labels: one knows the device, the others the worker alone.
    """
    complete: list[Row] = []
    for row in sorted(rows, key=lambda row: -sum(isinstance(value, str) for value in row.values())):
        labels = {name: value for name, value in row.items() if isinstance(value, str)}
        numbers = {name: value for name, value in row.items() if not isinstance(value, str)}
        fitting = [
            other
            for other in complete
            if all(other.get(name) == value for name, value in labels.items())
            and not any(name in other for name in numbers)
        ]
        for other in fitting:
            other.update(numbers)
        if not fitting:
            complete.append(dict(row))
    return complete


def _sorted(panel: Panel, rows: list[Row]) -> list[Row]:
    """Sort by the panel's columns, the first one most important; ties by the first column."""
    rows = sorted(rows, key=lambda row: str(next(iter(row.values()), "")))
    for order in reversed(panel.source["options"].get("sortBy", [])):
        name, descending = order["displayName"], order.get("desc", False)
        known = [row for row in rows if isinstance(row.get(name), float)]
        unknown = [row for row in rows if not isinstance(row.get(name), float)]
        known.sort(key=lambda row: row[name] or 0.0, reverse=descending)
        rows = known + unknown
    return rows


def _transformations(panel: Panel, name: str) -> list[dict[str, Any]]:
    return [step["options"] for step in panel.source["transformations"] if step["id"] == name]


def _column(panel: Panel, title: str) -> dict[str, Any]:
    """Return what the panel says about one column."""
    for override in panel.source["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == title:
            return {entry["id"]: entry["value"] for entry in override["properties"]}
    return {}


def _mapped(column: Mapping[str, Any], value: str) -> Optional[tuple[str, str]]:
    for mapping in column.get("mappings", []):
        if value in mapping["options"]:
            shown = mapping["options"][value]
            return shown["text"], shown["color"]
    return None
