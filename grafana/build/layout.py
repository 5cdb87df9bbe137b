"""How wide panels, headers and cells are in pixels, so that none is cut.

What counts is a window of 1600 pixels beside Grafana's docked menu. Widths of texts are those of Grafana's font, Inter
at 14 pixels, on average and a little more.
"""

from __future__ import annotations

from grafana.build.spec import GRID_WIDTH, Table

PAGE_PIXELS = 1260
GAP_PIXELS = 8
PANEL_PADDING_PIXELS = 16

CHARACTER_PIXELS = 7.5
CELL_PADDING_PIXELS = 12
# The arrow beside the header that a table is sorted by.
ARROW_PIXELS = 20
# A column without a width shares the rest with others of its kind, and is at least so wide: 150 unless a panel says so.
LEAST_PIXELS = 80

# What a cell of a unit shows at its longest.
LONGEST = {"dateTimeFromNow": "a few seconds ago", "reqps": "1234.5 req/s", "bytes": "1023.5 MiB"}
LONGEST_NUMBER = "12.34 ms"


def table_pixels(width: int) -> float:
    """Return the room for the columns of a table, of a panel so many grid columns wide."""
    return (PAGE_PIXELS + GAP_PIXELS) / GRID_WIDTH * width - GAP_PIXELS - PANEL_PADDING_PIXELS


def column_widths(source: Table) -> dict[str, int]:
    """Return the width of each column that needs one, by title; none where an even share is enough for each.

    Labels have no width: they share what the numbers leave.
    """
    shown = [column for column in source.columns if not column.hidden]
    needs = {}
    for column in shown:
        arrow = ARROW_PIXELS if column.title in source.sort_by else 0
        header = CHARACTER_PIXELS * len(column.title) + arrow
        is_label = column.unit == "string" and not column.texts
        longest = "" if is_label else LONGEST.get(column.unit, LONGEST_NUMBER)
        content = CHARACTER_PIXELS * len(longest)
        needs[column.title] = column.width or round(max(header, content) + CELL_PADDING_PIXELS)
    if max(needs.values()) <= table_pixels(source.width) / len(shown):
        return {}
    return {
        column.title: needs[column.title]
        for column in shown
        if column.width or column.unit != "string" or column.texts
    }
