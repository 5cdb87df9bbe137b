"""docker-compose.yml, the Dockerfile and what they mount, as far as files alone can tell; no Docker is needed."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import re
import socket
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

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


def test_rendered_addresses_are_services_and_their_ports(services: dict[str, Any]) -> None:
    targets = {
        target
        for addresses in render.ADDRESSES.values()
        for target in addresses.values()
        if not target.startswith("127.")
    }
    assert {target.split(":")[0] for target in targets} <= set(services)
    assert targets == {"torchserve:8082", "alertmanager:9093", "receiver:9099"}


def test_images_are_pinned(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values() if "image" in service]
    images += re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 4
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_every_port_is_published_on_loopback_and_metrics_is_not(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 6
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
