"""The parts of the report that need no server: units, spans, tables, bars of a histogram."""

from __future__ import annotations

from typing import Any

import pytest

from torchvitals_report import ReportError, Span, charts, parse_duration, parse_moment, tables
from torchvitals_report.collect import Event, Panel, Series, Target
from torchvitals_report.printable import printable
from torchvitals_report.templating import legend, natural
from torchvitals_report.units import show


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "shown"),
    [
        (0.00012, "s", None, "120 µs"),
        (0.25, "s", None, "250 ms"),
        (90.0, "s", None, "1.5 min"),
        (0.0, "s", None, "0 s"),
        (-0.004, "s", None, "-4 ms"),
        (0.0575, "percentunit", 1, "5.8 %"),
        (41.0, "percent", None, "41 %"),
        (500_000_000.0, "bytes", None, "477 MiB"),
        (0.0, "bytes", None, "0 B"),
        (1234.0, "none", None, "1,234"),
        (1234.0, "short", None, "1.23 K"),
        (12.0, "reqps", None, "12 /s"),
        (0.000012, "sci", 1, "1.2e-05"),
        (3.14159, "none", 2, "3.14"),
        (0.0004, "none", None, "0.0004"),
    ],
)
def test_units(value: float, unit: str, decimals: int | None, shown: str) -> None:
    assert show(value, unit, decimals) == shown


def test_a_matrix_has_a_column_for_each_class() -> None:
    """In natural order, with an empty cell where nothing is, and each cell as dark as its share."""
    series = [
        Series({"actual": actual, "predicted": predicted}, "", ((0.0, value),))
        for actual, predicted, value in (("c10", "c9", 0.25), ("c10", "c10", 0.75), ("c9", "c9", 1.0))
    ]
    step = {"id": "groupingToMatrix", "options": {"rowField": "actual", "columnField": "predicted"}}
    source = {
        "transformations": [step],
        "fieldConfig": {"defaults": {"unit": "percentunit", "decimals": 1}, "overrides": []},
    }
    panel = Panel("Confusion", "", "table", 12, 8, source, (Target("A", 15, tuple(series)),))
    rows = tables.rows_of(panel)
    assert rows == [
        {"actual \\ predicted": "c9", "c9": 1.0, "c10": None},
        {"actual \\ predicted": "c10", "c9": 0.25, "c10": 0.75},
    ]
    cells = [tables.cells_of(panel, row, 0.0) for row in rows]
    assert [[cell.text for cell in row] for row in cells] == [
        ["c9", "100.0 %", ""],
        ["c10", "25.0 %", "75.0 %"],
    ]
    assert [[cell.shade for cell in row] for row in cells] == [[None, 1.0, None], [None, 0.25, 0.75]]


@pytest.mark.parametrize(
    ("before", "shown"),
    [(0, "now"), (1, "1 second ago"), (45, "45 seconds ago"), (3600, "1 hour ago"), (86400 * 2.2, "2 days ago"),
     (86400 * 400, "1 year ago"), (-7200, "in 2 hours")],
)  # fmt: skip
def test_moments(before: float, shown: str) -> None:
    now = 1_700_000_000.0
    assert show(1000 * (now - before), "dateTimeFromNow", now=now) == shown


def test_durations_and_moments() -> None:
    assert parse_duration("1d12h") == 36 * 3600
    assert parse_duration("90s") == 90
    assert parse_moment("1970-01-02T00:00") == 86400
    assert parse_moment("1970-01-02T00:00:00Z") == 86400
    assert parse_moment("1970-01-02T02:00:00+02:00") == 86400
    for wrong in ("", "1", "h", "1y", "1h ", "-1h"):
        with pytest.raises(ReportError, match="is no duration"):
            parse_duration(wrong)


def test_steps() -> None:
    assert Span(0, 3600, 15).step() == 15
    assert Span(0, 7 * 86400, 15).step() == 2520
    assert Span(0, 3600, 15).step(96) == 38


def test_natural_order() -> None:
    assert sorted(["1.10", "1.9", "1.9-rc2", "v2"], key=natural) == ["1.9", "1.9-rc2", "1.10", "v2"]


def test_legend() -> None:
    assert legend("{{feature}}: {{ reason }}{{nothing}}", {"feature": "a", "reason": "b"}) == "a: b"


def _panel(targets: tuple[Target, ...], **source: Any) -> Panel:
    defaults = {"fieldConfig": {"defaults": {"unit": "none"}, "overrides": []}, "options": {}}
    return Panel("t", "d", "table", 12, 8, {**defaults, **source}, targets)


def _target(ref: str, *series: tuple[dict[str, str], float]) -> Target:
    return Target(ref, 1, tuple(Series(labels, "", ((0.0, float(value)),)) for labels, value in series))


def test_queries_are_joined_on_the_labels_they_share() -> None:
    organize = {
        "excludeByName": {"Time": True, "Value #A": True},
        "indexByName": {"worker": 0, "device": 1, "Value #A": 2, "Value #B": 3},
        "renameByName": {"worker": "Worker", "device": "Device", "Value #B": "Memory"},
    }
    panel = _panel(
        (
            _target("A", ({"worker": "1", "device": "cpu"}, 1), ({"worker": "2", "device": "gpu"}, 1)),
            _target("B", ({"worker": "2"}, 20), ({"worker": "1"}, 10), ({"worker": "3"}, 30)),
        ),
        transformations=[{"id": "organize", "options": organize}],
        options={"sortBy": [{"displayName": "Memory", "desc": True}]},
    )
    assert tables.rows_of(panel) == [
        {"Worker": "3", "Device": None, "Memory": 30.0},
        {"Worker": "2", "Device": "gpu", "Memory": 20.0},
        {"Worker": "1", "Device": "cpu", "Memory": 10.0},
    ]


def test_bars_are_sorted_by_what_is_not_shown() -> None:
    organize = {
        "excludeByName": {"Time": True, "bin": True},
        "indexByName": {"values": 0, "bin": 1, "Value": 2},
        "renameByName": {"values": "Values", "Value": "Live"},
    }
    bins = (("01 9..20", "9..20"), ("missing", "missing"), ("00 ..9", "..9"), ("02 20..", "20.."))
    panel = _panel(
        (_target("A", *(({"bin": number, "values": shown}, 1) for number, shown in bins)),),
        transformations=[
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": "bin", "desc": False}]}},
            {"id": "organize", "options": organize},
        ],
    )
    assert [row["Values"] for row in tables.rows_of(panel)] == ["..9", "9..20", "20..", "missing"]


def test_what_a_category_does_not_have_is_an_empty_cell() -> None:
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {"feature": 0, "Value #A": 1, "Value #B": 2},
        "renameByName": {"feature": "Feature", "Value #A": "PSI", "Value #B": "Wasserstein"},
    }
    panel = _panel(
        (
            _target(
                "A", ({"feature": "origin"}, 0.3), ({"feature": "temp"}, 0.2), ({"feature": "still"}, 0.1)
            ),
            _target("B", ({"feature": "temp"}, 1.5), ({"feature": "still"}, 0)),
        ),
        transformations=[{"id": "organize", "options": organize}],
        options={"sortBy": [{"displayName": "PSI", "desc": True}]},
    )
    rows = tables.rows_of(panel)
    assert [[cell.text for cell in tables.cells_of(panel, row, now=0.0)] for row in rows] == [
        ["origin", "0.3", ""],
        ["temp", "0.2", "1.5"],
        ["still", "0.1", "0"],
    ]


def test_colours_follow_the_thresholds() -> None:
    steps = {"steps": [{"value": None, "color": "green"}, {"value": 1, "color": "red"}]}
    assert [tables.colour_of(steps, value) for value in (-5.0, 0.99, 1.0)] == ["green", "green", "red"]
    assert tables.colour_of(None, 1.0) == ""


def test_buckets_are_told_apart() -> None:
    buckets = Target(
        "A",
        10,
        tuple(
            Series({"le": le}, le, ((100.0, value), (110.0, 2 * value)))
            for le, value in (("+Inf", 7.0), ("0.1", 3.0), ("0.5", 7.0))
        ),
    )
    assert charts._cells(buckets) == [
        (100.0, 0.1, 3.0),
        (110.0, 0.1, 6.0),
        (100.0, 0.5, 4.0),
        (110.0, 0.5, 8.0),
    ]


def test_shares_are_rows_in_their_order() -> None:
    series = tuple(
        Series({"bin": bin_, "values": name}, name, ((10.0, share), (20.0, share)))
        for bin_, name, share in (
            ("00 ..9", "..9", 0.25),
            ("01 9..", "9..", 0.75),
            ("missing", "missing", 0.0),
        )
    )
    options = {"yAxis": {"unit": "string"}, "color": {"scheme": "Cividis", "max": 0.5}}
    panel = _panel((Target("A", 10, series),), options=options)
    drawing = charts.heatmap(panel, Span(0, 20, 10), 400, 200)
    places = [drawing.svg.index(f">{name}</text>") for name in ("missing", "9..", "..9")]
    assert places == sorted(places)
    assert drawing.svg.count('aria-roledescription="rect mark"') == 4
    assert [key.name for key in drawing.keys] == ["bright is 50 % and more, dark is 0 %"]


def test_equal_states_are_joined_and_gaps_are_not() -> None:
    series = Series({}, "a", ((0.0, 0.0), (10.0, 0.0), (20.0, 1.0), (60.0, 1.0)))
    assert charts._intervals(series, 10) == [(0.0, 20.0, 0.0), (20.0, 30.0, 1.0), (60.0, 70.0, 1.0)]


def test_a_line_is_not_drawn_across_a_gap() -> None:
    series = Series({}, "a", ((0.0, 1.0), (10.0, 2.0), (50.0, 3.0)))
    rows = charts._rows(series, 10, charts.scale("none", 3), "0", filled=True)
    assert [(row["t"], row["value"]) for row in rows] == [(0, 1), (10_000, 2), (20_000, None), (50_000, 3)]


def test_lines_of_one_query_have_colours_of_their_own() -> None:
    lines = Target(
        "A", 10, tuple(Series({}, name, ((0.0, value),)) for name, value in (("a", 1.0), ("b", 2.0)))
    )
    limit = Target("T", 10, (Series({}, "limit", ((0.0, 3.0),)),))
    override = {
        "matcher": {"options": "T"},
        "properties": [{"id": "color", "value": {"fixedColor": "#D55E00"}}],
    }
    panel = _panel((lines, limit), fieldConfig={"defaults": {"unit": "none"}, "overrides": [override]})
    keys = charts.timeseries(panel, Span(0, 20, 10), (), 400, 200).keys
    assert [(key.name, key.colour) for key in keys] == [
        ("b", charts.SERIES[0]),
        ("a", charts.SERIES[1]),
        ("limit", "#D55E00"),
    ]


def test_a_band_is_filled_and_is_no_line() -> None:
    def line(ref: str, name: str, value: float) -> Target:
        # Withheld for a while.
        return Target(ref, 10, (Series({}, name, tuple((at, value) for at in (0.0, 10.0, 60.0, 70.0))),))

    def end(ref: str, **more: str) -> dict[str, Any]:
        color = {"id": "color", "value": {"fixedColor": "#3366EE"}}
        width = {"id": "custom.lineWidth", "value": 0}
        filled = [{"id": f"custom.{name}", "value": value} for name, value in more.items()]
        return {"matcher": {"options": ref}, "properties": [color, width, *filled]}

    overrides = [
        {"matcher": {"options": "A"}, "properties": [{"id": "color", "value": {"fixedColor": "#3366EE"}}]},
        end("C"),
        end("D", fillBelowTo="at least"),
    ]
    panel = _panel(
        (line("A", "estimated", 0.9), line("C", "at least", 0.85), line("D", "at most", 0.95)),
        fieldConfig={"defaults": {"unit": "percentunit"}, "overrides": overrides},
    )
    drawing = charts.timeseries(panel, Span(0, 80, 10), (), 400, 200)
    assert [key.name for key in drawing.keys] == ["estimated"]
    assert drawing.svg.count('fill="#3366EE"') == 2
    ends = charts._ends(panel)
    assert ends == {"C": ("#3366EE", ""), "D": ("#3366EE", "at least")}
    rows = [layer["data"]["values"] for layer in charts._bands(panel, ends, charts.scale("none", 1))]
    assert [[(row["t"], row["low"], row["value"]) for row in run] for run in rows] == [
        [(0, 0.85, 0.95), (10_000, 0.85, 0.95)],
        [(60_000, 0.85, 0.95), (70_000, 0.85, 0.95)],
    ]


def test_alerts_at_the_same_time_are_one_shade() -> None:
    def event(kind: str, start: float, end: float) -> Event:
        return Event(kind, "", "", "#123456", start, end)

    events = (
        event("Firing alerts", 0, 10),
        event("New versions", 3, 3),
        event("Firing alerts", 5, 20),
        event("Firing alerts", 30, 40),
    )
    shades = [(row["t"], row["u"]) for row in charts._firing(events)]
    assert shades == [(0, 20_000), (30_000, 40_000)]


NAMES = [*map(chr, range(0x20)), "\ud800", "\u202e", "</script>", "\x85"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_of_any_characters_is_drawn(name: str) -> None:
    series = Series({}, f"a{name}b", ((0.0, 0.0), (10.0, 1.0)))
    mappings = [{"options": {"0": {"text": "no drift", "color": "#00A060"}}}]
    panel = _panel(
        (Target("A", 10, (series,)),), fieldConfig={"defaults": {"mappings": mappings}, "overrides": []}
    )
    svg = charts.timeline(panel, Span(0, 20, 10), 400).svg
    assert svg.startswith("<svg")
    assert "</script>" not in svg
    svg.encode()
    assert printable(svg) == svg
