"""A real Alertmanager with the production configuration, every receiver switched on, at endpoints on loopback."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import yaml

from stack import programs
from stack.ports import Ports

FOLDER = Path(__file__).resolve().parents[2] / "alertmanager"
OFF = re.compile(r"^( *)#: ", re.MULTILINE)


def switched_on() -> dict[str, Any]:
    """Return the production configuration with every block that is prepared in it."""
    text = (FOLDER / "alertmanager.yml").read_text()
    assert OFF.search(text)
    config: dict[str, Any] = yaml.safe_load(OFF.sub(r"\1", text))
    config["templates"] = [str(FOLDER / pattern) for pattern in config["templates"]]
    return config


def quick(route: dict[str, Any], *, wait: str = "1s", interval: str = "2s") -> None:
    """Make a route and those below it send soon; the repeat interval stays, so that a repetition is a fault."""
    route["group_wait"], route["group_interval"] = wait, interval
    for child in route.get("routes", []):
        quick(child, wait=wait, interval=interval)


def receiver(config: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (receiver for receiver in config["receivers"] if receiver["name"] == name)
    return found


def eventually(found: Callable[[], Any], what: str, *, seconds: float = 30) -> Any:
    """Return what `found` finds, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)


class Alertmanager(AbstractContextManager["Alertmanager"]):
    """Alertmanager in a folder of the test's own; what it keeps there outlives a restart."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.port = Ports.free().alertmanager
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(config, sort_keys=False))

    def __enter__(self) -> Alertmanager:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        program = programs.require("Alertmanager", "prometheus-alertmanager", "alertmanager")
        with (self.folder / "alertmanager.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, f"--config.file={self.folder / 'alertmanager.yml'}", "--cluster.listen-address=",
                 f"--storage.path={self.folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}",
                 f"--web.external-url={self.url}"],
                stdout=log, stderr=log,
            )  # fmt: skip
        eventually(self._ready, "Alertmanager")

    def stop(self) -> None:
        """End it as a service manager does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "alertmanager.log").read_text()
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def send(
        self,
        labels: dict[str, str],
        annotations: dict[str, str] | None = None,
        *,
        began: datetime,
        resolved: bool = False,
    ) -> None:
        """Send an alert as Prometheus does."""
        alert = {"labels": labels, "annotations": annotations or {}, "startsAt": began.isoformat()}
        if resolved:
            alert["endsAt"] = datetime.now(timezone.utc).isoformat()
        answer = httpx.post(f"{self.url}/api/v2/alerts", json=[alert], trust_env=False)
        answer.raise_for_status()

    def inhibited(self) -> dict[str, bool]:
        """Return, by the name of each alert and its severity, whether another one keeps it back."""
        alerts = httpx.get(f"{self.url}/api/v2/alerts", trust_env=False).raise_for_status().json()
        return {
            f"{found['labels']['alertname']} {found['labels']['severity']}": bool(
                found["status"]["inhibitedBy"]
            )
            for found in alerts
        }
