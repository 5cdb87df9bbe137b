"""A user's Prometheus and Alertmanager, with our part merged into their files: the doctor has nothing to say."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stack import Stack, programs
from stack.ports import Ports, url
from stack.waiting import Program
from tests.unit.cli.merging.files import OLD_ALERTMANAGER, PROMETHEUS
from torchvitals.cli import app

from .conftest import eventually_healthy

pytestmark = pytest.mark.server


def invoke(*words: str | Path) -> None:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output


def test_merged_files_make_a_healthy_stack(stack: Stack, tmp_path: Path) -> None:
    ports = Ports.free()
    alertmanager, prometheus = tmp_path / "alertmanager.yml", tmp_path / "prometheus.yml"
    alertmanager.write_text(OLD_ALERTMANAGER)
    prometheus.write_text(
        PROMETHEUS.replace("scrape_interval:     15s", "scrape_interval: 1s\n  evaluation_interval: 1s")
    )
    target = stack.metrics_url.removeprefix("http://")
    manager = url(ports.alertmanager).removeprefix("http://")
    invoke("merge", tmp_path, "--yes", "--target", target, "--alertmanager", manager)
    invoke("export", tmp_path / "torchvitals")
    with (
        Program(
            programs.alertmanager(alertmanager, data=tmp_path / "a", port=ports.alertmanager),
            health=f"{url(ports.alertmanager)}/-/ready",
            log=tmp_path / "alertmanager.log",
        ),
        Program(
            programs.prometheus(prometheus, data=tmp_path / "p", port=ports.prometheus),
            health=f"{url(ports.prometheus)}/-/ready",
            log=tmp_path / "prometheus.log",
        ),
    ):
        words = ["--prometheus", url(ports.prometheus), "--alertmanager", url(ports.alertmanager)]
        eventually_healthy("--without", "torchserve", "--metrics", stack.metrics_url, *words)
