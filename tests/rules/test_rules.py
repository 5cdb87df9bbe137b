"""Alert and recording rules, judged by Prometheus's own tools and against what else they have to agree with."""

from __future__ import annotations

import functools
import os
import re
import shutil
from pathlib import Path
from typing import Any

import promql_parser as parser
import pytest

from grafana.build import DASHBOARDS
from stack import programs
from stack.promtool import patiently
from tests.dashboards.promql import matchers, walk
from tests.rules.slices import Slice, load, queries, shortest, slices
from torchvitals.config import Thresholds
from torchvitals.telemetry import catalogue as metrics

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "prometheus"
RUNBOOKS = "https://github.com/torchvitals/torchvitals/blob/main/docs/runbooks.md"
# What each alert is about; one notification is for one of these and one model.
CAUSES = {
    "server": {"TorchServeDown", "TorchServeServerDown", "TorchServeMetricsAbsent", "ServerClockSkewed"},
    "workers": {"ModelWorkersRestarting", "ModelGone"},
    "errors": {
        "TorchServeErrorRateHigh",
        "ModelUnanswered",
        "ModelErrorRateHigh",
        "ModelServerErrorRateHigh",
        "ModelVersionErrorsHigh",
        "ModelErrorBudgetBurnFast",
        "ModelErrorBudgetBurnSlow",
    },
    "latency": {
        "ModelLatencyP95High",
        "ModelServerLatencyP95High",
        "ModelLatencyRegressed",
        "ModelLatencyBudgetBurnFast",
        "ModelLatencyBudgetBurnSlow",
    },
    "stuck": {"ModelRequestStuck", "ModelServerRequestStuck"},
    "compilation": {"ModelRecompiling"},
    "memory": {"ModelMemoryHigh", "ModelGPUMemoryHigh", "ModelMemoryLeak", "ModelOutOfMemory"},
    "input": {
        "ModelInputDrift",
        "ModelInputDriftSpike",
        "ModelInputMeanShift",
        "ModelInputInvalid",
        "ModelSegmentDrift",
        "ModelInputChangedModelHealthy",
        "ModelInputChangedAccuracyUnknown",
    },
    "output": {
        "ModelPredictionDrift",
        "ModelConfidenceLow",
        "ModelPredictionsImbalanced",
        "ModelEstimatedAccuracyLow",
        "ModelAccuracyLow",
        "ModelErrorHigh",
        "ModelDegraded",
    },
    "calibration": {"ModelCalibrationOff", "ModelEstimateWrong"},
    "labels": {
        "ModelLabelsLate",
        "LabelsDown",
        "LabelsStoreDown",
        "PredictionFilesRefused",
        "PredictionFilesWaiting",
        "ModelPredictionsUnwritten",
    },
    "retrain": {
        "ModelRetrainNeeded",
        "ModelRetrainHeld",
        "RetrainingFailed",
        "RetrainingDown",
        "RetrainingStoreFailing",
        "RetrainingBroken",
    },
    "monitor": {
        "ModelMonitorStalled",
        "ModelMonitorErrors",
        "ModelMonitorBlind",
        "ModelBaselineMissing",
        "ModelBaselineOld",
    },
    "watchdog": {"Watchdog"},
    "notifications": {"AlertmanagerNotificationsFailing"},
    "rules": {"RuleEvaluationsFailing", "RuleEvaluationsMissed", "RuleGroupSlow"},
}
# About servers, whatever the names of their models.
OF_SERVERS = CAUSES["server"] | {"TorchServeErrorRateHigh"}
# Fires always: it waits for nothing, has no test in which it is silent, and is never meant for people.
ALWAYS = "Watchdog"
# Series of TorchServe, Prometheus, Alertmanager, the retraining service and the labels service
# (docs/decisions/033-ground-truth.md).
FOREIGN = {
    "ALERTS",
    "Requests2XX",
    "Requests4XX",
    "Requests5XX",
    "WorkerLoadTime",
    "alertmanager_notifications_failed_total",
    "labels_store_up",
    "model_label_delay_seconds_bucket",
    "model_label_last_timestamp_seconds",
    "model_labelled_absolute_error_total",
    "model_labelled_brier_total",
    "model_labelled_confidence_correct_total",
    "model_labelled_confidence_sum_total",
    "model_labelled_confidence_total",
    "model_labelled_correct_total",
    "model_labelled_estimated_correct_total",
    "model_labelled_estimated_expected_total",
    "model_labelled_estimated_total",
    "model_labelled_fourth_power_error_total",
    "model_labelled_log_loss_total",
    "model_labelled_predicted_total",
    "model_labelled_scored_total",
    "model_labelled_squared_error_total",
    "model_labelled_total",
    "model_predictions_unwritten_total",
    "model_stored_predictions_total",
    "predictions_refused_files_total",
    "predictions_waiting_files",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_interval_seconds",
    "prometheus_rule_group_iterations_missed_total",
    "prometheus_rule_group_last_duration_seconds",
    "retraining_failed",
    "retraining_healthy",
    "retraining_store_writable",
    "scrape_samples_scraped",
    "ts_inference_latency_microseconds",
    "ts_inference_requests_total",
    "ts_queue_latency_microseconds",
    "up",
}
SEVERITIES = {"critical", "warning", "info"}
# Another promtool: Prometheus 3's, where `promtool` is 2.42. The one that is asked for plays every test; the one that
# scripts/test_tools.sh brings plays the shortest of each file.
ASKED_FOR = os.environ.get("TORCHVITALS_SECOND_PROMTOOL", "")
SECOND_PROMTOOL = ASKED_FOR or str(programs.find("promtool-3") or "")
NO_SECOND_PROMTOOL = "Prometheus 3's promtool is missing: scripts/test_tools.sh brings it"


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in load(PROMETHEUS / name)["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
RECORDING = rules("rules.yml")
RECORDED = {rule["record"] for rule in RECORDING}
TEST_FILES = sorted((PROMETHEUS / "tests").glob("*.yml"))
# Beside the alerts, the runbooks have one section of what tells of what.
SCENARIOS = "What tells of what"
HEADINGS = [
    heading
    for heading in re.findall(r"^## (.+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    if heading != SCENARIOS
]


def run(program: str, *arguments: str, cwd: Path = ROOT) -> str:
    """Run one of Prometheus's tools; its own words are the assertion's message."""
    path = shutil.which(program) or shutil.which(program, path=ROOT / ".tools" / "bin")
    if path is None:
        pytest.fail(f"the program '{program}' is not installed; run 'make setup'")
    result = patiently([path, *arguments], cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@functools.cache
def selected(expr: str) -> frozenset[str]:
    """Every series that a query reads, by name."""
    return frozenset(
        node.name for node, _ in walk(parser.parse(expr)) if isinstance(node, parser.VectorSelector)
    )


def recording(name: str) -> list[str]:
    """The queries that are recorded under a name."""
    return [rule["expr"] for rule in RECORDING if rule["record"] == name]


@pytest.fixture(scope="session", params=["promtool", "the second promtool"])
def promtool(request: pytest.FixtureRequest) -> str:
    if request.param == "promtool":
        return "promtool"
    if not SECOND_PROMTOOL:
        pytest.skip(NO_SECOND_PROMTOOL)
    return SECOND_PROMTOOL


def test_prometheus_configuration_and_rules_are_valid(promtool: str) -> None:
    output = run(promtool, "check", "config", "prometheus.yml", cwd=PROMETHEUS)
    assert "2 rule files found" in output
    run(promtool, "check", "rules", "rules.yml", "alerts.yml", cwd=PROMETHEUS)


def test_prometheus_scrapes_what_the_rules_read() -> None:
    jobs = {job["job_name"] for job in load(PROMETHEUS / "prometheus.yml")["scrape_configs"]}
    assert jobs == {"torchserve", "prometheus", "alertmanager", "labels"}


@pytest.mark.parametrize("part", slices(), ids=lambda part: part.name)
def test_promtool(part: Slice, tmp_path: Path) -> None:
    run("promtool", "test", "rules", str(part.write(tmp_path)))


@pytest.mark.parametrize("part", slices() if ASKED_FOR else shortest(), ids=lambda part: part.name)
def test_second_promtool(part: Slice, tmp_path: Path) -> None:
    if not SECOND_PROMTOOL:
        pytest.skip(NO_SECOND_PROMTOOL)
    run(SECOND_PROMTOOL, "test", "rules", str(part.write(tmp_path)))


def test_alerts_are_those_that_are_promised() -> None:
    assert {alert: ALERTS[alert]["labels"]["cause"] for alert in ALERTS} == {
        alert: cause for cause, alerts in CAUSES.items() for alert in alerts
    }


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_alert_tells_what_a_reader_needs(alert: str) -> None:
    rule = ALERTS[alert]
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url", "dashboard"}
    assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS}#{alert.lower()}"
    assert HEADINGS.count(alert) == 1
    assert rule["annotations"]["dashboard"].split("?")[0] in {f"/d/{board.uid}" for board in DASHBOARDS}
    # A plain sentence of one line, that says of which model.
    summary = rule["annotations"]["summary"]
    assert "\n" not in summary
    assert not summary.endswith(".")
    assert "$labels.model_name" in summary or "model_name" not in rule["expr"] or alert in OF_SERVERS
    assert rule["annotations"]["description"].rstrip().endswith((".", "}}"))


@pytest.mark.parametrize("alert", sorted(set(ALERTS) - {ALWAYS}))
def test_alert_has_a_severity_and_says_how_long_it_waits(alert: str) -> None:
    assert ALERTS[alert]["labels"]["severity"] in SEVERITIES
    assert ALERTS[alert]["for"]


def test_only_what_always_fires_is_for_nobody() -> None:
    assert ALERTS[ALWAYS]["labels"]["severity"] == "none"
    assert ALERTS[ALWAYS]["expr"] == "vector(1)"
    assert "for" not in ALERTS[ALWAYS]


def test_retraining_alone_asks_a_machine_to_act() -> None:
    actions = {
        alert: rule["labels"]["action"] for alert, rule in ALERTS.items() if "action" in rule["labels"]
    }
    assert actions == {"ModelRetrainNeeded": "retrain", "ModelRetrainHeld": "confirm"}
    assert not [alert for alert, rule in ALERTS.items() if "team" in rule["labels"]]


def test_runbooks_have_a_section_for_each_alert_and_no_other() -> None:
    assert sorted(HEADINGS) == sorted(ALERTS)


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_runbook_answers_the_five_questions(alert: str) -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text()
    section = text.split(f"\n## {alert}\n")[1].split("\n## ")[0]
    parts = re.findall(r"^\*\*(.+?)\*\*", section, re.MULTILINE)
    questions = ["What it means.", "Look at first.", "Likely causes.", "What to do.", "When to ignore."]
    assert [part for part in parts if part in questions] == questions
    # Panels stand in quotes after their dashboard; each exists, or the reader searches for it at night.
    panels = {
        board.title.split(" / ")[1]: {p.title for r in board.rows for p in r.panels} for board in DASHBOARDS
    }
    for board, names in re.findall(
        r"\*(\w[\w ]*)\* dashboard: ((?:\"[^\"]+\"(?:, | and )?)+)", " ".join(section.split())
    ):
        assert set(re.findall(r'"([^"]+)"', names)) <= panels[board], board


def promtool_cases(alert: str) -> list[dict[str, Any]]:
    """Every alert_rule_test for an alert."""
    return [
        case
        for path in TEST_FILES
        for test in load(path)["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_alert_has_a_test_that_fires_with_all_its_text_and_one_that_stays_silent(alert: str) -> None:
    cases = promtool_cases(alert)
    fired = [found for case in cases for found in case["exp_alerts"]]
    assert fired, "no promtool test in which it fires"
    for found in fired:
        assert found["exp_labels"]["severity"] == ALERTS[alert]["labels"]["severity"]
        assert set(found["exp_annotations"]) == set(ALERTS[alert]["annotations"])
    if alert != ALWAYS:
        assert any(not case["exp_alerts"] for case in cases), "no promtool test in which it stays silent"


def test_the_named_case_asks_for_every_alert_that_fires() -> None:
    """So that an alert that is added later and joins in makes it fail."""
    tests = load(PROMETHEUS / "tests" / "upstream_change.yml")["tests"]
    assert len(tests) == 3
    everything = 'count by (alertname) (ALERTS{alertstate="firing", alertname!="Watchdog"})'
    for test in tests:
        asked = test["promql_expr_test"]
        assert {case["expr"] for case in asked} == {everything}
        assert [case["exp_samples"] for case in asked if case["eval_time"] in ("1h", "4h", "8h")] == [[]] * 3
    series = [series["series"] for series in tests[0]["input_series"]]
    limits = {found for name in series for found in re.findall(r'^model_threshold\{.*signal="(\w+)"', name)}
    assert limits >= {rule["labels"]["signal"] for rule in RECORDING if rule["record"].endswith(":default")}
    fired = {
        match
        for case in tests[0]["promql_expr_test"]
        for sample in case["exp_samples"]
        for match in re.findall(r'alertname="(\w+)"', sample["labels"])
    }
    assert fired == {"ModelInputDriftSpike", "ModelInputChangedModelHealthy", "ModelInputDrift"}
    # All that alerts read of a model is there; what is absent would keep an alert silent for the wrong reason.
    given = {series["series"].split("{")[0] for series in tests[0]["input_series"]}
    read = set().union(*(inputs(rule["expr"]) for alert, rule in ALERTS.items()))
    assert read <= given | {"ALERTS"}


def inputs(expr: str) -> set[str]:
    """The raw series that a query needs, through recorded ones."""
    found: set[str] = set()
    left = set(selected(expr))
    while left - found:
        name = (left - found).pop()
        found.add(name)
        left.update(*map(selected, recording(name)))
    return found - RECORDED


@pytest.mark.parametrize("record", sorted(RECORDED))
def test_recording_rule_is_named_level_metric_operations(record: str) -> None:
    assert re.fullmatch(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+", record)


@pytest.mark.parametrize(
    "rule", [*RECORDING, *ALERTS.values()], ids=lambda rule: rule.get("record") or rule["alert"]
)
def test_rule_reads_only_series_that_exist(rule: dict[str, Any]) -> None:
    known = {metric.name for metric in metrics.flat()} | RECORDED | FOREIGN
    read = set(selected(rule["expr"]))
    for query in queries(rule) if "alert" in rule else []:
        read |= selected(query.promql)
    assert read <= known


def test_queries_in_the_texts_are_found() -> None:
    assert len([query for rule in ALERTS.values() for query in queries(rule)]) >= 40


def test_verdicts_read_alerts_that_exist_and_know_every_way_to_be_unwell() -> None:
    read: dict[str, set[str]] = {}
    for alert, rule in ALERTS.items():
        for node, _ in walk(parser.parse(rule["expr"])):
            if isinstance(node, parser.VectorSelector) and node.name == "ALERTS":
                read.setdefault(alert, set()).update(matchers(node)["alertname"][1].split("|"))
    changed = {"ModelInputChangedModelHealthy", "ModelInputChangedAccuracyUnknown"}
    assert set(read) == changed | {"ModelDegraded"}
    assert set().union(*read.values()) <= set(ALERTS)
    unwell = set().union(*(CAUSES[cause] for cause in ("errors", "latency", "stuck", "memory", "output")))
    moved = {"ModelInputDrift", "ModelInputDriftSpike", "ModelInputMeanShift"}
    assert {alert: read[alert] for alert in changed} == dict.fromkeys(
        changed, unwell - {"ModelDegraded", "TorchServeErrorRateHigh"} | moved
    )


WORKER_GAUGES = {
    metric.name for metric in metrics.flat() if metric.type == "gauge" and "worker" in metric.labels
} - {metrics.WINDOW_EVALUATED.name}
BELIEVED = "worker_feature:model_feature_drifted:believed"


@pytest.mark.parametrize("rule", RECORDING, ids=lambda rule: rule["record"])
def test_recording_rule_takes_gauges_from_fresh_workers_only(rule: dict[str, Any]) -> None:
    if selected(rule["expr"]) & WORKER_GAUGES:
        key = "cluster, namespace, env, job, instance, model_name, model_version, worker"
        # What drifted is what fresh workers say; a size is joined with it by worker and feature.
        joins = (
            f"on ({key}) worker:model_monitor:fresh == 1",
            f"on ({key}, source, feature, window) {BELIEVED}",
        )
        expr = " ".join(rule["expr"].split())
        assert sum(expr.count(join) for join in joins) == 1


@functools.cache
def gauges_read_at_once(expr: str) -> frozenset[str]:
    """The workers' gauges that a query reads of this moment alone, which a failed scrape hides."""
    found: frozenset[str] = frozenset()
    for node, parents in walk(parser.parse(expr)):
        if not isinstance(node, parser.VectorSelector) or any(
            isinstance(parent, parser.MatrixSelector) for parent in parents
        ):
            continue
        recorded = recording(node.name)
        found |= (
            frozenset().union(*map(gauges_read_at_once, recorded))
            if recorded
            else {node.name} & WORKER_GAUGES
        )
    return found


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_alert_reads_no_worker_gauge_directly_and_outlasts_a_failed_scrape(alert: str) -> None:
    expr = ALERTS[alert]["expr"]
    assert not selected(expr) & WORKER_GAUGES
    assert gauges_read_at_once(expr) == set()


CRITICAL = [alert for alert, rule in ALERTS.items() if rule["labels"]["severity"] == "critical"]


@pytest.mark.parametrize("alert", CRITICAL)
def test_what_wakes_someone_is_one_piece_of_news_when_it_comes_and_goes(alert: str) -> None:
    assert "keep_firing_for" in ALERTS[alert]


def test_defaults_of_thresholds_are_those_of_the_configuration() -> None:
    defaults = {
        rule["labels"]["signal"]: float(rule["expr"].removesuffix(" * model:model_threshold:unset"))
        for rule in RECORDING
        if rule["record"] == "model_signal:model_threshold:default"
    }
    exported = Thresholds().exported()
    assert defaults == {signal: exported[signal] for signal in defaults}
    # Every signal that a rule compares with has one.
    texts = "".join(rule["expr"] for rule in [*ALERTS.values(), *RECORDING])
    assert set(defaults) == set(re.findall(r'signal="(\w+)"', texts))


def test_servers_that_are_down_silence_alerts_about_their_models_alone() -> None:
    inhibitions = {
        rule["source_matchers"][0]: rule
        for rule in load(ROOT / "alertmanager" / "alertmanager.yml")["inhibit_rules"]
    }
    fleet = inhibitions["alertname = TorchServeDown"]
    assert fleet["target_matchers"] == ['model_name =~ ".+"']
    assert {"cluster", "namespace", "env", "job"} == set(fleet["equal"])
    server = inhibitions["alertname = TorchServeServerDown"]
    assert 'instance =~ ".+"' in server["target_matchers"]
    assert {"job", "instance"} <= set(server["equal"])
    # Without a model's name, an alert is about servers and is never silenced.
    assert "model_name" not in ALERTS["TorchServeDown"]["expr"]
