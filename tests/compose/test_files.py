"""docker-compose.yml, the Dockerfile and what they mount, as far as files alone can tell; no Docker is needed."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tomllib
import yaml
from packaging.requirements import Requirement

from retraining.config import Config, UrlAction

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*")


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


render = load("deploy/compose/render.py")
healthcheck = load("deploy/compose/healthcheck.py")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def stage(name: str) -> str:
    """Return the instructions of a target of the Dockerfile."""
    found = re.search(
        rf"^FROM \S+ AS {name}\n(.+?)(?=^FROM |\Z)",
        (ROOT / "Dockerfile").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    assert found is not None, name
    return found[1]


def entry_point(name: str) -> list[str]:
    """Return the words of a target's ENTRYPOINT."""
    found = re.search(r"^ENTRYPOINT (\[.+?\])$", stage(name), re.DOTALL | re.MULTILINE)
    assert found is not None, name
    words: list[str] = json.loads(found[1].replace("\\\n", ""))
    return words


def pinned() -> set[str]:
    """Return the names of the packages in constraints.txt."""
    pins = (line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    return {Requirement(pin).name for pin in pins if pin}


@pytest.mark.parametrize("source", sorted(render.ADDRESSES))
def test_rendered_configurations_follow_their_sources(source: str) -> None:
    file = ROOT / "deploy/compose" / Path(source).name
    assert file.read_text() == render.render(source), "run: python deploy/compose/render.py"


def test_rendering_refuses_an_address_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "prometheus/prometheus.yml").write_text("targets: ['127.0.0.1:8082', 'localhost:1234']\n")
    monkeypatch.setattr(render, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"localhost:1234.*deploy/compose/render\.py"):
        render.render("prometheus/prometheus.yml")


@pytest.mark.parametrize(
    ("replaced", "by", "message"),
    [
        (
            "    #: webhook_configs:\n    #:   - url: http://retraining.",
            "    # webhook: http://retraining.",
            "commented",
        ),
        ("  - name: retraining\n", "  - name: retrain\n", "name: retraining' 0 times"),
        ("secrets/retraining-token", "secrets/token", "retraining-token' 0 times"),
    ],
)
def test_rendering_refuses_a_source_whose_retraining_service_it_does_not_find(
    replaced: str, by: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "alertmanager/alertmanager.yml"
    text = (ROOT / source).read_text()
    assert text.count(replaced) == 1
    (tmp_path / "alertmanager").mkdir()
    (tmp_path / source).write_text(text.replace(replaced, by))
    monkeypatch.setattr(render, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=message):
        render.render(source)


def test_prometheus_and_alertmanager_know_the_services_and_the_token_of_retraining(
    services: dict[str, Any],
) -> None:
    prometheus = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())
    jobs = {job["job_name"]: job.get("static_configs") for job in prometheus["scrape_configs"]}
    assert jobs["retraining"] == [{"targets": ["retraining:9095"]}]
    assert jobs["labels"] == [{"targets": ["labels:9096"]}]
    alertmanager = yaml.safe_load((ROOT / "deploy/compose/alertmanager.yml").read_text())
    [receiver] = [each for each in alertmanager["receivers"] if each["name"] == "retraining"]
    [webhook] = receiver["webhook_configs"]
    assert webhook["url"] == "http://retraining:9095/alerts"
    token = Path(webhook["http_config"]["authorization"]["credentials_file"])
    # One volume, which the service writes and Alertmanager reads, and nobody else has.
    mounts = {name: service.get("volumes", []) for name, service in services.items()}
    holders = {
        name: [m for m in found if m.startswith("retraining-token:")] for name, found in mounts.items()
    }
    assert {name: found for name, found in holders.items() if found} == {
        "alertmanager": [f"retraining-token:{token.parent}:ro"],
        "retraining": [f"retraining-token:{token.parent}"],
    }
    assert str(token) == entry_point("retraining")[2]
    # Nobody is kept waiting for a notification because retraining does not start.
    assert "retraining" not in services["alertmanager"]["depends_on"]


def test_the_retraining_service_starts_nothing_as_it_stands() -> None:
    config = Config.model_validate(yaml.safe_load((ROOT / "deploy/compose/retraining.yml").read_text()))
    assert config.dry_run
    assert set(config.models) == {"flight_delay"}
    # A second lock: were dry_run taken away and nothing else, no host would answer.
    action = config.action_of("flight_delay")
    assert isinstance(action, UrlAction)
    assert action.url.host == "trainer.example.org"
    assert (str(config.token_file), config.port) == (entry_point("retraining")[2], 9095)
    assert str(config.state_directory) == "/var/lib/retraining"


def test_a_container_makes_a_token_once_and_becomes_the_service(tmp_path: Path) -> None:
    token = tmp_path / "token"
    config = yaml.safe_load((ROOT / "deploy/compose/retraining.yml").read_text())
    file = tmp_path / "retraining.yml"
    file.write_text(yaml.safe_dump({**config, "token_file": str(token), "state_directory": str(tmp_path)}))
    made = []
    start = [sys.executable, ROOT / "deploy/compose/with_token.py"]
    for name in ("token", "token", "other"):
        done = subprocess.run(
            [*start, tmp_path / name, "retraining", "--config", file, "--check"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout.strip()) == (0, f"{file} is good: flight_delay"), done.stderr
        made.append((tmp_path / name).read_text())
    assert made[0] == made[1] != made[2]
    assert len(made[0].strip()) >= 40
    assert stat.S_IMODE(token.stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "retraining.yml", "token"]


def test_what_the_retraining_image_installs_is_pinned_and_is_what_the_service_imports() -> None:
    lines = (ROOT / "retraining/requirements.txt").read_text().splitlines()
    wanted = {Requirement(line).name for line in lines if not line.startswith("#")}
    assert wanted <= pinned()
    imported = {
        name
        for file in (ROOT / "retraining").glob("*.py")
        for name in re.findall(r"^(?:from|import) (\w+)", file.read_text(), re.MULTILINE)
    }
    modules = {"prometheus-client": "prometheus_client", "pyyaml": "yaml"}
    # starlette is fastapi's own.
    assert {modules.get(name, name) for name in wanted} == imported - set(sys.stdlib_module_names) - {
        "starlette"
    }


def test_what_the_labels_image_installs_is_pinned_and_is_what_the_package_asks_for() -> None:
    lines = (ROOT / "labels/requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(wanted) == sorted([*project["dependencies"], *project["optional-dependencies"]["labels"]])
    assert {Requirement(line).name for line in wanted} <= pinned()


def test_the_labels_service_may_read_and_remove_what_torchserve_writes(services: dict[str, Any]) -> None:
    words = entry_point("labels")
    folder, token, store = (
        words[words.index(f"--{option}") + 1] for option in ("directory", "token-file", "store")
    )
    logs = re.search(r"LOG_LOCATION=(\S+)", stage("torchserve"))
    assert logs is not None
    mounts = {
        name: [m for m in service.get("volumes", []) if m.startswith("predictions:")]
        for name, service in services.items()
    }
    assert {name: found for name, found in mounts.items() if found} == {
        "torchserve": [f"predictions:{logs[1]}/predictions"],
        "labels": [f"predictions:{folder}"],
    }
    users = {name: re.findall(r"useradd --uid (\d+)", stage(name)) for name in ("torchserve", "labels")}
    assert users["torchserve"] == users["labels"] != []
    # What outlives the container: the token that it makes, and the store, which may be elsewhere.
    assert f"labels-data:{Path(store).parent}" in services["labels"]["volumes"]
    assert Path(token).parent == Path(store).parent
    assert token == words[2]
    assert services["labels"]["environment"]["TORCHVITALS_STORE"] == f"${{TORCHVITALS_STORE:-{store}}}"


def test_rendered_addresses_are_services_and_their_ports(services: dict[str, Any]) -> None:
    targets = {
        target
        for addresses in render.ADDRESSES.values()
        for target in addresses.values()
        if not target.startswith("127.")
    }
    assert {target.split(":")[0] for target in targets} <= set(services)
    assert targets == {"torchserve:8082", "alertmanager:9093", "receiver:9099", "retraining:9095"}


def test_images_are_pinned(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values() if "image" in service]
    images += re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 4
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_every_port_is_published_on_loopback_and_metrics_is_not(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 8
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+", port)] == []
    assert [port for port in ports if port.endswith(":8082")] == []


def test_what_is_mounted_exists_and_cannot_be_written(services: dict[str, Any]) -> None:
    volumes = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"])
    used = set()
    for service in services.values():
        for mount in service.get("volumes", []):
            source, _, options = re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", mount).partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), mount
                assert options.endswith(":ro"), mount
            else:
                used.add(source)
    assert used == volumes


def test_the_build_context_holds_what_the_dockerfile_copies_and_little_else() -> None:
    ignore = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in ignore
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == allowed
    assert [name for name in sorted(copied) if not (ROOT / name).exists()] == []
    assert any(
        fnmatch.fnmatch("handlers/__pycache__", f"handlers/{line[3:]}") for line in ignore if "**/" in line
    )


def test_the_image_gives_java_the_options_of_the_settings() -> None:
    """The image starts Java itself, and what reads `vmargs` is the `torchserve` command."""
    settings = dict(
        line.split("=", 1)
        for line in (ROOT / "config.properties").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    words = entry_point("torchserve")
    options = settings["vmargs"].split()
    assert "-Djava.util.concurrent.ForkJoinPool.common.parallelism=64" in options
    assert set(options) < set(words[words.index("java") : words.index("-cp")])


@pytest.mark.parametrize(
    ("expires", "url", "authorization"),
    [
        (None, healthcheck.PING, None),
        ("2999-01-01T00:00:00.123456789Z", healthcheck.PING, "Bearer secret"),
        ("2001-01-01T00:00:00.123456789Z", healthcheck.METRICS, None),
    ],
    ids=["authorization off", "valid key", "expired key"],
)
def test_health_check_asks_what_it_may(
    expires: str | None,
    url: str,
    authorization: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if expires:
        Path("key_file.json").write_text(
            json.dumps({"inference": {"key": "secret", "expiration time": expires}})
        )
    request = healthcheck.request()
    assert request.full_url == url
    assert request.get_header("Authorization") == authorization


def test_health_check_fails_when_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(healthcheck, "PING", f"http://127.0.0.1:{unused.getsockname()[1]}/ping")
        with pytest.raises(SystemExit, match="Connection refused"):
            healthcheck.main()
