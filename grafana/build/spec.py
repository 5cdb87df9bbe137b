"""What a dashboard is made of, as data. ``render.py`` turns it into JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GRID_WIDTH = 24

# The target that draws a threshold. Its line is dashed and does not count as one of the five.
THRESHOLD_REF = "T"

# `version` puts 1.10 after 1.9, `newest` before it.
Order = Literal["text", "number", "version", "newest"]
Scale = Literal["linear", "log", "symlog"]


@dataclass(frozen=True)
class Target:
    """One query. ``legend`` is a Grafana legend format; ``ref`` is unique in the panel.

    ``many`` draws a line for each series, at most five in a graph, in the colours of Grafana's palette. ``names`` are
    those of the lines that a query draws where they are known: each has a colour of its own.

    An ``edge_of`` another target is no line but an end of the band around it; the upper one says in ``filled_to`` how
    the lower one is called, and the band between them is filled.
    """

    expr: str
    legend: str = ""
    ref: str = "A"
    many: bool = False
    names: tuple[str, ...] = ()
    edge_of: str = ""
    filled_to: str = ""


@dataclass(frozen=True)
class Step:
    """From ``value`` upwards the panel takes ``colour``; None is the base."""

    value: float | None
    colour: str


@dataclass(frozen=True)
class Column:
    """A table column: the field that the query made, and how it is shown.

    ``texts`` maps a value to the text and colour of its cell; ``link`` is the address behind the cell. Without a
    ``width``, layout.py finds one where it is needed.
    """

    field: str
    title: str
    unit: str = "string"
    decimals: int | None = None
    texts: tuple[tuple[str, str, str], ...] = ()
    steps: tuple[Step, ...] = ()
    link: str = ""
    width: int | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel; the subclasses name the kinds. ``width`` is in grid columns of 24, ``height`` in grid rows."""

    title: str
    description: str
    targets: tuple[Target, ...] = ()
    unit: str = "none"
    width: int = 12
    height: int = 8
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    no_value: str = ""


@dataclass(frozen=True)
class Text(Panel):
    """The question that the dashboard answers, as Markdown."""

    content: str = ""
    width: int = GRID_WIDTH
    height: int = 4


@dataclass(frozen=True)
class Stat(Panel):
    """One number, coloured by ``steps``. ``show_name`` shows the name of the series instead of its value."""

    steps: tuple[Step, ...] = ()
    show_name: bool = False
    width: int = 4
    height: int = 4


@dataclass(frozen=True)
class Graph(Panel):
    """Lines over time, one target a line unless it draws many; ``bars`` and ``stacked`` change how they are drawn.

    A ``log`` scale is for what is never 0, such as a latency beside a far larger threshold; it takes no ``minimum``.
    """

    bars: bool = False
    stacked: bool = False
    scale: Scale = "linear"


@dataclass(frozen=True)
class Heatmap(Panel):
    """The buckets of a histogram over time, or ``shares``: a row for each series, in colours from 0 to 50 %."""

    shares: bool = False


@dataclass(frozen=True)
class Timeline(Panel):
    """A state per row over time; ``texts`` maps each value to a text and a colour."""

    texts: tuple[tuple[str, str, str], ...] = ()
    width: int = GRID_WIDTH


@dataclass(frozen=True)
class Table(Panel):
    """Instant queries, one column each, joined on the labels that they share.

    ``sort_by`` names the columns to sort by, largest first.
    """

    columns: tuple[Column, ...] = ()
    sort_by: tuple[str, ...] = ()
    width: int = GRID_WIDTH


@dataclass(frozen=True)
class Matrix(Panel):
    """One instant query of two labels: a row for each value of ``rows``, a column for each of ``columns``.

    Cells are shares, from 0 to 1, and the darker the larger.
    """

    rows: str = ""
    columns: str = ""


@dataclass(frozen=True)
class Bars(Panel):
    """Instant queries side by side, one group of bars for each value of the column ``category``.

    ``order`` is the field that the groups are sorted by, which need not be shown.
    """

    category: str = ""
    order: str = ""
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Row:
    """A titled group of panels, laid out left to right. A ``collapsed`` one queries nothing until it is opened."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True)
class Variable:
    """A query variable. ``multi`` also offers All, as the pattern ``all_value``: ``.*`` where the label may be absent.

    The first option is taken where none is chosen; ``order`` decides which that is. A ``hidden`` one narrows nothing on
    its dashboard: it keeps the choice for the dashboards that the links lead to.
    """

    name: str
    label: str
    description: str
    query: str
    multi: bool
    all_value: str = ".+"
    order: Order = "text"
    hidden: bool = False


@dataclass(frozen=True)
class Annotation:
    """Marks across all graphs, one for each series that ``expr`` has; ``title`` and ``text`` are legend formats."""

    name: str
    expr: str
    colour: str
    title: str
    text: str
    tags: str
    enabled: bool = True


@dataclass(frozen=True)
class Dashboard:
    """A whole dashboard."""

    uid: str
    title: str
    description: str
    question: Text
    annotations: tuple[Annotation, ...]
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    time_from: str = "now-1h"
