"""The doctor on a healthy stack, then with a fault injected: each is named, in words that people understand."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from zipfile import ZipFile

import pytest
import ts
import yaml
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from typer.testing import CliRunner

from stack import Stack
from stack.ports import Ports, is_free, url
from tests.conftest import ROOT
from tests.notifications.manager import Alertmanager, alert
from torchvitals.cli import app
from torchvitals.cli.doctor.alertmanager import route
from torchvitals.telemetry import catalogue as m

from .conftest import Config, Server, eventually_found, examined, free, healthy_config, prometheus

pytestmark = pytest.mark.server
HOUR = 3600


def test_a_healthy_stack_has_no_findings(places: list[str | Path]) -> None:
    assert examined(*places, status=0) == []
    done = CliRunner().invoke(app, ["doctor", *map(str, places)])
    assert done.stdout == "Nothing is wrong.\n"


# --- models ---

MODELS = {
    "plain": "model plain 1.0 is not monitored",
    "bare": "model bare 1.0 has no baseline: its drift is unknown",
    "unseen": "the monitor of model unseen 1.0 did not see the model run in 12 of 12 requests",
    "broken": "model broken 1.0 is not served: none of its workers is ready; "
    "its log says: ModuleNotFoundError: No module named 'a_package_that_nobody_installed'",
    "renewed": "the baseline of model renewed 2.0 is older than the model: it is of version 1.0",
    "aged": "the baseline of model aged 1.0 is 0 days old; its limit is 0",
}


@pytest.fixture(scope="module")
def said_of_models(faulty_models: None, places: list[str | Path]) -> list[str]:
    return examined(*places)


@pytest.mark.parametrize("name", MODELS)
def test_a_fault_of_a_model_is_named(name: str, said_of_models: list[str]) -> None:
    assert MODELS[name] in said_of_models


def test_nothing_else_is_named(said_of_models: list[str]) -> None:
    assert sorted(said_of_models) == sorted(MODELS.values())


def test_people_get_a_table(faulty_models: None, places: list[str | Path]) -> None:
    done = CliRunner().invoke(app, ["doctor", *map(str, places)])
    assert done.exit_code == 1
    assert "how to fix it" in done.stdout
    assert "derive its handler from MonitoredHandler" in done.stdout


# --- TorchServe's settings ---


def test_metrics_in_a_file_and_loud_logs_are_named(default_server: Server) -> None:
    expected = [
        "TorchServe writes its metrics to a file: metrics_mode is not prometheus",
        "ts_log.log has lines for each request and metric, gigabytes a day under load",
    ]
    found = eventually_found(expected[1:], default_server.folder, *default_server.alone)
    assert found == expected


def test_a_token_that_is_needed_is_named(default_server: Server) -> None:
    inference = url(default_server.ports.inference)
    assert f"TorchServe asks for a token at {inference}" in examined(*default_server.words)
    keys = default_server.folder / "key_file.json"
    found = examined(*default_server.words, "--token-file", keys)
    assert not [problem for problem in found if "token" in problem]
    wrong = default_server.folder / "token"
    wrong.write_text("nonsense\n")
    found = examined(*default_server.words, "--token-file", wrong)
    assert f"TorchServe refuses the token at {inference}" in found


def test_metrics_that_torchserve_drops_are_named(server_without_ours: Server) -> None:
    (found,) = examined(server_without_ours.folder, *server_without_ours.alone)
    count = len(m.flat())
    assert found.startswith(
        f"TorchServe drops {count} of our {count} metrics, which its metrics.yaml lacks: model_"
    )


def test_a_metrics_port_that_is_closed_is_named(places: list[str | Path]) -> None:
    address = free()
    assert f"TorchServe's metrics port does not answer at {address}" in examined(
        *places, "--metrics", address
    )


def test_a_management_port_that_is_closed_is_named(places: list[str | Path]) -> None:
    address = free()
    found = examined(*places, "--management", address)
    assert f"TorchServe's management port does not answer at {address}" in found


def test_a_public_metrics_port_is_named_outside_a_container(
    stack: Stack, places: list[str | Path], tmp_path: Path
) -> None:
    text = (stack.run_dir / "config.properties").read_text()
    address = f"http://0.0.0.0:{stack.ports.metrics}"
    (tmp_path / "config.properties").write_text(text.replace(stack.metrics_url, address))
    said = f"the metrics port is public: metrics_address={address}, and it asks for no token"
    assert said in examined(tmp_path, *places[1:], "--no-container")
    inside = CliRunner().invoke(app, ["doctor", str(tmp_path), *map(str, places[1:]), "--container"])
    assert "public" not in inside.output


def test_default_logging_is_named(stack: Stack, places: list[str | Path], tmp_path: Path) -> None:
    (tmp_path / "config.properties").write_text((stack.run_dir / "config.properties").read_text())
    with ZipFile(Path(ts.__file__).parent / "frontend" / "model-server.jar") as jar:
        jar.extract("log4j2.xml", tmp_path)
    found = examined(tmp_path, *places[1:])
    assert (
        f"{tmp_path / 'log4j2.xml'} lets TorchServe log several lines for each request and metric, "
        "gigabytes a day under load" in found
    )


# --- who does not answer ---


def test_parts_that_do_not_answer_are_named(places: list[str | Path]) -> None:
    addresses = [free(), free(), free()]
    found = examined(addresses[0], *places[1:], "--management", addresses[0], "--metrics", addresses[0])
    assert found[0] == f"TorchServe does not answer at {addresses[0]}"
    others = ["--prometheus", addresses[1], "--alertmanager", addresses[2], "--grafana", addresses[0]]
    found = examined(places[0], *others)
    assert f"Grafana does not answer at {addresses[0]}" in found
    assert f"Prometheus does not answer at {addresses[1]}" in found
    assert f"Alertmanager does not answer at {addresses[2]}" in found


def test_it_says_when_it_cannot_look(tmp_path: Path) -> None:
    address = free()
    words = [address, "--prometheus", address, "--alertmanager", address]
    for wrong, said in (
        (words, f"nothing answers at {address}"),
        (["nowhere"], "'nowhere' is neither an address such as http://127.0.0.1:8080 nor a folder"),
        (["--token-file", str(tmp_path / "none")], "No such file or directory"),
        (["--without", "java"], "--without: unknown program 'java'"),
    ):
        done = CliRunner().invoke(app, ["doctor", *wrong])
        assert done.exit_code == 2
        assert said in done.output


# --- Prometheus ---


@dataclass(frozen=True)
class Fault:
    """change: what is wrong with the configuration. said: of it."""

    change: Callable[[Config, Stack, Path], None]
    said: list[str] = field(default_factory=list)


def job(config: Config) -> Config:
    (found,) = [one for one in config["scrape_configs"] if one["job_name"] == "torchserve"]
    return found


def rules(config: Config, *names: str) -> None:
    config["rule_files"] = [name for name in config["rule_files"] if Path(name).name in names]


def nothing_at_all(config: Config, stack: Stack, folder: Path) -> None:
    config["scrape_configs"].remove(job(config))
    rules(config)
    del config["alerting"]


def another_name(config: Config, stack: Stack, folder: Path) -> None:
    job(config)["job_name"] = "inference"
    rules(config, "alerts.yml")
    address = free().removeprefix("http://")
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [address]}]


def no_target(config: Config, stack: Stack, folder: Path) -> None:
    job(config)["static_configs"] = [{"targets": [free().removeprefix("http://")]}]
    rules(config, "rules.yml")


def relabeled(config: Config, stack: Stack, folder: Path) -> None:
    job(config)["metric_relabel_configs"] = [
        {"source_labels": ["__name__"], "regex": "model_.*", "action": "drop"}
    ]


def failing_rules(config: Config, stack: Stack, folder: Path) -> None:
    rule = {"record": "a:b:c", "expr": "up / on () up"}
    groups = [{"name": "torchvitals-rules", "rules": [rule]}, {"name": "torchvitals-alerts", "rules": []}]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    config["rule_files"] = [str(folder / "rules.yml")]


FAULTS = {
    "nothing at all": Fault(
        nothing_at_all,
        [
            "Prometheus does not scrape TorchServe",
            "Prometheus has none of our rules",
            "Prometheus sends its alerts to no Alertmanager",
        ],
    ),
    "another job, no recording rules, an Alertmanager that is not there": Fault(
        another_name,
        [
            "Prometheus scrapes TorchServe as job 'inference'; the rules ask for 'torchserve'",
            "Prometheus has our alerts, but no rules.yml, without which they never fire",
            "Prometheus cannot send alerts to http://127.0.0.1:",
        ],
    ),
    "no target, no alerts": Fault(
        no_target,
        [
            "Prometheus cannot scrape http://127.0.0.1:",
            "Prometheus has our recording rules, but no alerts.yml",
        ],
    ),
    "relabeled": Fault(
        relabeled,
        ["workers export our metrics, but Prometheus has none of them, so dashboards are empty"],
    ),
    "rules that fail": Fault(
        failing_rules,
        [
            "1 of our rules fail, first a:b:c: found duplicate series",
            "workers export our metrics, but the recording rule model:model_monitor:fresh_workers has no series",
        ],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_prometheus_is_named(
    name: str, stack: Stack, places: list[str | Path], tmp_path: Path
) -> None:
    config = healthy_config(stack)
    FAULTS[name].change(config, stack, tmp_path)
    with prometheus(tmp_path, config) as address:
        eventually_found(FAULTS[name].said, places[0], "--prometheus", address, *places[3:])


def test_clocks_that_differ_are_named(stack: Stack, places: list[str | Path], tmp_path: Path) -> None:
    registry = CollectorRegistry()
    labels = ["model_name", "model_version", "worker"]
    gauge = Gauge(
        m.WINDOW_EVALUATED.name, "as of a worker whose clock is an hour slow", labels, registry=registry
    )
    gauge.labels("slow", "1.0", "9000").set_function(lambda: time.time() - HOUR)
    port = next(port for port in iter(lambda: Ports.free().metrics, 0) if is_free(port))
    server, thread = start_http_server(port, "127.0.0.1", registry)
    config = healthy_config(stack)
    config["scrape_configs"].append(
        {"job_name": "slow", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    )
    rules(config)
    try:
        with prometheus(tmp_path, config) as address:
            said = f"the clocks of 127.0.0.1:{port} and Prometheus differ by {HOUR} s"
            eventually_found([said], places[0], "--prometheus", address, *places[3:])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- Alertmanager ---

HOOK = {"name": "hook", "webhook_configs": [{"url": "http://127.0.0.1:1/"}]}
ROUTES = {
    "a receiver without integration": (
        {
            "route": {
                "receiver": "hook",
                "routes": [{"matchers": ["severity = critical"], "receiver": "nobody"}],
            },
            "receivers": [HOOK, {"name": "nobody"}],
        },
        "a critical alert goes to receiver 'nobody', which has no integration: nobody hears of it",
    ),
    "no receiver at all": (
        {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]},
        "Alertmanager has no receiver that reaches anybody",
    ),
    "notifications that fail": (
        {"route": {"receiver": "hook", "group_wait": "0s"}, "receivers": [HOOK]},
        "attempts to notify by webhook failed",
    ),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_fault_of_alertmanager_is_named(name: str, places: list[str | Path], tmp_path: Path) -> None:
    config, said = ROUTES[name]
    with Alertmanager(tmp_path, config) as manager:
        manager.send_all([alert({"alertname": "A"}, began=datetime.now(timezone.utc))])
        eventually_found([said], *places[:3], "--alertmanager", manager.url)


def test_routes_are_followed_as_alertmanager_does() -> None:
    tree = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())["route"]
    assert route(tree, {"severity": "critical", "cause": "errors"}) == ["critical"]
    assert route(tree, {"severity": "none", "cause": "watchdog"}) == ["heartbeat"]
    assert route(tree, {"severity": "warning", "action": "retrain"}) == ["retraining", "warning"]
    assert route(tree, {"severity": "warning", "team": "platform"}) == ["platform"]
    assert route(tree, {"severity": "info"}) == ["info"]
    old = {
        "receiver": "a",
        "routes": [{"match_re": {"service": "x|y"}, "match": {"env": "prod"}, "receiver": "b"}],
    }
    assert route(old, {"service": "y", "env": "prod"}) == ["b"]
    assert route(old, {"service": "xy", "env": "prod"}) == ["a"]
    assert route({"receiver": "a", "routes": [{"matchers": ['env != "prod"']}]}, {"env": "test"}) == ["a"]
