"""The stack: real TorchServe, Prometheus, Alertmanager and receiver, from start to the last process."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from stack import MissingProgramError, Stack, StackError, programs, receiver, render
from stack.loopback import http
from stack.ports import Ports, is_free
from stack.waiting import eventually
from tests.conftest import archive

ROOT = Path(__file__).parents[2]
READY_SECONDS = 600
HANDLER = """
import torch
from ts.torch_handler.base_handler import BaseHandler

class Plain(BaseHandler):
    def preprocess(self, data):
        return torch.tensor([row["body"]["x"] for row in data], dtype=torch.float32)
    def postprocess(self, output):
        return output.tolist()
"""
MODEL = """
import torch

class Double(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))
    def forward(self, x):
        return x * self.factor
"""


@pytest.fixture(scope="module")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one archive, 'double.mar': a handler of TorchServe's own kind, without our monitor."""
    source, store = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("model-store")
    (source / "handler.py").write_text(HANDLER)
    (source / "model.py").write_text(MODEL)
    save = "import torch, model; torch.save(model.Double().state_dict(), 'weights.pt')"
    subprocess.run([sys.executable, "-c", save], cwd=source, check=True, timeout=600)
    words = [
        "--model-name",
        "double",
        "--version",
        "1.0",
        "--handler",
        "handler.py",
        "--model-file",
        "model.py",
    ]
    words += ["--serialized-file", "weights.pt", "--export-path", str(store)]
    archive(words, folder=source)
    return store


@pytest.fixture(scope="module")
def stack(model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    run_dir = tmp_path_factory.mktemp("stack")
    with Stack(
        run_dir, model_store=model_store, models={"double": "double.mar"}, workers=2, scrape_interval="1s"
    ) as running:
        running.wait_ready(READY_SECONDS)
        yield running


def processes_of(run_dir: Path) -> list[psutil.Process]:
    """Every process that was started for a run: its folder is in their environment or on their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if any(word == str(run_dir) or f"{run_dir}/" in word for word in words):
            found.append(process)
    return found


def part(stack: Stack, name: str) -> psutil.Process:
    return psutil.Process(json.loads((stack.run_dir / "parts.json").read_text())[name])


def temporary_folder(stack: Stack) -> Path:
    return Path(json.loads((stack.run_dir / "plan.json").read_text())["temporary"])


def lines(file: Path) -> int:
    return len(file.read_text().splitlines())


def predictions(access_log: Path) -> int:
    """Lines about predictions; Prometheus's scrapes are there too."""
    return access_log.read_text().count("/predictions/double")


@pytest.mark.server
def test_model_is_served_by_as_many_workers_as_were_asked_for(stack: Stack) -> None:
    answer = http.post(f"{stack.inference_url}/predictions/double", json={"x": [1, 2.5]}, timeout=60)
    assert answer.json() == [2.0, 5.0]
    (described,) = http.get(f"{stack.management_url}/models/double", timeout=60).json()
    assert [worker["status"] for worker in described["workers"]] == ["READY", "READY"]
    assert (int(described["minWorkers"]), int(described["maxWorkers"])) == (2, 2)


@pytest.mark.server
def test_metrics_reach_prometheus(stack: Stack) -> None:
    http.post(f"{stack.inference_url}/predictions/double", json={"x": [1]}, timeout=60).raise_for_status()

    def requests() -> list[Any]:
        query = {"query": 'ts_inference_requests_total{model_name="double"} > 0'}
        return http.get(f"{stack.prometheus_url}/api/v1/query", params=query, timeout=60).json()["data"][
            "result"
        ]

    (series,) = eventually(requests, "TorchServe's request counter in Prometheus")
    assert series["metric"]["job"] == "torchserve"
    assert series["metric"]["instance"] == f"127.0.0.1:{stack.ports.metrics}"


@pytest.mark.server
def test_prometheus_has_the_production_rules_and_finds_alertmanager(stack: Stack) -> None:
    groups = http.get(f"{stack.prometheus_url}/api/v1/rules", timeout=60).json()["data"]["groups"]
    (alerts,) = [group["rules"] for group in groups if group["name"] == "torchvitals-alerts"]
    production = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    seconds = {rule["alert"]: render.milliseconds(rule.get("for", "0s")) / 1000 for rule in production}
    assert {rule["name"]: rule["duration"] for rule in alerts} == seconds
    found = http.get(f"{stack.prometheus_url}/api/v1/alertmanagers", timeout=60).json()
    urls = [manager["url"] for manager in found["data"]["activeAlertmanagers"]]
    assert urls == [f"{stack.alertmanager_url}/api/v2/alerts"]


@pytest.mark.server
def test_requests_write_one_line_each(stack: Stack) -> None:
    access = stack.logs / "access_log.log"
    others = [stack.logs / name for name in ("stack.log", "ts_log.log", "model_log.log")]
    before, before_access = [lines(file) for file in others], predictions(access)
    with httpx.Client() as client:
        for _ in range(200):
            client.post(f"{stack.inference_url}/predictions/double", json={"x": [1]}).raise_for_status()
    eventually(lambda: predictions(access) >= before_access + 200, "the access log")
    assert predictions(access) == before_access + 200
    assert [lines(file) for file in others] == before


@pytest.mark.server
def test_failure_of_a_request_is_logged_at_once(stack: Stack) -> None:
    """Many times: a line that is logged beside one of another file's must not stay behind in a buffer."""
    log = stack.logs / "model_log.log"
    with httpx.Client() as client:
        for failures in range(1, 51):
            answer = client.post(f"{stack.inference_url}/predictions/double", json={"y": [1]}, timeout=60)
            assert answer.status_code == 503
            eventually(
                lambda seen=failures: log.read_text().count("KeyError: 'x'") == seen,  # type: ignore[misc]
                f"traceback {failures} in model_log.log",
            )


@pytest.mark.server
def test_alert_goes_through_alertmanager_to_the_receiver(stack: Stack) -> None:
    labels = {"alertname": "Tried", "severity": "info", "model_name": "double"}
    alert = {"labels": labels, "annotations": {"summary": "only <b>tried</b>"}}
    http.post(f"{stack.alertmanager_url}/api/v2/alerts", json=[alert], timeout=60).raise_for_status()

    def delivered() -> list[dict[str, Any]]:
        return [alert for alert in stack.notifications() if alert["labels"]["alertname"] == "Tried"]

    (received,) = eventually(delivered, "the notification")
    assert received["status"] == "firing"
    assert received["labels"] == labels
    assert received["annotations"] == {"summary": "only <b>tried</b>"}
    assert received["receivedAt"] >= received["startsAt"][:19]
    listed = http.get(f"{stack.receiver_url}/api/notifications", timeout=60).json()
    assert listed == stack.notifications() == http.get(f"{stack.receiver_url}/alerts", timeout=60).json()
    page = http.get(stack.receiver_url, timeout=60)
    assert "Tried" in page.text
    assert "only &lt;b&gt;tried&lt;/b&gt;" in page.text
    assert "<b>" not in page.text


@pytest.mark.server
@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[" * 500_000, 400, "nested too deeply"),
        (b"[]", 400, "no list 'alerts'"),
        (b'{"alerts": [1]}', 400, "alerts[0] is not an object"),
        (b'{"alerts": [{"status": "lost", "labels": {"alertname": "A"}}]}', 400, "alerts[0].status"),
        (b'{"alerts": [{"status": "firing"}]}', 400, "'alertname'"),
        (b'{"alerts": [{"status": "firing", "labels": {"alertname": 1}}]}', 400, "alerts[0].labels"),
        (b" " * 1_000_001, 413, "larger than 1000000 bytes"),
    ],
    ids=["broken", "binary", "deep", "list", "number", "status", "unnamed", "label", "large"],
)
def test_receiver_refuses_what_is_no_notification(stack: Stack, body: bytes, status: int, words: str) -> None:
    before = stack.notifications()
    answer = http.post(f"{stack.receiver_url}/alerts", content=body, timeout=60)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert stack.notifications() == before
    assert http.get(f"{stack.receiver_url}/health", timeout=60).json()["status"] == "ok"


@pytest.mark.server
def test_second_stack_in_the_same_folder_is_refused(stack: Stack, model_store: Path) -> None:
    second = Stack(stack.run_dir, model_store=model_store, models={"double": "double.mar"})
    with pytest.raises(StackError, match="another stack runs in"):
        second.start()
    assert http.get(f"{stack.inference_url}/ping", timeout=60).status_code == 200


@pytest.mark.server
def test_two_stacks_run_side_by_side_and_one_leaves_nothing(
    stack: Stack, model_store: Path, tmp_path: Path
) -> None:
    with Stack(tmp_path, model_store=model_store, models={"other": "double.mar"}) as second:
        second.wait_ready(READY_SECONDS)
        answer = http.post(f"{second.inference_url}/predictions/other", json={"x": [4]}, timeout=60)
        assert answer.json() == [8.0]
        running = processes_of(tmp_path)
        names = {process.name() for process in running}
        assert any("java" in name for name in names)
        assert any("model_service_worker.py" in " ".join(process.cmdline()) for process in running)
        temporary = temporary_folder(second)
        assert temporary.is_dir()
    assert processes_of(tmp_path) == []
    assert not temporary.exists()
    assert is_free(second.ports.inference)
    assert is_free(second.ports.prometheus)
    answer = http.post(f"{stack.inference_url}/predictions/double", json={"x": [4]}, timeout=60)
    assert answer.json() == [8.0]


@pytest.mark.server
def test_stop_while_workers_start_leaves_nothing(model_store: Path, tmp_path: Path) -> None:
    with Stack(tmp_path, model_store=model_store, models={"double": "double.mar"}, workers=2):
        eventually(
            lambda: [p for p in processes_of(tmp_path) if "model_service_worker.py" in " ".join(p.cmdline())],
            "a worker",
        )
    assert processes_of(tmp_path) == []


@pytest.mark.server
@pytest.mark.parametrize("name", ["prometheus", "receiver"])
def test_crash_of_a_part_ends_all_and_names_it(model_store: Path, tmp_path: Path, name: str) -> None:
    crashing = Stack(tmp_path, model_store=model_store, models={"double": "double.mar"})

    def run() -> None:
        with crashing:
            part(crashing, name).kill()
            crashing.wait_ready(READY_SECONDS)

    with pytest.raises(StackError, match=rf"^{name} ended with status -9, so the stack stopped"):
        run()
    assert processes_of(tmp_path) == []
    assert not temporary_folder(crashing).exists()


@pytest.mark.server
def test_crash_of_java_is_told_even_when_nobody_asks(model_store: Path, tmp_path: Path) -> None:
    crashing = Stack(tmp_path, model_store=model_store, models={"double": "double.mar"})

    def run() -> None:
        with crashing:
            crashing.wait_ready(READY_SECONDS)
            server = part(crashing, "torchserve")
            (java,) = [
                process for process in server.children() if "ModelServer" in " ".join(process.cmdline())
            ]
            java.kill()
            eventually(crashing.crash, "the crash")

    with pytest.raises(StackError, match=r"^torchserve ended with status"):
        run()
    assert processes_of(tmp_path) == []


@pytest.mark.server
def test_part_that_cannot_start_says_why(tmp_path: Path) -> None:
    def run(ports: Ports) -> None:
        with Stack(tmp_path, model_store=tmp_path, models={}, ports=ports) as failing:
            failing.wait_ready(READY_SECONDS)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = dataclasses.replace(Ports.free(), prometheus=taken.getsockname()[1])
        with pytest.raises(
            StackError, match=r"^prometheus ended with status 1, (?s:.)*address already in use"
        ):
            run(ports)
    assert processes_of(tmp_path) == []


@pytest.mark.server
@pytest.mark.parametrize(
    ("number", "status", "served"),
    [(signal.SIGINT, 0, True), (signal.SIGTERM, 143, False), (signal.SIGKILL, -9, True)],
)
def test_command_leaves_nothing_however_it_ends(
    model_store: Path, tmp_path: Path, number: signal.Signals, status: int, served: bool
) -> None:
    store = model_store if served else tmp_path
    command = [sys.executable, "-m", "stack", "--model-store", str(store), "--run-dir", str(tmp_path / "run")]
    command += ["--scrape-interval", "1s"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith("Ctrl-C"):
                break
        text = "".join(printed)
        assert "token check is off" in text
        assert "Predictions    http://127.0.0.1:" in text
        workers = [
            p for p in processes_of(tmp_path / "run") if "model_service_worker.py" in " ".join(p.cmdline())
        ]
        assert len(workers) == served
        process.send_signal(number)
        process.wait(300)
        assert process.returncode == status
    # After a SIGKILL, it is the supervisor that notices and ends the parts.
    eventually(lambda: not processes_of(tmp_path / "run"), "all processes to end")
    assert not Path(json.loads((tmp_path / "run" / "plan.json").read_text())["temporary"]).exists()


def test_missing_archive_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"model 'm': there is no 'm\.mar' in .*torchvitals package"):
        Stack(tmp_path / "run", model_store=tmp_path, models={"m": "m.mar"}).start()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([], "Java, which TorchServe runs on, is missing: no program 'java'"),
        (["java"], "TorchServe is missing: no program 'torchserve'"),
        (["java", "torchserve"], "Prometheus is missing: no program 'prometheus'"),
        (
            ["java", "torchserve", "prometheus"],
            "Alertmanager is missing: no program 'prometheus-alertmanager' or 'alertmanager'",
        ),
    ],
    ids=["java", "torchserve", "prometheus", "alertmanager"],
)
def test_missing_program_is_named_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str], missing: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in there:
        (folder / name).symlink_to("/bin/true")
    monkeypatch.setattr(programs, "OWN", tmp_path / "none")
    monkeypatch.setattr(programs, "BESIDE_PYTHON", tmp_path / "none")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    (tmp_path / "m.mar").touch()
    with pytest.raises(MissingProgramError) as raised:
        Stack(tmp_path / "run", model_store=tmp_path, models={"m": "m.mar"}).start()
    assert str(raised.value).startswith(missing)
    assert "'make setup' installs it" in str(raised.value)


def test_programs_of_the_project_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alertmanager").symlink_to("/bin/true")
    monkeypatch.setattr(programs, "OWN", tmp_path)
    assert programs.find("alertmanager", "prometheus-alertmanager") == tmp_path / "alertmanager"


@pytest.mark.parametrize(
    ("program", "options"), [("grafana", ["server"]), ("grafana-server", [])], ids=["new", "old"]
)
def test_grafana_is_started_with_its_own_files(tmp_path: Path, program: str, options: list[str]) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "defaults.ini").touch()
    path = tmp_path / "bin" / program
    path.touch()
    assert programs.grafana_command(path) == [str(path), *options, "--homepath", str(tmp_path)]


def test_run_differs_from_production_only_where_it_must(tmp_path: Path) -> None:
    ports = Ports.free()
    production = (ROOT / "config.properties").read_text().splitlines()
    text = render.config_properties(
        ports, model_store=tmp_path, models={"a": "a.mar", "b": "c.mar"}, workers=3
    )
    rendered = text.splitlines()
    assert len(rendered) == len(production)
    changed = dict(new.split("=", 1) for old, new in zip(production, rendered, strict=True) if old != new)
    assert changed.pop("initial_worker_port", "9000").isdigit()
    assert changed == {
        "inference_address": f"http://127.0.0.1:{ports.inference}",
        "management_address": f"http://127.0.0.1:{ports.management}",
        "metrics_address": f"http://127.0.0.1:{ports.metrics}",
        "grpc_inference_port": str(ports.grpc_inference),
        "grpc_management_port": str(ports.grpc_management),
        "model_store": str(tmp_path),
        "load_models": "a=a.mar,b=c.mar",
        "default_workers_per_model": "3",
        "metrics_config": str(ROOT / "metrics.yaml"),
        "disable_token_authorization": "true",
        "enable_model_api": "true",
    }

    original = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    prometheus = yaml.safe_load(render.prometheus_yml(ports, interval="1s"))
    assert prometheus["global"] == {
        "scrape_interval": "1s",
        "evaluation_interval": "1s",
        "scrape_timeout": "1s",
    }
    assert prometheus["rule_files"] == [str(ROOT / "prometheus" / name) for name in original["rule_files"]]
    assert [job["job_name"] for job in prometheus["scrape_configs"]] == [
        "torchserve",
        "prometheus",
        "alertmanager",
        "labels",
    ]
    targets = [job["static_configs"][0]["targets"] for job in prometheus["scrape_configs"][:3]]
    expected = (ports.metrics, ports.prometheus, ports.alertmanager)
    assert targets == [[f"127.0.0.1:{port}"] for port in expected]
    assert yaml.safe_load(render.prometheus_yml(ports))["global"] == original["global"]

    original = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())
    alertmanager = yaml.safe_load(render.alertmanager_yml(ports))
    assert alertmanager["route"] == original["route"]
    assert alertmanager["inhibit_rules"] == original["inhibit_rules"]
    quick = yaml.safe_load(render.alertmanager_yml(ports, interval="1s"))["route"]
    assert quick == {**original["route"], "group_wait": "15s", "group_interval": "1m"}
    (webhook,) = alertmanager["receivers"][0]["webhook_configs"]
    assert webhook == {
        "url": f"http://127.0.0.1:{ports.receiver}/alerts",
        "send_resolved": True,
        "max_alerts": 100,
    }


def test_production_setting_that_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.properties").write_text("inference_address=http://127.0.0.1:8080\n")
    with pytest.raises(StackError, match="lacks the settings management_address, "):
        render.config_properties(
            Ports(), model_store=tmp_path, models={}, workers=1, source=tmp_path / "config.properties"
        )


@pytest.mark.parametrize("interval", ["", "1", "s", "1 s", "1d2", "soon"])
def test_interval_that_is_no_duration_is_refused(interval: str) -> None:
    with pytest.raises(StackError, match="is not a duration such as '1s'"):
        render.prometheus_yml(Ports(), interval=interval)


def test_receiver_keeps_what_arrived_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "notifications.jsonl"
    alert = {"status": "firing", "labels": {"alertname": "A"}}
    receiver.Notifications(file).add([alert])
    again = receiver.Notifications(file)
    assert [kept["labels"] for kept in again.alerts] == [{"alertname": "A"}]
    # A line that is still being written is not read.
    with file.open("a") as handle:
        handle.write('{"status": "fir')
    assert len(receiver.read(file)) == 1


def test_receiver_page_shows_the_newest_first_and_no_foreign_links() -> None:
    def alert(name: str, link: str) -> dict[str, Any]:
        return {
            "receivedAt": "2024-01-01T00:00:00.000+00:00",
            "status": "resolved",
            "labels": {"alertname": name, "severity": "warning"},
            "annotations": {"runbook_url": link},
        }

    html = receiver.html([alert("Old", "https://example.test/old"), alert("New", "javascript:alert(1)")])
    assert html.index("New") < html.index("Old")
    assert 'href="https://example.test/old"' in html
    assert "javascript" not in html
    assert "prefers-color-scheme: dark" in html
    assert "Nothing has arrived yet" in receiver.html([])
