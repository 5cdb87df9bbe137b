"""alertmanager.yml as amtool sees it: valid, as shipped and with every receiver on; and who hears of what."""

from __future__ import annotations

import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from stack import render
from stack.ports import Ports
from stack.waiting import eventually

from .manager import FOLDER, Alertmanager, quick, receiver, switched_on

SHIPPED = FOLDER / "alertmanager.yml"
MODEL = ["model_name=fraud", "model_version=1.0", "job=torchserve", "instance=a:8082"]


def amtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["amtool", *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("all") / "alertmanager.yml"
    file.write_text(yaml.safe_dump(switched_on()))
    return file


def test_the_configuration_is_valid_as_shipped_and_with_everything_on(everything: Path) -> None:
    for file in (SHIPPED, everything):
        result = amtool("check-config", file)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "6 receivers" in result.stdout
        assert "7 inhibit rules" in result.stdout
        assert "1 templates" in result.stdout


@pytest.mark.parametrize("file", ["shipped", "everything"])
@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["alertname=ModelLatencyP95High", "severity=critical"], "critical"),
        (["alertname=TorchServeDown", "severity=critical"], "critical"),
        (["alertname=TorchServeDown", "severity=critical", "team=platform"], "platform"),
        (["alertname=ModelInputDrift", "severity=warning"], "warning"),
        (["alertname=ModelMonitorStalled", "severity=warning", "team=platform"], "platform"),
        (["alertname=ModelInputDrift", "severity=warning", "team=fraud"], "warning"),
        (["alertname=ModelCanary", "severity=info"], "info"),
        (["alertname=Anything"], "warning"),
        (["alertname=Watchdog", "severity=none"], "heartbeat"),
        (["alertname=ModelRetrainNeeded", "severity=warning", "action=retrain"], "retraining,warning"),
        (["alertname=ModelRetrainNeeded", "severity=critical", "action=retrain"], "retraining,critical"),
        (["alertname=ModelRetrainHeld", "severity=warning", "action=confirm"], "retraining,warning"),
        (["alertname=ModelInputDrift", "severity=warning", "action=rollback"], "warning"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_who_hears_of_what(everything: Path, file: str, labels: list[str], receivers: str) -> None:
    config = everything if file == "everything" else SHIPPED
    result = amtool(
        "config", "routes", "test", f"--config.file={config}", f"--verify.receivers={receivers}",
        *labels, *MODEL,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_severity_of_our_alerts_has_a_route_of_its_own() -> None:
    rules = yaml.safe_load((FOLDER.parent / "prometheus" / "alerts.yml").read_text())["groups"]
    severities = {rule["labels"]["severity"] for group in rules for rule in group["rules"] if "alert" in rule}
    assert {"critical", "warning"} <= severities <= {"critical", "warning", "info", "none"}


def test_shipped_sends_to_the_receiver_alone_and_nobody_hears_the_heartbeat() -> None:
    config = yaml.safe_load(SHIPPED.read_text())
    kinds = {found["name"]: sorted(set(found) - {"name"}) for found in config["receivers"]}
    assert kinds.pop("heartbeat") == kinds.pop("retraining") == []
    assert set(map(tuple, kinds.values())) == {("webhook_configs",)}
    assert {
        found["send_resolved"] for name in kinds for found in receiver(config, name)["webhook_configs"]
    } == {True}


def test_no_secret_stands_in_the_configuration() -> None:
    def keys(part: Any) -> list[str]:
        if isinstance(part, dict):
            return [*part, *(key for value in part.values() for key in keys(value))]
        return [key for value in part for key in keys(value)] if isinstance(part, list) else []

    found = set(keys(switched_on()))
    assert {"routing_key_file", "api_url_file", "auth_password_file", "credentials_file"} <= found
    assert found.isdisjoint(
        {"routing_key", "api_url", "auth_password", "credentials", "password", "service_key"}
    )


def test_a_run_sends_everything_to_its_own_receiver_and_retraining_where_there_is_one(tmp_path: Path) -> None:
    ports = Ports.free()
    plain = yaml.safe_load(render.alertmanager_yml(ports))
    assert receiver(plain, "retraining") == {"name": "retraining"}
    addresses = tmp_path / "addresses.tmpl"
    addresses.write_text(render.addresses_tmpl("http://127.0.0.1:3456"))
    hook = render.Retraining("http://127.0.0.1:9876", tmp_path / "token")
    text = render.alertmanager_yml(ports, retraining=hook, templates=(addresses,))
    file = tmp_path / "alertmanager.yml"
    file.write_text(text)
    assert amtool("check-config", file).returncode == 0
    (webhook,) = receiver(yaml.safe_load(text), "retraining")["webhook_configs"]
    assert webhook["url"] == "http://127.0.0.1:9876/alerts"
    assert webhook["http_config"]["authorization"]["credentials_file"] == str(tmp_path / "token")
    urls = {
        webhook["url"]
        for found in yaml.safe_load(text)["receivers"]
        if found["name"] != "retraining"
        for webhook in found.get("webhook_configs", [])
    }
    assert urls == {f"http://127.0.0.1:{ports.receiver}/alerts"}


def test_a_critical_alert_waits_for_nobody_and_others_five_minutes() -> None:
    route = yaml.safe_load(SHIPPED.read_text())["route"]
    assert route["group_by"] == ["cluster", "namespace", "env", "cause", "model_name"]

    def waits(part: dict[str, Any], above: dict[str, str]) -> dict[str, tuple[str, str, str]]:
        own = {**above, **{key: part[key] for key in above if key in part}}
        found = {} if part is route else {part["receiver"]: tuple(own.values())}
        for child in part.get("routes", []):
            # A team's route waits as its severity does.
            assert set(child).isdisjoint(above) or part is route
            found |= {name: times for name, times in waits(child, own).items() if name != "platform"}
        return found

    assert waits(route, {"group_wait": "", "group_interval": "", "repeat_interval": ""}) == {
        "heartbeat": ("0s", "1m", "30s"),
        "retraining": ("0s", "1m", "1h"),
        "critical": ("0s", "5m", "1h"),
        "warning": ("5m", "5m", "12h"),
        "info": ("5m", "5m", "3d"),
    }


def test_what_is_kept_back(tmp_path: Path) -> None:
    config = yaml.safe_load(SHIPPED.read_text())
    config["receivers"] = [{"name": found["name"]} for found in config["receivers"]]
    config.pop("templates")
    quick(config["route"])
    now = datetime.now(timezone.utc)
    fleet = {"job": "torchserve", "cluster": "eu"}
    a, b = {**fleet, "instance": "a"}, {**fleet, "instance": "b"}
    lost = {"job": "torchserve", "cluster": "asia"}
    model = {"model_name": "fraud", "model_version": "1.0"}
    failing = {**model, "cause": "errors"}
    kept_back = {
        # The server is down, and that is the news.
        "DriftOnServer warning": {**a, **model, "cause": "input"},
        # Most servers of another job are, and that is the news about all its models.
        "DriftOfLost warning": {**lost, **model, "cause": "input"},
        "StuckOfLost critical": {**lost, "instance": "c", **model, "cause": "stuck"},
        # The fleet's critical alert speaks for all servers.
        "ErrorsSome warning": {**fleet, **failing},
        "ErrorsOnServer warning": {**b, **failing},
        # Nothing reports from workers that fail.
        "ModelMonitorStalled warning": {**fleet, "model_name": "fraud", "cause": "monitor"},
        # A server's critical alert speaks for that server.
        "StuckOnServer warning": {**b, **model, "cause": "stuck"},
        # Labels have told it, under a job of their own.
        "ModelEstimatedAccuracyLow warning": {**fleet, **model, "cause": "output"},
        # Nothing joins labels.
        "ModelLabelsLate warning": {"cluster": "eu", **model, "cause": "labels"},
    }
    told = {
        "TorchServeServerDown warning": {**a, "cause": "server"},
        "TorchServeDown critical": {**lost, "cause": "server"},
        "ErrorsMany critical": {**fleet, **failing},
        "StuckOn critical": {**b, **model, "cause": "stuck"},
        # The fleet's alerts are about the other servers too.
        "DriftOfFleet warning": {**fleet, **model, "cause": "input"},
        "StuckOfFleet warning": {**fleet, **model, "cause": "stuck"},
        # Another server of the same cause, another version, another cluster, another cause.
        "NoMetrics warning": {**b, "cause": "server"},
        "ErrorsOther warning": {**fleet, **failing, "model_version": "2.0"},
        "ErrorsElsewhere warning": {**fleet, **failing, "cluster": "us"},
        "DriftElsewhere warning": {**a, **model, "cause": "input", "cluster": "us"},
        "Latency warning": {**fleet, **model, "cause": "latency"},
        # Of another kind than stalled, which says nothing that the critical alert explains.
        "MonitorBlind warning": {**fleet, **model, "cause": "monitor"},
        # No cause says that they belong together.
        "Unnamed critical": {**fleet, **model},
        "Unnamed warning": {**fleet, **model},
        "ModelAccuracyLow warning": {"cluster": "eu", **model, "cause": "output"},
        "LabelsDown warning": {"cluster": "eu", "job": "labels", "instance": "l", "cause": "labels"},
        "Watchdog none": {"cause": "watchdog"},
    }
    with Alertmanager(tmp_path, config) as manager:
        for name, labels in {**told, **kept_back}.items():
            alertname, severity = name.split()
            manager.send({"alertname": alertname, "severity": severity, **labels}, began=now)
        # Told only once it is looked at; the marks of an alert are set when its group is sent.
        wanted = {**dict.fromkeys(told, False), **dict.fromkeys(kept_back, True)}
        eventually(lambda: manager.inhibited() == wanted, lambda: f"{wanted}; there is {manager.inhibited()}")
