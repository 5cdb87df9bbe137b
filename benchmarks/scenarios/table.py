"""The tables: a scenario, a kind of baseline and a window a row; printed, and written into the document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from rich.table import Table

from .catalogue import SCENARIOS, Case, Wanted, cases
from .over_time import STORIES, Story
from .peers import TOOLS, Tool

Figures = dict[str, Any]
MEASURES = {"flagged": "flagged", "first": "right column first", "notified": "notified"}
HEADINGS = ("scenario", "baseline", "rows", "flagged", "right column first", "notified")
STORY_HEADINGS = ("scenario", "baseline", "rows", "counted", "believed", "notified")
NOT_AS_WANTED = "not as wanted"
NOTHING = "–"


@dataclass(frozen=True)
class Line:
    """One row as texts; `group` begins a new part of the table."""

    group: str
    cells: tuple[str, ...]


def share(value: Optional[float]) -> str:
    """Return a share as text, without decimals that windows this few do not have.

    >>> share(0.055), share(1.0), share(None)
    ('5.5 %', '100 %', '–')
    """
    if value is None:
        return NOTHING
    return f"{100 * value:.1f} %".replace(".0 %", " %")


def words(wanted: Wanted) -> str:
    """Return what is wanted, as text."""
    sign, limit = ("≥", wanted.at_least) if wanted.at_least is not None else ("≤", wanted.at_most)
    return f"{MEASURES[wanted.measure]} {sign} {share(limit)}"


def missed(case: Case, figures: Figures) -> list[Wanted]:
    """Return what does not hold in a row; what was not measured is not missed."""
    return [
        one
        for one in case.wanted
        if figures.get(one.measure) is not None and not one.holds(figures[one.measure])
    ]


def tools(result: Figures) -> list[Tool]:
    """Return the tools that were asked."""
    return [tool for tool in TOOLS if "cases" in result["peers"].get(tool.key, {})]


def lines(result: Figures) -> Iterator[Line]:
    """Yield the rows of the cases that were measured, in the catalogue's order."""
    for case in cases(SCENARIOS):
        figures = result["cases"].get(case.key)
        if figures is None:
            continue
        right = bool(case.scenario.right)
        cells = [case.scenario.title, case.baseline, f"{case.window:,}", _flagged(figures)]
        cells += [share(figures.get("first")) if right else NOTHING, share(figures.get("notified"))]
        cells += [
            _of_peer(result["peers"][tool.key]["cases"].get(case.key, {}), right) for tool in tools(result)
        ]
        yield Line(case.scenario.group, (*cells, "; ".join(map(words, missed(case, figures)))))


def _flagged(figures: Figures) -> str:
    """Return what is flagged; of several baselines the worst, and the mean in brackets."""
    mean = f" ({share(figures['mean'])})" if "mean" in figures else ""
    return share(figures.get("flagged")) + mean


def _of_peer(figures: Figures, right: bool) -> str:
    """Return what another tool flags, and in brackets how often it names the right column first."""
    if "failed" in figures:
        return "no verdict"
    if not right or figures.get("flagged") is None:
        return _flagged(figures)
    return f"{share(figures['flagged'])} ({share(figures['first'])})"


def story_lines(result: Figures) -> Iterator[Line]:
    """Yield the rows of what takes hours."""
    for story in STORIES:
        figures = result["stories"].get(story.key)
        if figures is None:
            continue
        case = story.case
        cells = (case.scenario.title, case.baseline, f"{case.window:,}", figures["unit"])
        told = _figure(story, figures["notified"]) if "notified" in figures else NOTHING
        failed = "" if story.holds(figures) else _story_words(story)
        yield Line(case.scenario.group, (*cells, _figure(story, figures["believed"]), told, failed))


def _figure(story: Story, value: Optional[float]) -> str:
    if value is None:
        return "never"
    return share(value) if story.unit == "hours" else f"{value:,.0f}"


def _story_words(story: Story) -> str:
    sign, limit = ("≥", story.least) if story.least is not None else ("≤", story.most)
    return f"believed {sign} {_figure(story, limit)}"


def printed(result: Figures) -> list[Table]:
    """Return the tables for a terminal."""
    found = [_table("Windows", [*HEADINGS, *(tool.title for tool in tools(result))], list(lines(result)))]
    stories = list(story_lines(result))
    return [*found, _table("Over time", list(STORY_HEADINGS), stories)] if stories else found


def _table(title: str, headings: list[str], rows: list[Line]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < 2 else "right")
    table.add_column(NOT_AS_WANTED)
    group = ""
    for line in rows:
        if line.group != group:
            group = line.group
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
        table.add_row(*line.cells)
    return table


def markdown(result: Figures) -> str:
    """Return the table of windows as Markdown, a part a group."""
    headings = [*HEADINGS, *(tool.title for tool in tools(result)), NOT_AS_WANTED]
    parts, group = [], ""
    for line in lines(result):
        if line.group != group:
            group = line.group
            parts += [
                "",
                f"### {group}",
                "",
                _row(headings),
                _row(["---", "---", *["---:"] * (len(headings) - 3), "---"]),
            ]
        parts.append(_row(line.cells))
    return "\n".join(parts[1:])


def story_markdown(result: Figures) -> str:
    """Return the table of what takes hours as Markdown."""
    headings = [*STORY_HEADINGS, NOT_AS_WANTED]
    rows = [_row(headings), _row(["---", "---", *["---:"] * (len(headings) - 3), "---"])]
    return "\n".join([*rows, *(_row(line.cells) for line in story_lines(result))])


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"
