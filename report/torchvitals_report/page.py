"""The page: one HTML file that needs no network and no script."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from jinja2 import Environment, PackageLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

from torchvitals import __version__

from . import charts, tables
from .charts import Drawing
from .collect import Panel, Report
from .errors import ReportError
from .printable import printable
from .span import moment
from .units import show

# Width of the page in pixels, of one of the 24 columns of the grid without the space beside it, and of both sides'
# padding in a panel.
PAGE_PIXELS = 1400
GAP_PIXELS = 12
PANEL_PADDING_PIXELS = 28
COLUMN_PIXELS = (PAGE_PIXELS - 23 * GAP_PIXELS) / 24
# Height of a row of Grafana's grid, and what a title and a legend take of a panel.
ROW_PIXELS = 38
CAPTION_PIXELS = 74

_markdown = MarkdownIt("commonmark", {"html": False})
_templates = Environment(
    loader=PackageLoader(__package__), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True)
class _View:
    """A panel as the template shows it."""

    panel: Panel
    svg: str = ""
    keys: tuple[charts.Key, ...] = ()
    text: str = ""
    titles: tuple[str, ...] = ()
    rows: list[list[tables.Cell]] = field(default_factory=list)
    value: str = ""
    colour: str = ""
    nothing: str = ""


def html_page(report: Report, sections: Optional[tuple[str, ...]] = None) -> str:
    """Return the page; of the dashboards with these names only, where given."""
    shown = [section for section in report.sections if sections is None or section.name in sections]
    page = _templates.get_template("page.html.j2").render(
        report=report,
        sections=[(section, [_view(report, panel) for panel in section.panels]) for section in shown],
        start=moment(report.span.start),
        end=moment(report.span.end),
        length=show(report.span.seconds, "s"),
        moment=moment,
        show=show,
        version=__version__,
        page_pixels=PAGE_PIXELS,
        gap_pixels=GAP_PIXELS,
    )
    return printable(page)


def write_page(report: Report, path: Path) -> None:
    """Write the page. Raises ReportError where the file cannot be written."""
    try:
        path.write_text(html_page(report), encoding="utf-8")
    except OSError as error:
        raise ReportError(f"--output: '{path}' cannot be written: {error.strerror}") from error


def _view(report: Report, panel: Panel) -> _View:
    if panel.kind == "row":
        return _View(panel)
    if panel.kind == "text":
        # Markdown of our own, without HTML in it.
        return _View(panel, text=Markup(_markdown.render(panel.source["options"]["content"])))  # noqa: S704
    if not panel.series:
        return _View(panel, nothing=panel.source["fieldConfig"]["defaults"].get("noValue") or "no data")
    if panel.kind == "stat":
        return _stat(panel, report.span.end)
    if panel.kind == "table":
        rows = tables.rows_of(panel)
        return _View(
            panel,
            titles=tuple(rows[0]),
            rows=[tables.cells_of(panel, row, report.span.end) for row in rows],
        )
    drawing = _draw(report, panel)
    # Vega writes the SVG, and escapes what it is given.
    return _View(panel, svg=Markup(drawing.svg), keys=drawing.keys)  # noqa: S704


def _draw(report: Report, panel: Panel) -> Drawing:
    width = round(panel.width * COLUMN_PIXELS + (panel.width - 1) * GAP_PIXELS - PANEL_PADDING_PIXELS)
    height = panel.height * ROW_PIXELS - CAPTION_PIXELS
    if panel.kind == "heatmap":
        return charts.heatmap(panel, report.span, width, height)
    if panel.kind == "state-timeline":
        return charts.timeline(panel, report.span, width)
    if panel.kind == "barchart":
        table: list[dict[str, Any]] = [dict(row) for row in tables.rows_of(panel)]
        return charts.bars(panel, table, width, height)
    return charts.timeseries(panel, report.span, report.events, width, height)


def _stat(panel: Panel, now: float) -> _View:
    defaults = panel.source["fieldConfig"]["defaults"]
    [series, *_] = [series for target in panel.targets for series in target.series]
    by_name = panel.source["options"]["textMode"] == "name"
    value = series.name if by_name else show(series.last, defaults["unit"], defaults.get("decimals"), now=now)
    return _View(panel, value=value, colour=tables.colour_of(defaults.get("thresholds"), series.last))
