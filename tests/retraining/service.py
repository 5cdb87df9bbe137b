"""A real retraining service as a process on loopback, and what Alertmanager would send it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import yaml

from stack.ports import Ports

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "token-of-the-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def eventually(found: Callable[[], Any], what: str, *, seconds: float = 30) -> Any:
    """Return what `found` finds, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def alert(model: str = "flights", *, began: str = "2026-01-02T03:04:05Z", **changes: Any) -> dict[str, Any]:
    """Return one alert as in Alertmanager's webhook; further labels by name."""
    labels = {
        "alertname": "ModelRetrainNeeded",
        "action": "retrain",
        "model_name": model,
        "model_version": "1.0",
        **changes,
    }
    return {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": f"{model} should be retrained"},
        "startsAt": began,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph",
        "fingerprint": f"f{abs(hash(tuple(sorted(labels.items())))):016x}",
    }


def notification(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a notification of one group."""
    return {
        "version": "4",
        "groupKey": '{}/{action="retrain"}:{model_name="flights"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "retraining",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": list(alerts),
        **changes,
    }


class Service(AbstractContextManager["Service"]):
    """The service with a configuration of the test's own, in a folder of the test's own."""

    def __init__(
        self,
        folder: Path,
        actions: dict[str, Any],
        *,
        models: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.port = Ports.free().receiver
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "retraining.yml"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "token").write_text(f"{TOKEN}\n")
        usual = {"flights": {"action": next(iter(actions)), "cooldown": "1h"}}
        content = {
            "port": self.port,
            "token_file": "token",
            "state_directory": "state",
            "actions": actions,
            "models": models or usual,
            **settings,
        }
        self.config.write_text(yaml.safe_dump(content))

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill(signal.SIGTERM)

    def start(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "retraining", "--config", str(self.config)],
                cwd=ROOT, stdout=log, stderr=log, env=environment,
            )  # fmt: skip
        eventually(self.healthy, "the service")

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def healthy(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    def post(self, body: dict[str, Any] | bytes, *, headers: dict[str, Any] | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(
            f"{self.url}/alerts", content=content, headers=HEADERS if headers is None else headers,
            timeout=30, trust_env=False,
        )  # fmt: skip

    def verdicts(self, *alerts: dict[str, Any]) -> list[str]:
        """Send one notification and return what was decided of it."""
        answer = self.post(notification(*alerts)).raise_for_status()
        return [decision["verdict"] for decision in answer.json()["decisions"]]

    def decisions(self) -> list[dict[str, Any]]:
        """Return the record, oldest first."""
        answer = httpx.get(f"{self.url}/decisions", headers=HEADERS, trust_env=False).raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found[::-1]

    def ended(self, *, seconds: float = 30) -> dict[str, Any]:
        """Wait until the first decision's action has ended, and return the decision."""
        return eventually(
            lambda: next((found for found in self.decisions()[:1] if found["ended_at"]), None),
            f"the end of the action\n{self.log}",
            seconds=seconds,
        )

    def metric(self, line: str) -> float | None:
        """Return the value of one series, given as Prometheus's text has it."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False).raise_for_status().text
        found = [row.rpartition(" ") for row in text.splitlines() if row.startswith(f"{line} ")]
        return float(found[0][2]) if found else None


def python(program: str, **settings: Any) -> dict[str, Any]:
    """Return an action that runs a Python program."""
    quick = {"timeout": "30s", "backoff": "100ms"}
    return {"kind": "command", "command": [sys.executable, "-c", program], **quick, **settings}
