"""What Grafana needs to load a dashboard, and what our own rules ask of it."""

from __future__ import annotations

import copy
import itertools
import json
import re
import warnings
from pathlib import Path
from typing import Any

import promql_parser as parser
import pytest
import yaml

from grafana.build import DASHBOARDS, palette, spec
from tests.dashboards import labelled, promql
from tests.dashboards.queries import VARIABLE, load, names, panels_of
from torchvitals.telemetry import catalogue as metrics

ROOT = Path(__file__).resolve().parents[2]

# Grafana's own variables, in queries and in links.
BUILT_IN = {"__rate_interval", "__range", "__interval", "__url_time_range"}
# TorchServe's own metrics and Prometheus' series that the dashboards read, with the labels that they carry.
FOREIGN = {
    "up": set(),
    "ALERTS": {"alertstate", "alertname", "severity", "model_name", "model_version", "kind", "class"},
    "ALERTS_FOR_STATE": {"alertname", "severity", "model_name", "model_version", "kind", "class"},
    "ts_inference_requests_total": {"model_name", "model_version"},
    "ts_inference_latency_microseconds": {"model_name", "model_version"},
    "ts_queue_latency_microseconds": {"model_name", "model_version"},
    "Requests2XX": {"Level", "Hostname"},
    "Requests4XX": {"Level", "Hostname"},
    "Requests5XX": {"Level", "Hostname"},
    "CPUUtilization": {"Level", "Hostname"},
    "MemoryUtilization": {"Level", "Hostname"},
    "DiskUtilization": {"Level", "Hostname"},
    "GPUUtilization": {"Level", "Hostname", "DeviceId"},
    "WorkerLoadTime": {"WorkerName", "Level", "Hostname"},
    "scrape_samples_scraped": set(),
    "scrape_duration_seconds": set(),
    "prometheus_rule_group_last_duration_seconds": {"rule_group"},
    "prometheus_tsdb_head_series": set(),
    "prometheus_notifications_sent_total": {"alertmanager"},
    "prometheus_notifications_errors_total": {"alertmanager"},
    "prometheus_notifications_dropped_total": set(),
    "alertmanager_notifications_total": {"integration"},
    "alertmanager_notifications_failed_total": {"integration"},
    "alertmanager_notification_latency_seconds_sum": {"integration"},
    "alertmanager_notification_latency_seconds_count": {"integration"},
}
UIDS = [
    "torchvitals-overview",
    "torchvitals-model",
    "torchvitals-drift",
    "torchvitals-quality",
    "torchvitals-versions",
    "torchvitals-health",
]
HIDDEN = 2
# Graphs of an estimate in the band of its interval.
WITH_BANDS = {"Estimated accuracy", "Truth beside the estimate"}
# What keeps clusters and environments apart, where Prometheus adds it.
PLACE = ("cluster", "namespace", "env")
MOST_QUERIES = {
    "torchvitals-overview": 33,
    "torchvitals-model": 72,
    "torchvitals-drift": 61,
    "torchvitals-quality": 43,
    "torchvitals-versions": 67,
    "torchvitals-health": 37,
}
TRANSFORMATIONS = {
    "merge": set(),
    "organize": {"excludeByName", "includeByName", "indexByName", "renameByName"},
    "sortBy": {"fields", "sort"},
    "groupingToMatrix": {"rowField", "columnField", "valueField"},
}


@pytest.fixture(params=names())
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def recording_rules() -> dict[str, str]:
    groups = yaml.safe_load((ROOT / "prometheus" / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def all_selectors(dashboard: dict[str, Any]) -> list[tuple[str, Any, tuple[Any, ...]]]:
    found = []
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            where = f"{panel['title']} {target['refId']}"
            found += [(where, selector, parents) for selector, parents in promql.selectors(target["expr"])]
    return found


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for entry in value.values() for text in strings(entry)]
    if isinstance(value, list):
        return [text for entry in value for text in strings(entry)]
    return []


def is_matrix(panel: dict[str, Any]) -> bool:
    return any(step["id"] == "groupingToMatrix" for step in panel.get("transformations", []))


# --- What Grafana loads ---


def test_identity(dashboard: dict[str, Any]) -> None:
    assert dashboard["uid"] in UIDS
    assert dashboard["title"].startswith("TorchVitals / ")
    assert dashboard["tags"] == ["torchvitals"]
    # 39 is Grafana 11.0's; a later Grafana migrates an older version, but 11 does not know a newer one.
    assert dashboard["schemaVersion"] == 39
    assert isinstance(dashboard["refresh"], str)
    assert "id" not in dashboard
    assert "__inputs" not in dashboard


def test_panel_ids_are_unique(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"] if panel["type"] != "row"]
    ids += [panel["id"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert len(ids) == len(set(ids))
    assert all(number > 0 for number in ids)


def test_panels_fill_the_grid_without_overlap(dashboard: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] + place["w"] <= 24
        for cell in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        ):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]
    height = max(y for _, y in taken) + 1
    assert len(taken) == 24 * height, "a part of the grid is empty"


def test_ref_ids_are_unique_in_a_panel(dashboard: dict[str, Any]) -> None:
    for panel in panels_of(dashboard):
        refs = [target["refId"] for target in panel.get("targets", [])]
        assert len(refs) == len(set(refs)), panel["title"]


def test_variables_are_defined_before_use(dashboard: dict[str, Any]) -> None:
    defined: set[str] = set()
    for variable in dashboard["templating"]["list"]:
        used = {match[1] or match[3] or match[4] for match in VARIABLE.finditer(str(variable.get("query")))}
        assert used <= defined, variable["name"]
        defined.add(variable["name"])

    used = {entry["name"] for entry in dashboard["templating"]["list"] if entry.get("hide") == HIDDEN}
    for text in strings({key: value for key, value in dashboard.items() if key != "templating"}):
        # ${__data.fields.X} has dots, which the pattern of variables has not.
        used |= {match[1] or match[3] or match[4] for match in VARIABLE.finditer(text)}
    assert used - defined <= BUILT_IN
    assert defined <= used, f"not used: {defined - used}"


def test_row_data_links_name_columns_that_exist(dashboard: dict[str, Any]) -> None:
    for panel in panels_of(dashboard):
        columns = {
            title
            for step in panel.get("transformations", [])
            if step["id"] == "organize"
            for title in step["options"]["renameByName"].values()
        }
        for text in strings(panel.get("fieldConfig", {})):
            assert set(re.findall(r"\$\{__data\.fields\.([^}:]+)", text)) <= columns, panel["title"]


def test_required_variables(dashboard: dict[str, Any]) -> None:
    found = {variable["name"]: variable.get("hide") == HIDDEN for variable in dashboard["templating"]["list"]}
    own = ["canary_version"] if dashboard["uid"] == "torchvitals-versions" else []
    common = ["datasource", *PLACE, "job", "instance", "model_name", "model_version", "window"]
    assert list(found) == [*common, *own, "feature"]
    # Where no panel asks for the feature, it is kept unseen, so that the links do not lose it.
    shows_feature = dashboard["uid"] in {"torchvitals-drift", "torchvitals-versions"}
    assert {name for name, hidden in found.items() if hidden} == (set() if shows_feature else {"feature"})


def test_labels_of_clusters_are_optional(dashboard: dict[str, Any]) -> None:
    """All takes the series that lack the label too, and every query asks for the chosen ones."""
    for variable in dashboard["templating"]["list"]:
        if variable["name"] in PLACE:
            assert variable["allValue"] == ".*"
            assert variable["current"]["value"] == ["$__all"]
    for where, selector, _ in all_selectors(dashboard):
        asked = promql.matchers(selector)
        if (selector.name or "").startswith(("prometheus_", "alertmanager_")):
            continue
        # An alert that something is absent names no place.
        none = "|" if (selector.name or "").startswith("ALERTS") else ""
        for place in PLACE:
            assert asked.get(place) == ("=~", f"${place}{none}"), f"{where}: {selector}"


def test_many_valued_variables_are_matched_as_patterns(dashboard: dict[str, Any]) -> None:
    multi = {entry["name"]: entry.get("multi", False) for entry in dashboard["templating"]["list"]}
    for where, selector, _ in all_selectors(dashboard):
        for operator, value in promql.matchers(selector).values():
            # One value is compared as it is: as a pattern, the dot of a version would match any sign.
            if value.strip("|") in {f"${name}" for name in multi}:
                expected = "=~" if multi[value.strip("|$")] else "="
                assert operator == expected, f"{where}: {selector}"


def test_links_keep_variables_and_time(dashboard: dict[str, Any]) -> None:
    assert len(dashboard["links"]) == len(UIDS) - 1
    for link in dashboard["links"]:
        assert link["includeVars"] is True
        assert link["keepTime"] is True
        assert link["url"].removeprefix("/d/") in {f"{name}" for name in names()} - {dashboard["uid"]}


def test_firing_alerts_are_annotations(dashboard: dict[str, Any]) -> None:
    firing, began, *_ = dashboard["annotations"]["list"]
    for annotation in (firing, began):
        for selector, _ in promql.selectors(annotation["expr"]):
            assert selector.name == "ALERTS"
            assert promql.matchers(selector)["alertstate"] == ("=", "firing")
            # It fires always, and says nothing about a model.
            assert promql.matchers(selector)["alertname"] == ("!=", "Watchdog")


def test_deployments_are_annotations(dashboard: dict[str, Any]) -> None:
    names_of = [annotation["name"] for annotation in dashboard["annotations"]["list"]]
    assert names_of == ["Firing alerts", "Alerts began", "New versions", "New baselines"]
    for annotation in dashboard["annotations"]["list"]:
        # The user switches on what would cover the graphs.
        assert annotation["enable"] is (annotation["name"] != "Firing alerts")
        assert annotation["expr"] == annotation["target"]["expr"]
    _, _, version, baseline = dashboard["annotations"]["list"]
    # A day back at most: a server that was away for a night is no deployment.
    assert "[1d] offset $__interval" in version["expr"]
    assert "{{model_version}}" in version["titleFormat"]
    assert "{{baseline_sha256}}" in baseline["textFormat"]
    for annotation in (version, baseline):
        # Any version of the model, not only the one that is looked at.
        assert all(
            "model_version" not in promql.matchers(selector)
            for selector, _ in promql.selectors(annotation["expr"])
        )


def test_transformations_are_documented_ones(dashboard: dict[str, Any]) -> None:
    for panel in panels_of(dashboard):
        steps = panel.get("transformations", [])
        for step in steps:
            assert set(step["options"]) == TRANSFORMATIONS[step["id"]], panel["title"]
        if panel["type"] not in {"table", "barchart"}:
            assert not steps, panel["title"]
            continue
        targets = panel["targets"]
        assert all(
            target["format"] == "table" and target["instant"] and not target["range"] for target in targets
        )
        assert ("merge" in [step["id"] for step in steps]) == (len(targets) > 1), panel["title"]


def test_columns_are_fields_of_the_queries(dashboard: dict[str, Any]) -> None:
    for panel in panels_of(dashboard):
        if panel["type"] not in {"table", "barchart"} or is_matrix(panel):
            continue
        # Prometheus' data source names the value field after the query once there are several.
        targets = panel["targets"]
        fields = {f"Value #{target['refId']}" for target in targets} if len(targets) > 1 else {"Value"}
        for target in targets:
            fields |= _result_labels(target["expr"])
        [organize] = [step["options"] for step in panel["transformations"] if step["id"] == "organize"]
        assert set(organize["indexByName"]) == fields, panel["title"]
        hidden = {name for name, hide in organize["excludeByName"].items() if hide}
        assert hidden | set(organize["renameByName"]) == fields | {"Time"}, panel["title"]
        titles = set(organize["renameByName"].values())
        shown = {entry["matcher"]["options"] for entry in panel["fieldConfig"]["overrides"]}
        assert shown <= titles, panel["title"]
        if panel["type"] == "barchart":
            assert panel["options"]["xField"] in titles
        for order in panel["options"].get("sortBy", []):
            assert order["displayName"] in titles


def test_a_matrix_has_the_labels_of_its_query() -> None:
    """Rows and columns are the query's two labels, and its one value fills them."""
    found = [panel for name in names() for panel in panels_of(load(name)) if is_matrix(panel)]
    assert [panel["title"] for panel in found] == ["What was taken for what"]
    for panel in found:
        [target] = panel["targets"]
        [step] = panel["transformations"]
        fields = step["options"]
        assert {fields["rowField"], fields["columnField"]} == _result_labels(target["expr"])
        # Of one query, Grafana calls the value so.
        assert fields["valueField"] == "Value"


def _result_labels(expr: str) -> set[str]:
    """Labels of the result: those of the first aggregation on the way down the left side."""
    node = promql.parse(expr)
    added = set()
    while not isinstance(node, parser.AggregateExpr):
        if isinstance(node, parser.BinaryExpr):
            node = node.rhs if isinstance(node.lhs, parser.NumberLiteral) else node.lhs
        elif isinstance(node, parser.Call) and node.func.name == "label_replace":
            added.add(node.args[1].val)
            node = node.args[0]
        elif isinstance(node, parser.Call):
            node = node.args[-1]
        else:
            node = node.expr
    modifier: Any = node.modifier
    return (set(modifier.labels) | added) - {"le"}


# --- What our own rules ask ---


def test_text_panel_asks_the_question_first(dashboard: dict[str, Any]) -> None:
    first = dashboard["panels"][0]
    assert first["type"] == "text"
    assert re.match(r"## .+\?\n", first["options"]["content"])


def test_a_row_has_at_most_five_graphs(dashboard: dict[str, Any]) -> None:
    graphs = 0
    for panel in dashboard["panels"]:
        graphs = 0 if panel["type"] == "row" else graphs + (panel["type"] == "timeseries")
        assert graphs <= 5, panel["title"]


def test_every_line_has_its_colour(dashboard: dict[str, Any]) -> None:
    for panel in panels_of(dashboard):
        if panel["type"] != "timeseries":
            continue
        many = [target["refId"] for target in panel["targets"] if "topk(" in target["expr"]]
        drawn: dict[str, str] = {}
        for override in panel["fieldConfig"]["overrides"]:
            properties = {entry["id"]: entry["value"] for entry in override["properties"]}
            if properties.get("custom.lineWidth") != 0:
                drawn[override["matcher"]["options"]] = properties["color"]["fixedColor"]
        lines = len(drawn.keys() - {spec.THRESHOLD_REF}) + 5 * len(many)
        assert 1 <= lines <= 5, panel["title"]
        assert len(set(drawn.values())) == len(drawn), panel["title"]
        # An override cannot name the n-th line of a query.
        mode = "palette-classic" if many else "fixed"
        assert panel["fieldConfig"]["defaults"]["color"]["mode"] == mode, panel["title"]
        by_name = set()
        coloured = set(many)
        for override in panel["fieldConfig"]["overrides"]:
            name = override["matcher"]["options"]
            properties = {entry["id"]: entry["value"] for entry in override["properties"]}
            if name == spec.THRESHOLD_REF:
                assert properties["custom.lineStyle"]["fill"] == "dash"
            if override["matcher"]["id"] == "byName":
                by_name.add(name)
            else:
                coloured.add(name)
        # What has no colour by its ref draws lines whose names have one.
        rest = {target["refId"]: target["legendFormat"] for target in panel["targets"]}.items()
        named = [legend for ref, legend in rest if ref not in coloured]
        assert bool(named) == bool(by_name), panel["title"]
        assert all("{{" in legend for legend in named), panel["title"]


def test_a_band_lies_around_a_line(dashboard: dict[str, Any]) -> None:
    """The upper end is filled to the lower one by its name, both in the colour of a line, and neither is a line."""
    for panel in panels_of(dashboard):
        legends = {target["legendFormat"]: target["refId"] for target in panel.get("targets", [])}
        properties = {
            override["matcher"]["options"]: {entry["id"]: entry["value"] for entry in override["properties"]}
            for override in panel.get("fieldConfig", {}).get("overrides", [])
        }
        filled = [entry for entry in properties.values() if "custom.fillBelowTo" in entry]
        assert bool(filled) == (panel["title"] in WITH_BANDS), panel["title"]
        for upper in filled:
            lower = properties[legends[upper["custom.fillBelowTo"]]]
            assert lower["custom.lineWidth"] == upper["custom.lineWidth"] == 0
            assert lower["color"] == upper["color"]
            assert lower["color"] in [
                entry["color"] for entry in properties.values() if "custom.lineWidth" not in entry
            ]


def test_a_dashboard_asks_no_more_than(dashboard: dict[str, Any]) -> None:
    """Each target is a query, at every refresh of every reader: one query with labels serves most graphs."""
    queries = sum(len(panel.get("targets", [])) for panel in panels_of(dashboard))
    assert queries <= MOST_QUERIES[dashboard["uid"]]
    for panel in panels_of(dashboard):
        if panel["type"] in {"stat", "heatmap", "state-timeline"}:
            assert len(panel["targets"]) == 1, panel["title"]


def test_colours_are_of_the_palette(dashboard: dict[str, Any]) -> None:
    allowed = {*palette.SERIES, palette.ALARM}
    for text in strings(dashboard):
        if re.fullmatch(r"#[0-9A-Fa-f]{3,8}", text):
            assert text in allowed, text


def test_series_and_labels_exist(dashboard: dict[str, Any]) -> None:
    declared = {metric.name: {*metrics.COMMON_LABELS, *metric.labels} for metric in metrics.flat()}
    recorded = recording_rules()
    for where, selector, _ in all_selectors(dashboard):
        labels = set(promql.matchers(selector)) - {"job", "instance", *PLACE}
        if selector.name in recorded:
            continue
        if selector.name is None:
            assert labels - set(metrics.COMMON_LABELS) == {"__name__"}, where
            continue
        known = next((known for known in (FOREIGN, labelled.EXPOSED) if selector.name in known), declared)
        assert selector.name in known, f"{where}: {selector.name}"
        assert labels <= known[selector.name], f"{where}: {selector}"


def test_every_gauge_joins_freshness(dashboard: dict[str, Any]) -> None:
    """A gauge is joined with a living worker, or comes from a recording rule that does so."""
    gauges = {metric.name for metric in metrics.flat() if metric.type == "gauge"} - {
        metrics.WINDOW_EVALUATED.name
    }
    of_workers = {metric.name for metric in metrics.flat() if "worker" in metric.labels}
    recorded = recording_rules()
    stale = {
        name
        for name, expr in recorded.items()
        if any(gauge in expr for gauge in gauges) and "worker:model_monitor:fresh" not in expr
    }
    # What a version's truth is compared with is the same, whether a worker lives or labels alone still come.
    stale -= {"model:model_accuracy_ratio:reference"}
    for where, selector, parents in all_selectors(dashboard):
        if selector.name not in gauges | stale:
            continue
        # A range only orders the lines; what is drawn is on the other side of its `and`.
        if any(isinstance(parent, parser.MatrixSelector) for parent in parents):
            assert any(
                isinstance(parent, parser.BinaryExpr) and str(parent.op) == "and" for parent in parents
            ), where
            continue
        join = parents[-1]
        assert isinstance(join, parser.BinaryExpr), f"{where}: {selector}"
        assert str(join.op) == "and", f"{where}: {selector}"
        assert "worker:model_monitor:fresh" in str(join.rhs), f"{where}: {selector}"
        modifier: Any = join.modifier
        assert ("worker" in modifier.matching.labels) == (selector.name in of_workers), f"{where}: {selector}"


def test_every_metric_is_shown() -> None:
    """Each is in a dashboard itself, or in a recording rule that a dashboard reads."""
    recorded = recording_rules()
    shown = " ".join(
        selector.name + " " + recorded.get(selector.name, "")
        for name in names()
        for _, selector, _ in all_selectors(load(name))
        if selector.name
    )
    missing = {metric.name for metric in metrics.flat() if not re.search(rf"\b{metric.name}\b", shown)}
    assert missing == set()


def test_uids_are_fixed() -> None:
    assert [dashboard.uid for dashboard in DASHBOARDS] == UIDS
    assert sorted(UIDS) == names()


def test_sdk_reads_back_what_is_committed(dashboard: dict[str, Any]) -> None:
    """Every field is one that the schema in Grafana's SDK knows, in a place where it knows it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.cog.plugins import register_default_plugins
        from grafana_foundation_sdk.models.dashboard import Dashboard
    register_default_plugins()
    read = json.loads(json.dumps(Dashboard.from_json(copy.deepcopy(dashboard)), cls=JSONEncoder))
    for entry in (*read["links"], *read["annotations"]["list"]):
        # The SDK writes its default place; without it, Grafana shows them in the bar.
        del entry["placement"]
    assert read == dashboard
