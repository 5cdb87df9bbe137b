"""The rules of Grafana's dashboard-linter (github.com/grafana/dashboard-linter), with the exclusions below.

The linter is a Go program; these tests keep its rules and their names. Where it passes over panel types that it does
not know, they check every panel. Its two rules on LogQL find nothing here: no dashboard queries Loki.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser as parser
import pytest

from tests.dashboards import labelled, promql
from tests.dashboards.queries import FOLDER, LABEL_VALUES, load, names, panels_of

# The units in rule_panel_units.go that the dashboards may use, a part of its list.
UNITS = {
    "none", "string", "short", "percent", "percentunit", "sci", "bytes", "s", "reqps", "cps", "ops", "dateTimeFromNow",
}  # fmt: skip


# Panels that the two rules on job and instance leave out, all in torchvitals-health. They show Alertmanager and
# Prometheus, which jobs of their own scrape: with $job and $instance, choosing a TorchServe server would empty them.
# Of labels, which come by another job too, what asks is left out, wherever it is shown.
OTHER_JOBS = {
    "Failed notifications",
    "Time to evaluate the rules",
    "Series in Prometheus",
    "From Prometheus to Alertmanager",
    "Deliveries of Alertmanager",
    "Time to deliver",
    "Deliveries by integration",
}
OF_OTHER_JOBS = ("alertmanager_", "prometheus_")


@pytest.fixture(params=names())
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def with_queries(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in panels_of(dashboard):
        if panel["type"] != "text":
            yield panel


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (where, expression) of every target."""
    for panel in with_queries(dashboard):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


def variables(dashboard: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [variable for variable in dashboard["templating"]["list"] if variable["type"] == kind]


def test_exclusions_are_the_ones_above() -> None:
    """A panel is left out because of what it shows, and only where that is all that it shows."""
    assert not list(FOLDER.glob(".lint*"))
    excluded = {
        panel["title"]
        for name in names()
        for panel in with_queries(load(name))
        for target in panel["targets"]
        for selector, _ in promql.selectors(target["expr"])
        if (selector.name or "").startswith(OF_OTHER_JOBS)
    }
    assert excluded == OTHER_JOBS
    for panel in with_queries(load("torchvitals-health")):
        if panel["title"] in OTHER_JOBS:
            shown = [name.name for target in panel["targets"] for name, _ in promql.selectors(target["expr"])]
            assert all(name.startswith(OF_OTHER_JOBS) for name in shown), panel["title"]


def test_template_datasource_rule(dashboard: dict[str, Any]) -> None:
    [datasource] = variables(dashboard, "datasource")
    assert (datasource["name"], datasource["label"]) == ("datasource", "Data source")
    assert datasource["query"] == "prometheus"
    assert dashboard["templating"]["list"][0] is datasource


@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_and_instance_rules(dashboard: dict[str, Any], name: str) -> None:
    [variable] = [entry for entry in variables(dashboard, "query") if entry["name"] == name]
    assert variable["datasource"]["uid"] == "${datasource}"
    assert variable["label"] == name.title()
    assert variable["multi"] is True
    assert variable["allValue"] == ".+"


def test_template_label_promql_rule(dashboard: dict[str, Any]) -> None:
    for variable in variables(dashboard, "query"):
        match = LABEL_VALUES.match(variable["query"]["query"])
        assert match, variable["name"]
        assert match["selector"], variable["name"]
        assert isinstance(promql.parse(match["selector"]), parser.VectorSelector)
        assert variable["definition"] == variable["query"]["query"]


def test_template_on_time_change_reload_rule(dashboard: dict[str, Any]) -> None:
    assert {variable["refresh"] for variable in variables(dashboard, "query")} == {2}


def test_panel_datasource_rule(dashboard: dict[str, Any]) -> None:
    for panel in panels_of(dashboard):
        sources = [panel["datasource"], *(target["datasource"] for target in panel.get("targets", []))]
        assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources), panel[
            "title"
        ]
    assert {entry["datasource"]["uid"] for entry in dashboard["annotations"]["list"]} == {"${datasource}"}


def test_panel_title_description_rule(dashboard: dict[str, Any]) -> None:
    for panel in panels_of(dashboard):
        assert panel["title"].strip()
        assert panel["description"].strip().endswith("."), panel["title"]


def test_panel_units_rule(dashboard: dict[str, Any]) -> None:
    for panel in with_queries(dashboard):
        overridden = [
            entry["value"]
            for override in panel["fieldConfig"]["overrides"]
            for entry in override["properties"]
            if entry["id"] == "unit"
        ]
        for unit in (panel["fieldConfig"]["defaults"]["unit"], *overridden):
            assert unit in UNITS, panel["title"]


def test_panel_no_targets_rule(dashboard: dict[str, Any]) -> None:
    for panel in with_queries(dashboard):
        assert panel["targets"], panel["title"]


def test_target_promql_rule(dashboard: dict[str, Any]) -> None:
    for where, expr in queries(dashboard):
        assert expr, where
        promql.parse(expr)


def test_target_rate_interval_rule(dashboard: dict[str, Any]) -> None:
    for where, expr in queries(dashboard):
        for node, parents in promql.walk(promql.parse(expr)):
            if not isinstance(node, parser.MatrixSelector):
                continue
            assert isinstance(parents[-1], parser.Call), where
            if parents[-1].func.name in {"rate", "irate"}:
                assert node.range == promql.RATE_INTERVAL, where


@pytest.mark.parametrize("label", ["job", "instance"])
def test_target_job_and_instance_rules(dashboard: dict[str, Any], label: str) -> None:
    of_labels = {*labelled.EXPOSED, *labelled.recorded()}
    for where, expr in queries(dashboard):
        if where.rpartition(" ")[0] in OTHER_JOBS:
            continue
        for selector, _ in promql.selectors(expr):
            if selector.name in of_labels:
                continue
            # An alert about all servers of a model names none of them, nor does what is recorded of all; one about its
            # labels has no job either.
            of_all = (selector.name or "").startswith(("ALERTS", "model:fleet_"))
            none = "|" if of_all and (label == "instance" or selector.name.startswith("ALERTS")) else ""
            assert promql.matchers(selector).get(label) == ("=~", f"${label}{none}"), f"{where}: {selector}"


def test_target_counter_agg_rule(dashboard: dict[str, Any]) -> None:
    # The linter looks at names that end with _total; ours also counts with _bucket, _sum and _count.
    for where, expr in queries(dashboard):
        for selector, parents in promql.selectors(expr):
            if (selector.name or "").endswith(("_total", "_bucket", "_sum", "_count")):
                assert isinstance(parents[-1], parser.MatrixSelector), f"{where}: {selector}"
                assert parents[-2].func.name in {"rate", "irate", "increase"}, f"{where}: {selector}"


def test_uneditable_dashboard(dashboard: dict[str, Any]) -> None:
    assert dashboard["editable"] is False
