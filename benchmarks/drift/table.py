"""The one table: a measure a row, a tool a column; printed, and written into the document."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from rich.table import Table

from .peers import BY_KEY, OURS
from .scenarios import DRIFT_SEEDS, QUIET_WINDOWS

Figures = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One measure. `best` picks the best of the values; values are compared as they are printed."""

    key: str
    title: str
    text: Callable[[Optional[float]], str]
    best: Callable[[list[float]], float]


def _percent(value: Optional[float]) -> str:
    return f"{value:.1%}".replace("%", " %") if value is not None else "–"


def _rows(value: Optional[float]) -> str:
    return f"{value:,.0f}" if value is not None else "over 1,000"


def _milliseconds(value: Optional[float]) -> str:
    return f"{value * 1000:,.1f} ms" if value is not None else "–"


DRIFT_TITLES = {
    "shift": "mean +0.5 σ",
    "scale": "scale ×1.5",
    "missing": "5 % missing",
    "unseen": "5 % an unseen value",
    "correlation": "correlation +0.8 to −0.8",
}

ROWS = (
    Row("quiet_1000", f"False alarms, {QUIET_WINDOWS} windows of 1,000 rows", _percent, min),
    Row("quiet_100", f"False alarms, {QUIET_WINDOWS} windows of 100 rows", _percent, min),
    *(
        row
        for kind, title in DRIFT_TITLES.items()
        for row in (
            Row(f"detected_{kind}", f"Detected, {title}, {DRIFT_SEEDS} windows", _percent, max),
            Row(f"first_{kind}", "– right column named first", _percent, max),
            Row(f"only_{kind}", "– right column named alone", _percent, max),
            Row(f"rows_{kind}", "– rows until detection (median)", _rows, min),
        )
    ),
    Row("flights_february", "Flights flagged, 15 to 28 February (should be few)", _percent, min),
    Row("flights_march", "Flights flagged, March (should be few)", _percent, min),
    Row("flights_july", "Flights flagged, July (should be all)", _percent, max),
    Row("cpu_10", "CPU time a window, 10 columns", _milliseconds, min),
    Row("cpu_100", "CPU time a window, 100 columns", _milliseconds, min),
)


def cell(row: Row, tool: Figures, ours: Figures) -> str:
    """Return the text of one cell; CPU times come with their ratio to TorchVitals."""
    text = row.text(tool[row.key])
    if row.key.startswith("cpu_"):
        ratio = tool[row.key] / ours[row.key]
        text += f" (×{ratio:,.1f})" if ratio < 100 else f" (×{ratio:,.0f})"
    return text


def best(row: Row, tools: dict[str, Figures]) -> set[str]:
    """Return the tools that are first or tied for first, as the values are printed."""
    texts = {key: row.text(tool[row.key]) for key, tool in tools.items()}
    # None (not within a window) is worse than every number, and rows are better when fewer.
    values = {key: math.inf if tool[row.key] is None else tool[row.key] for key, tool in tools.items()}
    winner = row.best(list(values.values()))
    winning = {texts[key] for key, value in values.items() if value == winner}
    return {key for key, text in texts.items() if text in winning}


def behind(result: dict[str, Any]) -> list[Row]:
    """Return the measures in which TorchVitals is not first."""
    tools = result["tools"]
    return [row for row in ROWS if OURS not in best(row, tools)]


def headings(result: dict[str, Any]) -> list[str]:
    """Return the tools' titles with versions, in the order of the columns."""
    return [f"{BY_KEY[key].title} {result['versions'][key]}" for key in result["tools"]]


def printed(result: dict[str, Any]) -> Table:
    """Return the table for a terminal; the best of each row is bold."""
    table = Table(title="Drift detectors on the same data and windows", title_justify="left")
    table.add_column("")
    for heading in headings(result):
        table.add_column(heading, justify="right")
    tools = result["tools"]
    for row in ROWS:
        winners = best(row, tools)
        cells = {key: cell(row, tool, tools[OURS]) for key, tool in tools.items()}
        table.add_row(row.title, *(f"[bold]{t}[/bold]" if key in winners else t for key, t in cells.items()))
    for key, reason in result["missing"].items():
        table.add_row(BY_KEY[key].title, f"not installed: {reason}")
    return table


def markdown(result: dict[str, Any]) -> str:
    """Return the table as Markdown; the best of each row is bold."""
    tools = result["tools"]
    lines = ["| | " + " | ".join(headings(result)) + " |", "|---|" + "---:|" * len(tools)]
    for row in ROWS:
        winners = best(row, tools)
        cells = {key: cell(row, tool, tools[OURS]) for key, tool in tools.items()}
        texts = (f"**{text}**" if key in winners else text for key, text in cells.items())
        lines.append(f"| {row.title} | " + " | ".join(texts) + " |")
    return "\n".join(lines)
