"""The table: a scenario, a kind of baseline and a window a row."""

from __future__ import annotations

from typing import Any, Optional

from rich.table import Table

from .catalogue import Case, Wanted

Figures = dict[str, Any]
MEASURES = {"flagged": "flagged", "first": "right column first", "notified": "notified"}


def share(value: Optional[float]) -> str:
    """Return a share as text."""
    return "–" if value is None else f"{value:.1%}".replace("%", " %")


def words(wanted: Wanted) -> str:
    """Return what is wanted, as text."""
    if wanted.at_least is not None:
        return f"{MEASURES[wanted.measure]} ≥ {wanted.at_least:.0%}"
    return f"{MEASURES[wanted.measure]} ≤ {wanted.at_most:.1%}".replace(".0%", "%")


def missed(case: Case, figures: Figures) -> list[Wanted]:
    """Return what does not hold in a row; what was not measured is not missed."""
    return [
        one
        for one in case.wanted
        if figures.get(one.measure) is not None and not one.holds(figures[one.measure])
    ]


def printed(found: dict[str, Figures], rows: tuple[Case, ...]) -> Table:
    """Return the table for a terminal."""
    table = Table(title="What the verdict sees", title_justify="left")
    for heading in ("scenario", "baseline"):
        table.add_column(heading)
    for heading in ("rows", "flagged", "right first", "notified"):
        table.add_column(heading, justify="right")
    table.add_column("not as wanted")
    group = ""
    for case in rows:
        if case.scenario.group != group:
            group = case.scenario.group
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
        figures = found[case.key]
        table.add_row(
            case.scenario.title,
            case.baseline,
            f"{case.window:,}",
            share(figures["flagged"]),
            share(figures["first"]) if case.scenario.right else "–",
            share(figures.get("notified")),
            "; ".join(map(words, missed(case, figures))),
        )
    return table
