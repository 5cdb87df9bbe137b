"""A real retraining service as a process on loopback, and what Alertmanager would send it."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from stack.loopback import http
from stack.ports import Ports
from stack.waiting import PATIENCE_SECONDS, Program, eventually, without_proxies

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "token-of-the-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


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


def jump(model: str = "flights", **changes: Any) -> dict[str, Any]:
    """Return an alert that may retrain only after a person's word."""
    return alert(model, alertname="ModelRetrainHeld", **{"action": "confirm", **changes})


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


class Service(Program):
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
        super().__init__(
            [sys.executable, "-m", "retraining", "--config", str(self.config)],
            health=f"{self.url}/healthz",
            log=folder / "service.log",
            folder=ROOT,
            environment=without_proxies(),
        )
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

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it without a chance to do anything more, or with a signal of one's own."""
        self.stop(number)

    def post(self, body: dict[str, Any] | bytes, *, headers: dict[str, Any] | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return http.post(
            f"{self.url}/alerts", content=content, headers=HEADERS if headers is None else headers,
            timeout=PATIENCE_SECONDS
        )  # fmt: skip

    def verdicts(self, *alerts: dict[str, Any]) -> list[str]:
        """Send one notification and return what was decided of it."""
        answer = self.post(notification(*alerts)).raise_for_status()
        return [decision["verdict"] for decision in answer.json()["decisions"]]

    def decisions(self) -> list[dict[str, Any]]:
        """Return the record, oldest first."""
        answer = http.get(
            f"{self.url}/decisions", headers=HEADERS, timeout=PATIENCE_SECONDS
        ).raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found[::-1]

    def ended(self) -> dict[str, Any]:
        """Wait until the first decision's action has ended, and return the decision."""
        found = eventually(
            lambda: next((found for found in self.decisions()[:1] if found["ended_at"]), None),
            lambda: f"the end of the action\n{self.log}",
        )
        assert found is not None
        return found

    @contextmanager
    def record(self) -> Iterator[sqlite3.Connection]:
        """Give the service's own record, to look into it and to let time pass in it."""
        file = self.folder / "state" / "decisions.sqlite"
        with closing(sqlite3.connect(file, isolation_level=None, timeout=PATIENCE_SECONDS)) as db:
            yield db

    def let_pass(self, **time: float) -> None:
        """Make what has ended, and what was sent, so much older, as if the time had passed."""
        by = timedelta(**time)
        with self.record() as db:
            for table, column in (("decisions", "ended_at"), ("episodes", "last_sent_at")):
                rows = db.execute(
                    f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL"
                ).fetchall()
                for row, at in rows:
                    earlier = (datetime.fromisoformat(at) - by).isoformat()
                    db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (earlier, row))

    def say(self, word: str, model: str = "flights", *, query: str = "", **body: Any) -> httpx.Response:
        """Confirm or reject."""
        return http.post(
            f"{self.url}/models/{model}/{word}{query}", json=body, headers=HEADERS, timeout=PATIENCE_SECONDS
        )

    def states(self) -> list[str | None]:
        """Return the state of each decision, the oldest first."""
        return [found["state"] for found in self.decisions()]

    def reach(self, *states: str | None) -> None:
        """Wait until the decisions are in these states, the oldest first."""
        eventually(
            lambda: self.states() == list(states), lambda: f"{states}, not {self.states()}\n{self.log}"
        )

    def condition(self) -> dict[str, Any]:
        """Return what /healthz says, with its status."""
        answer = http.get(self.health, timeout=PATIENCE_SECONDS)
        return {"code": answer.status_code, **answer.json()}

    def metric(self, line: str) -> float | None:
        """Return the value of one series, given as Prometheus's text has it."""
        text = http.get(f"{self.url}/metrics", timeout=PATIENCE_SECONDS).raise_for_status().text
        found = [row.rpartition(" ") for row in text.splitlines() if row.startswith(f"{line} ")]
        return float(found[0][2]) if found else None


# Writes its model's name into a file, and waits until it may go on.
WAITS = """
import os, pathlib, time
with open("begun", "a") as file: file.write(os.environ["RETRAINING_MODEL_NAME"] + "\\n")
while not pathlib.Path("go").exists(): time.sleep(0.05)
"""


def lines(file: Path) -> list[str]:
    """Return the lines of a file; none where there is none."""
    return file.read_text().splitlines() if file.exists() else []


def python(program: str, **settings: Any) -> dict[str, Any]:
    """Return an action that runs a Python program."""
    usual = {"timeout": "10m", "backoff": "100ms"}
    return {"kind": "command", "command": [sys.executable, "-c", program], **usual, **settings}
