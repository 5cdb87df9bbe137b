"""A healthy stack, and TorchServes that are set up otherwise."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ts
import yaml
from typer.testing import CliRunner

from stack import Stack, programs, render
from stack.loopback import http
from stack.ports import Ports, url
from stack.waiting import Program, eventually
from torchvitals.cli import app
from torchvitals.cli.doctor.page import Page
from torchvitals.telemetry import catalogue as m

from .models import FAULTY, HEALTHY

READY_SECONDS = 600
ROW = [0.1, -0.2, 0.3]
Config = dict[str, Any]
REQUESTS = 12


def examined(*words: str | Path, status: int = 1) -> list[str]:
    """Return what the doctor finds; each finding says how to fix it."""
    done = CliRunner().invoke(app, ["doctor", "--json", *map(str, words)])
    assert done.exit_code == status, done.output
    findings = json.loads(done.stdout)
    assert all(finding["remedy"] and finding["part"] for finding in findings)
    return [finding["problem"] for finding in findings]


def eventually_found(expected: list[str], *words: str | Path) -> list[str]:
    """Return what the doctor finds once it has found what is expected."""
    found: list[str] = []

    def all_found() -> bool:
        result = CliRunner().invoke(app, ["doctor", "--json", *map(str, words)])
        found[:] = [finding["problem"] for finding in json.loads(result.stdout)]
        return all(any(text in problem for problem in found) for text in expected)

    eventually(all_found, lambda: f"{expected} in {found}", poll_seconds=0.5)
    return found


def free() -> str:
    """Return an address at which nothing answers."""
    return url(Ports.free().receiver)


@contextmanager
def prometheus(folder: Path, config: Config) -> Iterator[str]:
    port = Ports.free().prometheus
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    # What it sends before it has found an Alertmanager is lost, and comes again a minute later.
    command = [*programs.prometheus(file, data=folder / "data", port=port), "--rules.alert.resend-delay=1s"]
    with Program(command, health=f"{url(port)}/-/ready", log=folder / "prometheus.log"):
        yield url(port)


def healthy_config(stack: Stack) -> Config:
    config: Config = yaml.safe_load(render.prometheus_yml(stack.ports, interval="1s"))
    return config


def eventually_healthy(*words: str | Path) -> None:
    """Return when the doctor finds nothing."""
    said: list[str] = []

    def healthy() -> bool:
        result = CliRunner().invoke(app, ["doctor", *map(str, words)])
        said[:] = [result.output]
        return result.exit_code == 0

    eventually(healthy, lambda: f"a healthy stack:\n{said[0]}", poll_seconds=0.5)


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that scrapes every second, with one model that has a baseline."""
    store = tmp_path_factory.mktemp("store")
    archives = {"healthy": HEALTHY.pack(store, "healthy")}
    with Stack(
        tmp_path_factory.mktemp("stack"), model_store=store, models=archives, scrape_interval="1s"
    ) as running:
        running.wait_ready(READY_SECONDS)
        http.post(f"{running.inference_url}/predictions/healthy", json=ROW).raise_for_status()
        eventually(lambda: _has(running, "model:model_monitor:fresh_workers"), "the recording rules")
        yield running


@pytest.fixture(scope="package")
def places(stack: Stack) -> list[str | Path]:
    """Where the healthy stack is."""
    return [
        stack.run_dir,
        "--prometheus",
        stack.prometheus_url,
        "--alertmanager",
        stack.alertmanager_url,
    ]


@pytest.fixture(scope="package")
def faulty_models(stack: Stack) -> None:
    """The stack's TorchServe with each of the faulty models, after requests."""
    for name, model in FAULTY.items():
        options = {"url": model.pack(stack.model_store, name), "initial_workers": "1", "synchronous": "false"}
        http.post(f"{stack.management_url}/models", params=options).raise_for_status()
    serving = [name for name in FAULTY if name != "broken"]
    for name in serving:
        eventually(lambda name=name: _ready(stack, name), f"model {name}")
    for name in serving:
        for _ in range(REQUESTS):
            http.post(f"{stack.inference_url}/predictions/{name}", json=ROW).raise_for_status()
    eventually(lambda: _unseen(stack) >= REQUESTS, "requests that are not seen")
    log = stack.logs / "model_log.log"
    eventually(
        lambda: "broken_1.0-stdout MODEL_LOG - ModuleNotFoundError" in log.read_text(), "the failed load"
    )


@dataclass(frozen=True)
class Server:
    """A TorchServe alone. folder: it starts in."""

    folder: Path
    ports: Ports

    @property
    def words(self) -> list[str]:
        """Where it is, for a doctor who does not know its folder."""
        addresses = ["--management", url(self.ports.management), "--metrics", url(self.ports.metrics)]
        return [url(self.ports.inference), *addresses, *self.alone]

    @property
    def alone(self) -> list[str]:
        return ["--without", "prometheus", "--without", "alertmanager"]


def _settings(ports: Ports, **added: str) -> str:
    lines = {
        "inference_address": url(ports.inference),
        "management_address": url(ports.management),
        "metrics_address": url(ports.metrics),
        "grpc_inference_port": str(ports.grpc_inference),
        "grpc_management_port": str(ports.grpc_management),
        **added,
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _torchserve(folder: Path, ports: Ports, scratch: str, *, health: str) -> Program:
    """Return a TorchServe of its own defaults: Java itself, which passes a stop signal on."""
    package = Path(ts.__file__).parent
    java = programs.require("Java", "java")
    words = [str(java), f"-Dmodel_server_home={package.parent}", f"-Djava.io.tmpdir={scratch}"]
    words += ["-cp", f"{package}/frontend/*", "org.pytorch.serve.ModelServer", "--python", sys.executable]
    words += ["-f", str(folder / "config.properties"), "-s", str(folder), "-ncs"]
    environment = {**os.environ, "TMPDIR": scratch, "TEMP": scratch}
    return Program(words, health=health, log=folder / "out.log", folder=folder, environment=environment)


@pytest.fixture(scope="package")
def default_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A TorchServe as it is without configuration: tokens, its own logging, metrics in a file; it serves a model."""
    folder, ports, scratch = tmp_path_factory.mktemp("default"), Ports.free(), tempfile.mkdtemp()
    archive = HEALTHY.pack(folder, "healthy")
    (folder / "config.properties").write_text(
        _settings(ports, load_models=f"healthy={archive}", default_workers_per_model="1")
    )
    with _torchserve(folder, ports, scratch, health=f"{url(ports.metrics)}/metrics"):
        keys = folder / "key_file.json"
        eventually(keys.is_file, "the tokens")
        key = json.loads(keys.read_text())["inference"]["key"]
        header = {"Authorization": f"Bearer {key}"}

        def answered() -> bool:
            address = f"{url(ports.inference)}/predictions/healthy"
            return http.post(address, json=ROW, headers=header).status_code == 200

        eventually(answered, "an answer of the model")
        for _ in range(REQUESTS):
            assert answered()
        yield Server(folder, ports)
    shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="package")
def server_without_ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A TorchServe that shows metrics, and knows its own alone."""
    folder, ports, scratch = tmp_path_factory.mktemp("own"), Ports.free(), tempfile.mkdtemp()
    (folder / "config.properties").write_text(
        _settings(ports, metrics_mode="prometheus", disable_token_authorization="true")
    )
    with _torchserve(folder, ports, scratch, health=f"{url(ports.inference)}/ping"):
        yield Server(folder, ports)
    shutil.rmtree(scratch, ignore_errors=True)


def _has(stack: Stack, query: str) -> list[Any]:
    found = http.get(f"{stack.prometheus_url}/api/v1/query", params={"query": query}).json()
    return list(found["data"]["result"])


def _ready(stack: Stack, name: str) -> bool:
    (described,) = http.get(f"{stack.management_url}/models/{name}").json()
    return [worker["status"] for worker in described["workers"]] == ["READY"]


def _unseen(stack: Stack) -> float:
    """Return how many requests to the model `unseen` the page has, as served and as not seen; half a flush is none."""
    page = Page.read(http.get(f"{stack.metrics_url}/metrics").text)
    key = ("unseen", "1.0")
    stage = sum(
        value
        for labels, value in page.of(m.MONITOR_UNSEEN.name)
        if labels["model_name"] == key[0] and labels["reason"] == "stage"
    )
    return min(stage, page.models(m.REQUESTS.name).get(key, 0.0))
