"""docker-compose.yml, run: images are built, everything starts, predictions and an alert go all the way, all stops.

Needs a Docker engine, or root on Debian to start one (``make test-compose``). Images that cannot be pulled are
replaced by stand-ins of the same names (standins.py); Grafana has none and is then left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from examples.flight_delay.data import LABEL
from examples.flight_delay.model import FlightDelayNet
from stack.loopback import http

from . import standins
from .engine import Engine, NoEngineError, engine, provide

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = (["docker", "compose"], ["docker-compose"])
BUILT = ("torchserve", "receiver", "retraining", "labels")
PORTS = (
    "INFERENCE_PORT",
    "MANAGEMENT_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "RECEIVER_PORT",
    "RETRAINING_PORT",
    "LABELS_PORT",
    "GRAFANA_PORT",
)
MODEL = "flight_delay"
REQUESTS = 200
PULL_SECONDS = 900.0
HEALTHY_SECONDS = 240.0
# A flush of the worker (5 s), a scrape (15 s) and as much again.
SCRAPED_SECONDS = 40.0
# A scrape (15 s), `for` (1 m), an evaluation (15 s), and as much again: a critical alert waits for no other.
ALERT_SECONDS = 180.0
# What waits for no other, which an alert that began longer ago than group_wait (5 m) does not either.
NOTIFIED_SECONDS = 30.0


@dataclass(frozen=True)
class Compose:
    """The compose project of this run."""

    engine: Engine
    program: list[str]
    project: str
    files: list[Path]
    environment: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)  # service: why

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run a compose command and return its standard output; with ``check``, fail with its output."""
        files = [part for file in self.files for part in ("-f", str(file))]
        return run([*self.program, "-p", self.project, *files, *arguments], self.environment, check=check)

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run a docker command and return its standard output."""
        return run(["docker", *arguments], self.environment, check=check)

    def services(self) -> dict[str, Any]:
        """Return the services of docker-compose.yml as compose reads it."""
        services: dict[str, Any] = yaml.safe_load(self("config"))["services"]
        return services

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return what the engine knows of the project's containers, by service."""
        ids = self.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}").split()
        found = json.loads(self.docker("inspect", *ids)) if ids else []
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}

    def left(self) -> list[str]:
        """Return whatever of the project is still in the engine: containers, volumes, networks, images."""
        label = f"label=com.docker.compose.project={self.project}"
        return [
            *self.docker("ps", "-aq", "--filter", label).split(),
            *self.docker("volume", "ls", "-q", "--filter", label).split(),
            *self.docker("network", "ls", "-q", "--filter", label).split(),
            *self.docker("images", "-q", "--filter", f"reference={self.project}*").split(),
        ]

    def url(self, variable: str) -> str:
        """Return the address of a published port, by the variable that sets it."""
        return f"http://127.0.0.1:{self.environment[variable]}"


def run(command: list[str], environment: dict[str, str], *, check: bool = True) -> str:
    """Run a command in the repository and return its standard output."""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-60:])
        pytest.fail(f"{' '.join(command)} ended with status {done.returncode}:\n{output}", pytrace=False)
    return done.stdout


def wait_for(what: str, seconds: float, ready: Callable[[], Any], *, compose: Compose) -> Any:
    """Return the first true answer of ``ready``; fail with the services' logs when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := ready():
            return answer
        time.sleep(1)
    logs = compose("logs", "--tail=40", check=False)
    return pytest.fail(f"no {what} within {seconds:.0f} s\n{logs}", pytrace=False)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def available_programs(environment: dict[str, str]) -> list[list[str]]:
    """Return the compose programs that this machine has."""
    found = []
    for program in PROGRAMS:
        if shutil.which(program[0]):
            answer = subprocess.run([*program, "version"], env=environment, capture_output=True, check=False)
            found += [program] if answer.returncode == 0 else []
    return found


def python_image() -> str:
    """Return the name of the image that ours stands on."""
    match = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert match, "the Dockerfile has no line ARG PYTHON_IMAGE=..."
    return match[1]


def image_requirements() -> list[str]:
    """Return what the Dockerfile installs with pip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["serve"],
        "starlette",
        "uvicorn",
        *(
            line
            for folder in ("retraining", "labels")
            for line in (ROOT / folder / "requirements.txt").read_text().splitlines()
            if not line.startswith("#")
        ),
    ]


def obtain(the_engine: Engine, name: str) -> bool:
    """Say whether the engine has the image ``name`` or can pull it."""
    for command in (["image", "inspect", name], ["pull", "-q", name]):
        try:
            answer = subprocess.run(
                ["docker", *command],
                env=the_engine.environment,
                capture_output=True,
                timeout=PULL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        if answer.returncode == 0:
            return True
    return False


def stand_in(the_engine: Engine, name: str) -> bool:
    """Make a stand-in for ``name`` where there can be one; say whether there is.

    Skips the test where the machine cannot make one.
    """
    recipe = standins.RECIPES.get(name.split(":")[0])
    if name != python_image() and recipe is None:
        return False
    try:
        provide(["debootstrap"])
    except NoEngineError as error:
        pytest.skip(f"{name} cannot be pulled; {error}, which makes a stand-in for it")
    if recipe is None:
        constraints = ROOT / "constraints.txt"
        standins.make_python(the_engine, name, requirements=image_requirements(), constraints=constraints)
    else:
        standins.make_program(the_engine, name, recipe, base=python_image())
    return True


def package(folder: Path) -> Path:
    """Train the example, build its baseline, pack both as the README does; return the folder of the archive."""
    programs, example, store = Path(sys.executable).parent, ROOT / "examples/flight_delay", folder / "models"
    store.mkdir()
    baseline = folder / f"{MODEL}-1.0.json"
    for command in (
        [sys.executable, "-m", "examples.flight_delay.train", "--output", folder],
        [programs / "torchvitals", "baseline", "build", "--data", folder / "train.parquet",
         "--model", example / "model.py", "--weights", folder / "model.pt",
         "--columns", ",".join(FlightDelayNet.COLUMNS), "--class-names", ",".join(FlightDelayNet.CLASSES),
         "--output", baseline],
        [programs / "torch-model-archiver", "--model-name", MODEL, "--version", "1.0",
         "--handler", example / "handler.py", "--model-file", example / "model.py",
         "--serialized-file", folder / "model.pt", "--extra-files", f"{ROOT / 'handlers'},{baseline}",
         "--config-file", example / "model-config.yaml", "--export-path", store],
    ):  # fmt: skip
        run([str(part) for part in command], dict(os.environ))
    return store


def flights(folder: Path) -> list[dict[str, float | None]]:
    """Return the first held-out flights as the requests that a client sends."""
    frame = pd.read_parquet(folder / "heldout.parquet", columns=list(FlightDelayNet.COLUMNS)).head(REQUESTS)
    rows: list[dict[str, float | None]] = json.loads(frame.to_json(orient="records"))  # NaN becomes null
    return rows


def truths(folder: Path) -> list[str]:
    """Return the true classes of the same flights."""
    frame = pd.read_parquet(folder / "heldout.parquet", columns=[LABEL]).head(REQUESTS)
    return [FlightDelayNet.CLASSES[place] for place in frame[LABEL]]


def all_healthy(compose: Compose) -> bool:
    """Say whether each service that was started has a container that is running and healthy."""
    states = {name: container["State"] for name, container in compose.containers().items()}
    expected = set(compose.services()) - set(compose.left_out)
    return set(states) == expected and all(
        state["Running"] and state.get("Health", {}).get("Status") == "healthy" for state in states.values()
    )


def query(compose: Compose, expression: str) -> float | None:
    """Return the value of a Prometheus expression with one series at most, None for no series."""
    answer = http.get(
        f"{compose.url('PROMETHEUS_PORT')}/api/v1/query", params={"query": expression}, timeout=10
    )
    result = answer.raise_for_status().json()["data"]["result"]
    assert len(result) <= 1, f"{expression} has {len(result)} series"
    return float(result[0]["value"][1]) if result else None


@pytest.fixture(scope="module")
def the_engine() -> Iterator[Engine]:
    try:
        with engine() as found:
            yield found
    except NoEngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def compose(
    the_engine: Engine, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Compose]:
    """The whole compose file, built, started and healthy."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    terminal = pytestconfig.get_terminal_writer()

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.line(f"\n{line}")

    programs = available_programs(the_engine.environment)
    if not programs:
        pytest.skip("neither `docker compose` nor `docker-compose` is here; apt-get install docker-compose")
    folder = tmp_path_factory.mktemp("compose")
    folder.chmod(0o755)  # the container's user is another one
    made: list[str] = []
    project = Compose(
        engine=the_engine,
        program=programs[0],
        project=f"torchvitals-test-{os.getpid()}",
        files=[ROOT / "docker-compose.yml"],
        environment={
            **the_engine.environment,
            **dict(zip(PORTS, map(str, free_ports(len(PORTS))))),
            "MODEL_STORE": str(package(folder)),
        },
    )
    try:
        images = {name: settings.get("image") for name, settings in project.services().items()}
        # The Python image first: the other stand-ins stand on it.
        for name in (python_image(), *filter(None, images.values())):
            if obtain(the_engine, name):
                continue
            if stand_in(the_engine, name):
                made.append(name)
                say(f"{name} cannot be pulled: a stand-in was made from Debian's packages")
            else:
                reason = f"{name} cannot be pulled and has no stand-in"
                project.left_out.update(
                    (service, reason) for service, image in images.items() if image == name
                )
                say(f"{reason}: left out")
        if the_engine.own:  # its containers reach the outside only through the host's own network
            override = folder / "build-network.yml"
            override.write_text(
                yaml.safe_dump({"services": {name: {"build": {"network": "host"}} for name in BUILT}})
            )
            project.files.append(override)
        project("build")
        project(
            "up", "-d", "--no-build", *(name for name in project.services() if name not in project.left_out)
        )
        wait_for("healthy services", HEALTHY_SECONDS, lambda: all_healthy(project), compose=project)
        yield project
    finally:
        project("down", "--volumes", "--rmi", "local", "--remove-orphans", "--timeout", "20")
        for name in reversed(made):
            project.docker("rmi", "--no-prune", name, check=False)


def test_every_compose_program_accepts_the_file(the_engine: Engine) -> None:
    programs = available_programs(the_engine.environment)
    if not programs:
        pytest.skip("neither `docker compose` nor `docker-compose` is here; apt-get install docker-compose")
    files = ["-f", str(ROOT / "docker-compose.yml")]
    gpu = ["-f", str(ROOT / "deploy/compose/gpu.yml")]
    for program in programs:
        services = yaml.safe_load(run([*program, *files, "config"], dict(os.environ)))["services"]
        assert set(services) == {
            "torchserve", "prometheus", "alertmanager", "receiver", "retraining", "labels", "grafana",
        }, program  # fmt: skip
        with_gpu = yaml.safe_load(run([*program, *files, *gpu, "config"], dict(os.environ)))["services"]
        [device] = with_gpu["torchserve"]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"]), program
        assert with_gpu["torchserve"]["build"]["args"] == {"TORCH_INDEX_URL": ""}, program


def test_only_grafana_may_be_left_out(compose: Compose) -> None:
    assert set(compose.left_out) <= {"grafana"}


def test_published_ports_are_on_loopback_and_metrics_is_not_published(compose: Compose) -> None:
    published = {
        name: {port: bindings for port, bindings in container["NetworkSettings"]["Ports"].items() if bindings}
        for name, container in compose.containers().items()
    }
    assert set(published["torchserve"]) == {"8080/tcp", "8081/tcp"}
    hosts = {
        binding["HostIp"]
        for ports in published.values()
        for bindings in ports.values()
        for binding in bindings
    }
    assert hosts == {"127.0.0.1"}


def test_no_container_runs_as_root_or_can_become_root(compose: Compose) -> None:
    for name, container in compose.containers().items():
        assert compose("exec", "-T", name, "id", "-u").strip() != "0", name
        assert container["HostConfig"]["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in container["HostConfig"]["SecurityOpt"], name


def test_a_request_without_a_token_is_refused(compose: Compose) -> None:
    if compose.environment.get("DISABLE_TOKEN_AUTHORIZATION") == "true":
        pytest.skip("DISABLE_TOKEN_AUTHORIZATION is true; unset it to run this")
    answer = http.post(f"{compose.url('INFERENCE_PORT')}/predictions/{MODEL}", json={}, timeout=10)
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidKeyException")


@pytest.fixture(scope="module")
def outcomes(compose: Compose) -> dict[str, tuple[str, str]]:
    """The class that TorchServe answers for each flight, and the true one, by the flight's id."""
    tokens = compose("exec", "-T", "torchserve", "cat", "key_file.json", check=False)
    headers = {"Authorization": f"Bearer {json.loads(tokens)['inference']['key']}"} if tokens else {}
    folder = Path(compose.environment["MODEL_STORE"]).parent
    found = {}
    with httpx.Client(base_url=compose.url("INFERENCE_PORT"), headers=headers, timeout=30) as client:
        for number, (row, true) in enumerate(zip(flights(folder), truths(folder))):
            name = f"flight {number}"
            answer = client.post(f"/predictions/{MODEL}", json=row, headers={"X-Prediction-Id": name})
            assert answer.status_code == 200, answer.text
            assert sum(answer.json()["probabilities"].values()) == pytest.approx(1, abs=1e-4)
            found[name] = answer.json()["class"], true
    return found


def test_predictions_are_served_and_counted_in_prometheus(
    compose: Compose, outcomes: dict[str, tuple[str, str]]
) -> None:
    assert len(outcomes) == REQUESTS
    counted = f'sum(model_requests_total{{model_name="{MODEL}",outcome="ok"}})'
    wait_for(
        f"{REQUESTS} requests in Prometheus",
        SCRAPED_SECONDS,
        lambda: query(compose, counted) == REQUESTS,
        compose=compose,
    )
    bins = f'sum(model_feature_observations_total{{model_name="{MODEL}",source="input",feature="temp"}})'
    assert query(compose, bins) == REQUESTS


def test_prometheus_has_every_target_rule_and_its_alertmanager(compose: Compose) -> None:
    wait_for("targets that are up", SCRAPED_SECONDS, lambda: query(compose, "min(up)") == 1, compose=compose)
    assert query(compose, "count(up)") == 5
    api = f"{compose.url('PROMETHEUS_PORT')}/api/v1"
    groups = http.get(f"{api}/rules", timeout=10).raise_for_status().json()["data"]["groups"]
    loaded = {rule["name"] for group in groups for rule in group["rules"]}
    assert {
        rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")
    } == set()
    for file in ("prometheus/rules.yml", "prometheus/alerts.yml"):
        for group in yaml.safe_load((ROOT / file).read_text())["groups"]:
            assert {rule.get("alert") or rule["record"] for rule in group["rules"]} <= loaded
    managers = (
        http.get(f"{api}/alertmanagers", timeout=10).raise_for_status().json()["data"]["activeAlertmanagers"]
    )
    assert [manager["url"] for manager in managers] == ["http://alertmanager:9093/api/v2/alerts"]


def test_grafana_has_the_dashboards_and_reaches_prometheus(compose: Compose) -> None:
    if "grafana" in compose.left_out:
        pytest.skip(compose.left_out["grafana"])
    with httpx.Client(base_url=compose.url("GRAFANA_PORT"), timeout=10) as client:
        found = {each["uid"] for each in client.get("/api/search", params={"type": "dash-db"}).json()}
        files = (ROOT / "grafana/dashboards").glob("*.json")
        assert {json.loads(file.read_text())["uid"] for file in files} <= found
        answer = client.get(
            "/api/datasources/proxy/uid/torchvitals-prometheus/api/v1/query", params={"query": "min(up)"}
        )
        assert answer.raise_for_status().json()["data"]["result"][0]["value"][1] == "1"


def received(compose: Compose, alertname: str) -> list[dict[str, Any]]:
    """Return what the receiver got of one alert."""
    answer = http.get(f"{compose.url('RECEIVER_PORT')}/alerts", timeout=10).raise_for_status().json()
    return [alert for alert in answer if alert["labels"]["alertname"] == alertname]


def decisions(compose: Compose) -> list[dict[str, Any]]:
    """Return the retraining service's record, which its token opens."""
    token = compose("exec", "-T", "retraining", "cat", "/run/retraining/token").strip()
    answer = http.get(
        f"{compose.url('RETRAINING_PORT')}/decisions",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


def test_an_alert_that_asks_for_retraining_is_decided_and_starts_nothing(compose: Compose) -> None:
    address = f"{compose.url('RETRAINING_PORT')}/alerts"
    assert http.post(address, json={}, timeout=10).status_code == 401
    assert decisions(compose) == []
    labels = {
        "alertname": "ModelRetrainNeeded", "action": "retrain", "severity": "warning", "cause": "retrain",
        "model_name": MODEL, "model_version": "1.0",
    }  # fmt: skip
    http.post(
        f"{compose.url('ALERTMANAGER_PORT')}/api/v2/alerts",
        json=[
            {
                "labels": labels,
                "annotations": {"summary": "from the test"},
                "startsAt": (datetime.now(timezone.utc) - timedelta(minutes=6)).isoformat(),
            }
        ],
        timeout=10,
    ).raise_for_status()
    [decision] = wait_for(
        "decision about the alert", NOTIFIED_SECONDS, lambda: decisions(compose), compose=compose
    )
    assert (decision["model_name"], decision["verdict"]) == (MODEL, "dry_run")
    assert decision["alerts"][0]["labels"] == labels
    assert decision["tries"] == []
    # People are told of it as well, and Prometheus counts it.
    wait_for(
        "ModelRetrainNeeded at the receiver",
        NOTIFIED_SECONDS,
        lambda: received(compose, "ModelRetrainNeeded"),
        compose=compose,
    )
    counted = f'retraining_decisions_total{{model_name="{MODEL}",verdict="dry_run"}}'
    wait_for("decision in Prometheus", SCRAPED_SECONDS, lambda: query(compose, counted) == 1, compose=compose)


def test_what_the_retraining_service_knows_outlives_its_container(compose: Compose) -> None:
    before, identity = decisions(compose), compose.containers()["retraining"]["Id"]
    token = compose("exec", "-T", "retraining", "cat", "/run/retraining/token")
    compose("rm", "--stop", "--force", "retraining")
    compose("up", "-d", "--no-build", "--no-deps", "retraining")
    wait_for("healthy services", HEALTHY_SECONDS, lambda: all_healthy(compose), compose=compose)
    assert compose.containers()["retraining"]["Id"] != identity
    assert compose("exec", "-T", "retraining", "cat", "/run/retraining/token") == token
    assert decisions(compose) == before != []


def send_labels(compose: Compose, outcomes: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Send what was true of each flight, with the service's token; return the answer."""
    token = compose("exec", "-T", "labels", "cat", "/var/lib/labels/token").strip()
    answer = http.post(
        f"{compose.url('LABELS_PORT')}/labels",
        headers={"Authorization": f"Bearer {token}"},
        json=[{"id": name, "label": label} for name, (_, label) in outcomes.items()],
        timeout=30,
    )
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def test_labels_find_their_predictions_and_are_counted_in_prometheus(
    compose: Compose, outcomes: dict[str, tuple[str, str]]
) -> None:
    address = f"{compose.url('LABELS_PORT')}/labels"
    assert http.post(address, json=[], timeout=10).status_code == 401
    sent = send_labels(compose, outcomes)
    assert sent == {"new": REQUESTS, "same": 0, "corrected": 0, "refused": 0, "refusals": []}
    added = f'{{model_name="{MODEL}",model_version="1.0",change="added"}}'
    wait_for(
        f"{REQUESTS} labels in Prometheus",
        SCRAPED_SECONDS,
        lambda: query(compose, f"sum(model_labelled_total{added})") == REQUESTS,
        compose=compose,
    )
    right = sum(answer == true for answer, true in outcomes.values())
    assert query(compose, f"sum(model_labelled_correct_total{added})") == right
    # TorchServe's user wrote the files of predictions, and the service took them away.
    assert compose("exec", "-T", "torchserve", "ls", "logs/predictions") == ""


def test_what_the_labels_service_knows_outlives_its_container(
    compose: Compose, outcomes: dict[str, tuple[str, str]]
) -> None:
    identity = compose.containers()["labels"]["Id"]
    token = compose("exec", "-T", "labels", "cat", "/var/lib/labels/token")
    compose("rm", "--stop", "--force", "labels")
    compose("up", "-d", "--no-build", "--no-deps", "labels")
    wait_for("healthy services", HEALTHY_SECONDS, lambda: all_healthy(compose), compose=compose)
    assert compose.containers()["labels"]["Id"] != identity
    assert compose("exec", "-T", "labels", "cat", "/var/lib/labels/token") == token
    sent = send_labels(compose, outcomes)
    assert (sent["new"], sent["same"]) == (0, REQUESTS)
    counted = http.get(f"{compose.url('LABELS_PORT')}/metrics", timeout=10).raise_for_status().text
    samples = [s for family in text_string_to_metric_families(counted) for s in family.samples]
    added = [
        s.value for s in samples if (s.name, s.labels.get("change")) == ("model_labelled_total", "added")
    ]
    assert sum(added) == REQUESTS


def test_torchserve_stops_cleanly_and_its_end_reaches_the_receiver(compose: Compose) -> None:
    started = time.monotonic()
    compose("stop", "--timeout", "30", "torchserve")
    assert time.monotonic() - started < 20, "TorchServe did not end by itself"
    assert compose.containers()["torchserve"]["State"]["ExitCode"] == 0

    alert = wait_for(
        "TorchServeDown at the receiver",
        ALERT_SECONDS,
        lambda: received(compose, "TorchServeDown"),
        compose=compose,
    )[0]
    assert alert["status"] == "firing"
    # It is about all servers of the job; there is one here, and the text names it.
    assert alert["annotations"]["summary"] == "TorchServe at torchserve:8082 cannot be reached"
    assert alert["labels"]["severity"] == "critical"


def test_torchserve_comes_back_after_a_stop(compose: Compose) -> None:
    compose("start", "torchserve")
    wait_for("healthy services", HEALTHY_SECONDS, lambda: all_healthy(compose), compose=compose)


def test_down_leaves_nothing(compose: Compose) -> None:
    assert compose.left() != []
    compose("down", "--volumes", "--rmi", "local", "--timeout", "20")
    assert compose.left() == []
