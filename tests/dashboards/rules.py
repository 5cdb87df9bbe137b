"""Rules on a panel's JSON: each names a fault that a real Grafana shows. A rule yields what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Panel = Mapping[str, Any]
Rule = Callable[[Panel], Iterator[str]]

# What tells the series of one model apart without being read: its features come from inputs or outputs.
NOT_IN_LEGENDS = {"source", "Hostname", "le"}
BY = re.compile(r"\bby \(([^)]*)\)")
TOPK = re.compile(r"\b(?:top|bottom)k *\(")
LABEL = re.compile(r"\{\{ *(\w+) *\}\}")


def _defaults(panel: Panel) -> Mapping[str, Any]:
    found: Mapping[str, Any] = panel.get("fieldConfig", {}).get("defaults", {})
    return found


def _custom(panel: Panel) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _defaults(panel).get("custom", {})
    return found


def a_timeline_is_coloured_by_its_mappings(panel: Panel) -> Iterator[str]:
    """By threshold and with merged values, Grafana draws steps and never looks at the mappings."""
    if panel["type"] == "state-timeline" and _defaults(panel)["color"]["mode"] == "thresholds":
        yield "color.mode is 'thresholds'"


def a_table_has_no_text_for_empty_cells(panel: Panel) -> Iterator[str]:
    """Grafana writes noValue into each empty cell, not only where there is no row."""
    if panel["type"] == "table" and "noValue" in _defaults(panel):
        yield "noValue fills the empty cells of a row"


def an_axis_of_shares_ends(panel: Panel) -> Iterator[str]:
    """Where all shares are 0, Grafana's own choice of an axis reaches 10000 %."""
    if panel["type"] != "timeseries" or _defaults(panel)["unit"] != "percentunit":
        return
    if "max" not in _defaults(panel) and not _custom(panel).get("axisSoftMax"):
        yield "neither max nor axisSoftMax"


def a_log_scale_has_no_zero(panel: Panel) -> Iterator[str]:
    """A logarithmic axis that begins at 0 is not drawn."""
    if _custom(panel).get("scaleDistribution", {}).get("type") != "log":
        return
    if _defaults(panel).get("min") == 0 or "axisSoftMin" in _custom(panel):
        yield "the axis begins at 0"


def a_threshold_flattens_no_latency(panel: Panel) -> Iterator[str]:
    """A limit of 500 ms on a linear axis presses a latency of 1 ms into its foot."""
    limits = [target for target in panel.get("targets", []) if target["refId"] == "T"]
    if panel["type"] != "timeseries" or not any("latency" in target["expr"] for target in limits):
        return
    if _custom(panel).get("scaleDistribution", {}).get("type") != "log":
        yield "a limit on latency on a linear axis"


def no_value_is_grey(panel: Panel) -> Iterator[str]:
    """Without a mapping of null, "No data" takes the colour of the lowest step, which says that all is well."""
    if panel["type"] != "stat":
        return
    matches = {entry["options"].get("match") for entry in _defaults(panel).get("mappings", [])}
    if "null+nan" not in matches:
        yield "no mapping of null"


def a_legend_tells_series_apart(panel: Panel) -> Iterator[str]:
    """Two versions of a worker have lines of their own, and a name each."""
    if panel["type"] not in {"timeseries", "state-timeline"}:
        return
    for target in panel["targets"]:
        by = BY.search(target["expr"])
        shown = set(LABEL.findall(target["legendFormat"]))
        if by and shown:
            missing = {label.strip() for label in by[1].split(",")} - shown - NOT_IN_LEGENDS
            if missing:
                yield f"{target['refId']}: the legend lacks {', '.join(sorted(missing))}"


def a_number_compares_no_clocks(panel: Panel) -> Iterator[str]:
    """The clocks of Prometheus and of a server differ: ask for what changes."""
    if panel["type"] == "stat" and any("time()" in target["expr"] for target in panel["targets"]):
        yield "time() in a number"


def a_ranking_is_one_query(panel: Panel) -> Iterator[str]:
    """Of equal series, each query picks its own: ranks in queries of their own draw one twice and another never."""
    ranking = [target for target in panel.get("targets", []) if TOPK.search(target["expr"])]
    if len(ranking) > 1:
        yield f"{len(ranking)} queries rank"
    for target in ranking:
        if len(TOPK.findall(target["expr"])) > 1:
            yield f"{target['refId']}: one query ranks twice"


def a_ranking_is_the_same_at_each_point(panel: Panel) -> Iterator[str]:
    """Over time, topk picks anew at each point and draws far more than its number of lines."""
    for target in panel.get("targets", []):
        for found in TOPK.finditer(target["expr"]):
            if target.get("range", True) and "@ end()" not in target["expr"][found.end() :]:
                yield f"{target['refId']}: topk of what changes"


def a_bin_is_shown_without_its_number(panel: Panel) -> Iterator[str]:
    """The number at the beginning of "00 ..12.5" is there to sort by, and says nothing to a reader."""
    for target in panel.get("targets", []):
        if "bin" in LABEL.findall(target.get("legendFormat", "")):
            yield f"{target['refId']}: the legend shows the label bin"
    steps = panel.get("transformations", [])
    for step in steps:
        if step["id"] == "organize" and "bin" in step["options"]["renameByName"]:
            yield "a column shows the label bin"
    sorts = [sort["field"] for step in steps if step["id"] == "sortBy" for sort in step["options"]["sort"]]
    if panel["type"] == "barchart" and "bin" in str(steps) and sorts != ["bin"]:
        yield "bins are not sorted by their number"


def what_may_be_empty_says_why(panel: Panel) -> Iterator[str]:
    """ "No data" looks like a fault. What is rightly empty says so in its place, and not only in its description."""
    if panel["type"] in {"table", "stat"} or "empty" not in panel["description"].lower():
        return
    if not _defaults(panel).get("noValue"):
        yield "no noValue"


# A window of 1600 pixels beside Grafana's docked menu of 300, with the page's margins and its scroll bar.
PAGE_PIXELS = 1260
# Between two panels, and the 24 columns of the grid.
GAP_PIXELS, GRID_COLUMNS = 8, 24
# A title's padding, and the sign of its description.
TITLE_CHROME_PIXELS = 16 + 24
TABLE_PADDING_PIXELS, CELL_PADDING_PIXELS, ARROW_PIXELS = 16, 12, 20
# Inter at 14 pixels, on average.
CHARACTER_PIXELS = 7.0
# What Grafana gives a column at least, without a minWidth of the panel.
LEAST_COLUMN_PIXELS = 150
# Names of features and versions in titles.
VARIABLE_CHARACTERS = 16
VARIABLE = re.compile(r"\$\w+")


def _pixels(text: str) -> float:
    return CHARACTER_PIXELS * len(VARIABLE.sub("x" * VARIABLE_CHARACTERS, text))


def _panel_pixels(panel: Panel) -> float:
    return float((PAGE_PIXELS + GAP_PIXELS) / GRID_COLUMNS * panel["gridPos"]["w"] - GAP_PIXELS)


def _columns(panel: Panel) -> dict[str, float]:
    """Return the width of each column of a table, by title, as Grafana computes it; of a matrix they are not known."""
    steps = {step["id"]: step["options"] for step in panel["transformations"]}
    if "groupingToMatrix" in steps:
        return {}
    organize = steps["organize"]
    titles = organize["renameByName"].values()
    fixed = {
        override["matcher"]["options"]: float(entry["value"])
        for override in panel["fieldConfig"]["overrides"]
        for entry in override["properties"]
        if entry["id"] == "custom.width"
    }
    rest = _panel_pixels(panel) - TABLE_PADDING_PIXELS - sum(fixed.values())
    sharing = [title for title in titles if title not in fixed]
    least = _custom(panel).get("minWidth", LEAST_COLUMN_PIXELS)
    return fixed | {title: max(least, rest / len(sharing)) for title in sharing}


def a_title_fits_its_panel(panel: Panel) -> Iterator[str]:
    """Grafana cuts a title that is longer than its panel."""
    room = _panel_pixels(panel) - TITLE_CHROME_PIXELS
    if _pixels(panel["title"]) > room:
        yield f"{_pixels(panel['title']):.0f} pixels of title in {room:.0f}"


def a_header_fits_its_column(panel: Panel) -> Iterator[str]:
    """Grafana cuts a header that is longer than its column."""
    if panel["type"] != "table":
        return
    sorts = {sort["displayName"] for sort in panel["options"].get("sortBy", [])}
    for title, width in _columns(panel).items():
        needed = _pixels(title) + CELL_PADDING_PIXELS + (ARROW_PIXELS if title in sorts else 0)
        if needed > width:
            yield f"{title}: {needed:.0f} pixels of header in {width:.0f}"


def all_columns_fit_the_table(panel: Panel) -> Iterator[str]:
    """What is wider than the panel is beyond its right edge, and only found by scrolling."""
    if panel["type"] != "table":
        return
    room = _panel_pixels(panel) - TABLE_PADDING_PIXELS
    width = sum(_columns(panel).values())
    if width > room + 1:
        yield f"{width:.0f} pixels of columns in {room:.0f}"


RULES: tuple[Rule, ...] = (
    a_timeline_is_coloured_by_its_mappings,
    a_table_has_no_text_for_empty_cells,
    an_axis_of_shares_ends,
    a_log_scale_has_no_zero,
    a_threshold_flattens_no_latency,
    no_value_is_grey,
    a_legend_tells_series_apart,
    a_number_compares_no_clocks,
    a_ranking_is_one_query,
    a_ranking_is_the_same_at_each_point,
    a_bin_is_shown_without_its_number,
    what_may_be_empty_says_why,
    a_title_fits_its_panel,
    a_header_fits_its_column,
    all_columns_fit_the_table,
)
