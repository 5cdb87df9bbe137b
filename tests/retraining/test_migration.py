"""A record that an earlier version of the service wrote."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stack.errors import StackError

from .service import Service, alert, lines, python
from .test_episodes import RUN, ago

# As the first version made it.
FIRST = """
CREATE TABLE decisions (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, model_name TEXT NOT NULL, model_version TEXT NOT NULL,
    group_key TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, state TEXT, action TEXT,
    detail TEXT NOT NULL DEFAULT '', failures INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0, next_try_at TEXT, ended_at TEXT, told TEXT NOT NULL
);
CREATE INDEX decisions_by_model ON decisions (model_name, at);
CREATE TABLE tries (
    decision TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE, number INTEGER NOT NULL,
    began_at TEXT NOT NULL, ended_at TEXT, state TEXT NOT NULL, detail TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (decision, number)
);
CREATE TABLE episodes (
    group_key TEXT NOT NULL, fingerprint TEXT NOT NULL, starts_at TEXT NOT NULL,
    decision TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    PRIMARY KEY (group_key, fingerprint, starts_at)
);
PRAGMA user_version = 1;
"""
ACTION = {
    "kind": "command",
    "command": [sys.executable, "-c", RUN],
    "timeout": 600.0,
    "retries": 0,
    "backoff": 30.0,
    "longest_backoff": 1800.0,
    "repeatable": True,
    "environment": {},
}


def record(folder: Path, *decisions: dict[str, Any]) -> None:
    """Write a record of the first version."""
    (folder / "state").mkdir()
    action = json.dumps({"name": "run", "definition": {**ACTION, "working_directory": str(folder)}})
    with closing(sqlite3.connect(folder / "state" / "decisions.sqlite", isolation_level=None)) as db:
        db.executescript(FIRST)
        for number, changes in enumerate(decisions):
            first = alert(job="serve", model_version=changes.get("model_version", "1.0"))
            told = {"decision": str(number), "model_name": "flights", "group_key": "{}", "alerts": [first]}
            row = {
                "id": str(number),
                "at": ago(hours=2),
                "model_name": "flights",
                "model_version": "1.0",
                "group_key": "{}",
                "reason": "run is started",
                "action": action,
                "told": json.dumps({**told, "model_version": changes.get("model_version", "1.0")}),
                **changes,
            }
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO decisions ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def test_what_was_decided_stays_decided_and_the_cooldown_goes_on(tmp_path: Path) -> None:
    ended = {"verdict": "accepted", "state": "succeeded", "at": ago(hours=3), "ended_at": ago(minutes=10)}
    record(tmp_path, ended, {"verdict": "duplicate", "action": None})
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.verdicts(alert(job="serve")) == ["duplicate"]
        assert service.verdicts(alert(job="serve", model_version="2.0")) == ["cooldown"]
        assert service.decisions()[0]["environment"] == {"job": "serve"}
        assert service.metric('retraining_last_success_timestamp_seconds{model_name="flights"}')
        service.kill()
        service.start()
        assert service.verdicts(alert(job="serve")) == ["duplicate"]
    assert lines(tmp_path / "runs") == []


def test_what_was_under_way_goes_on(tmp_path: Path) -> None:
    record(tmp_path, {"verdict": "accepted", "state": "queued"})
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.ended()["state"] == "succeeded"
        assert service.verdicts(alert(job="serve")) == ["duplicate"]
    assert lines(tmp_path / "runs") == ["x"]


def test_a_record_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    record(tmp_path)
    file = tmp_path / "state" / "decisions.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(
        StackError, match="has schema 99, and this service knows those up to 2; run the version"
    ):
        Service(tmp_path, {"run": python(RUN)}).start()
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)
