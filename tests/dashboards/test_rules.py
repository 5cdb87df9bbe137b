"""Every panel keeps the rules in rules.py, and each rule finds the panel that breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dashboards import rules
from tests.dashboards.queries import load, names, panels_of


def _panel(kind: str, *targets: dict[str, str], unit: str = "s", **defaults: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "targets": list(targets),
        "fieldConfig": {"defaults": {"unit": unit, "custom": {}, **defaults}},
    }


def _table(*titles: str, width: int, minimum: int) -> dict[str, Any]:
    panel = _panel("table", custom={"minWidth": minimum})
    organize = {"renameByName": {title: title for title in titles}}
    return {
        **panel,
        "title": "Features",
        "gridPos": {"w": width},
        "fieldConfig": {**panel["fieldConfig"], "overrides": []},
        "transformations": [{"id": "organize", "options": organize}],
        "options": {},
    }


def _target(expr: str, legend: str = "", ref: str = "A") -> dict[str, str]:
    return {"refId": ref, "expr": expr, "legendFormat": legend}


BROKEN: dict[rules.Rule, dict[str, Any]] = {
    rules.a_timeline_is_coloured_by_its_mappings: _panel("state-timeline", color={"mode": "thresholds"}),
    rules.a_table_has_no_text_for_empty_cells: _panel("table", noValue="No alert is firing"),
    rules.an_axis_of_shares_ends: _panel("timeseries", unit="percentunit"),
    rules.a_log_scale_has_no_zero: _panel(
        "timeseries", min=0, custom={"scaleDistribution": {"type": "log", "log": 10}}
    ),
    rules.a_threshold_flattens_no_latency: _panel(
        "timeseries", _target('max(limits{signal="latency_p95_seconds"})', "Threshold", "T")
    ),
    rules.no_value_is_grey: _panel("stat", _target("up"), mappings=[]),
    rules.a_legend_tells_series_apart: _panel(
        "timeseries", _target("max by (model_version, worker) (x)", "{{worker}}")
    ),
    rules.a_ranking_is_one_query: _panel(
        "timeseries",
        _target("x and (topk(1, sort_desc(x @ end())))", "{{model}}", "A"),
        _target(
            "x and (topk(2, sort_desc(x @ end())) unless topk(1, sort_desc(x @ end())))", "{{model}}", "B"
        ),
    ),
    rules.a_bin_is_shown_without_its_number: {
        **_panel("barchart", _target("sum by (bin) (x)")),
        "transformations": [
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": {"bin": "Bin"}}}
        ],
    },
    rules.what_may_be_empty_says_why: {
        **_panel("timeseries"),
        "description": "Empty without a proxy that sets the header.",
    },
    rules.a_title_fits_its_panel: {
        **_panel("stat"),
        "title": "Worst share of drifted features",
        "gridPos": {"w": 4},
    },
    rules.a_header_fits_its_column: _table("Feature", "Wasserstein distance", "PSI", width=8, minimum=80),
    # Grafana's least width of a column.
    rules.all_columns_fit_the_table: _table(*"ABCDEFGHIJ", width=24, minimum=150),
    rules.a_ranking_is_the_same_at_each_point: _panel("timeseries", _target("topk(5, x)", "{{model}}")),
    rules.a_number_compares_no_clocks: _panel("stat", _target("count(time() - x > 120)")),
}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_every_panel_keeps_the_rule(rule: rules.Rule) -> None:
    found = [
        f"{name}: {panel['title']}: {what}"
        for name in names()
        for panel in panels_of(load(name))
        for what in rule(panel)
    ]
    assert found == []


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_rule_finds_what_breaks_it(rule: rules.Rule) -> None:
    assert list(rule(BROKEN[rule])) != []
