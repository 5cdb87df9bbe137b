"""Alert and recording rules, and Alertmanager's configuration, judged by Prometheus's own tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from torchvitals import metrics

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "prometheus"
ALERTMANAGER = ROOT / "alertmanager"
RUNBOOKS = "https://github.com/torchvitals/torchvitals/blob/main/docs/runbooks.md"
REQUIRED = {
    "ModelLatencyP95High",
    "ModelMemoryHigh",
    "ModelInputDrift",
    "ModelInputMeanShift",
    "ModelPredictionDrift",
    "ModelConfidenceLow",
    "ModelPredictionsImbalanced",
    "TorchServeDown",
    "ModelMonitorStalled",
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in load(PROMETHEUS / name)["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
RECORDED = {rule["record"]: rule for rule in rules("rules.yml")}
TEST_FILES = sorted((PROMETHEUS / "tests").glob("*.yml"))


def run(program: str, *arguments: str, cwd: Path = ROOT) -> str:
    """Run one of Prometheus's tools; its own words are the assertion's message."""
    path = shutil.which(program) or shutil.which(program, path=ROOT / ".tools" / "bin")
    if path is None:
        pytest.fail(f"the program '{program}' is not installed; run 'make setup'")
    result = subprocess.run([path, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def promtool_cases(alert: str) -> list[dict[str, Any]]:
    """Every alert_rule_test for an alert."""
    return [
        case
        for path in TEST_FILES
        for test in load(path)["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]


def test_prometheus_configuration_and_rules_are_valid() -> None:
    output = run("promtool", "check", "config", "prometheus.yml", cwd=PROMETHEUS)
    assert "2 rule files found" in output
    run("promtool", "check", "rules", "rules.yml", "alerts.yml", cwd=PROMETHEUS)


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_promtool(path: Path) -> None:
    run("promtool", "test", "rules", str(path))


def test_alertmanager_configuration_is_valid() -> None:
    output = run("amtool", "check-config", "alertmanager.yml", cwd=ALERTMANAGER)
    assert "SUCCESS" in output
    assert "1 templates" in output


def test_alerts_are_those_that_are_promised() -> None:
    assert set(ALERTS) == REQUIRED


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_alert_tells_what_a_reader_needs(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "runbook_url", "dashboard"} <= set(rule["annotations"])
    assert rule["annotations"]["runbook_url"] == f"{RUNBOOKS}#{alert.lower()}"
    assert rule["for"]
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    assert headings.count(alert) == 1


def test_runbooks_have_no_section_for_an_alert_that_is_gone() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    assert set(headings) == set(ALERTS)


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_alert_has_a_test_that_fires_and_one_that_stays_silent(alert: str) -> None:
    cases = promtool_cases(alert)
    assert any(case["exp_alerts"] for case in cases), "no promtool test in which it fires"
    assert any(not case["exp_alerts"] for case in cases), "no promtool test in which it stays silent"


@pytest.mark.parametrize("record", sorted(RECORDED))
def test_recording_rule_is_named_level_metric_operations(record: str) -> None:
    assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", record)


def test_rules_use_only_series_that_exist() -> None:
    """Our metrics, TorchServe's request counter, Prometheus's own `up`, and recorded series."""
    declared = {metric.name for metric in metrics.flat()}
    known = declared | set(RECORDED) | {"ts_inference_requests_total", "up"}
    texts = [rule["expr"] for rule in [*RECORDED.values(), *ALERTS.values()]]
    texts += [ALERTS[alert]["annotations"]["description"] for alert in ALERTS]
    # A metric is named before its matchers, its range, or the end of a bracket or line; labels are not.
    pattern = re.compile(r"(?<![\w:])((?:[a-z_]+:)*(?:model|ts|up)[a-z0-9_:]*)(?![\w:])")
    labels = {"model_name", "model_version"}
    used = {name for text in texts for name in pattern.findall(text)} - labels
    assert used, "the pattern finds nothing"
    assert not {name for name in used if name not in known and not _is_word(name)}


def _is_word(name: str) -> bool:
    """Plain words of the descriptions, such as 'model' and 'models'."""
    return "_" not in name and ":" not in name and name != "up"


WORKER_GAUGES = {metric.name for metric in metrics.flat() if "worker" in metric.labels} - {
    metrics.WINDOW_EVALUATED.name
}


@pytest.mark.parametrize("record", sorted(RECORDED))
def test_recording_rule_takes_gauges_from_fresh_workers_only(record: str) -> None:
    expr = RECORDED[record]["expr"]
    if set(re.findall(r"(?<![\w:])model_\w+(?![\w:])", expr)) & WORKER_GAUGES:
        fresh = "on (job, instance, model_name, model_version, worker) worker:model_monitor:fresh == 1"
        assert expr.count(fresh) == 1


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_alert_reads_no_worker_gauge_directly_and_outlasts_a_failed_scrape(alert: str) -> None:
    expr = ALERTS[alert]["expr"]
    assert not set(re.findall(r"(?<![\w:])model_\w+(?![\w:])", expr)) & WORKER_GAUGES
    recorded_gauges = re.findall(r"(?:model_feature|model_device|model_source):\w+:\w+", expr)
    assert bool(recorded_gauges) == ("keep_firing_for" in ALERTS[alert])


def test_thresholds_that_alerts_ask_for_are_the_models_own() -> None:
    signals = set(re.findall(r'signal="(\w+)"', "".join(rule["expr"] for rule in ALERTS.values())))
    assert signals == {
        "latency_p95_seconds",
        "memory_bytes",
        "rss_bytes",
        "kl_divergence",
        "mean_shift_sigmas",
        "confidence",
        "class_share",
    }


def test_torchserve_down_silences_alerts_about_models_of_that_server_alone() -> None:
    (rule,) = load(ALERTMANAGER / "alertmanager.yml")["inhibit_rules"]
    assert rule["source_matchers"] == ["alertname = TorchServeDown"]
    assert rule["target_matchers"] == ['model_name =~ ".+"']
    assert set(rule["equal"]) == {"job", "instance"}
    # Without a model's name, an alert is about the server and is never silenced.
    assert "model_name" not in ALERTS["TorchServeDown"]["expr"]


def test_message_texts_render(tmp_path: Path) -> None:
    alert = {
        "status": "firing",
        "labels": {"alertname": "ModelInputDrift", "severity": "warning", "model_name": "m"},
        "annotations": {
            "summary": "Input drift in m",
            "description": "temp moved",
            "runbook_url": "https://example.test/runbook",
        },
    }
    data = {
        "status": "firing",
        "alerts": [alert, alert],
        "groupLabels": {"alertname": "ModelInputDrift", "model_name": "m"},
        "commonLabels": alert["labels"],
    }
    (tmp_path / "data.json").write_text(json.dumps(data))

    def render(name: str) -> str:
        return run(
            "amtool",
            "template",
            "render",
            f"--template.glob={ALERTMANAGER}/templates/*.tmpl",
            f'--template.text={{{{ template "{name}" . }}}}',
            f"--template.data={tmp_path / 'data.json'}",
        ).strip()

    assert render("torchvitals.title") == "WARNING: ModelInputDrift of m"
    one = "Input drift in m\ntemp moved\nWhat to do: https://example.test/runbook"
    assert render("torchvitals.text") == f"{one}\n\n{one}"
