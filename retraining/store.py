"""The durable record of decisions, in SQLite.

A decision is written before anything is started, each try before it begins and after it ends, so that whatever
moment the service is killed at, the next start knows what was under way.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from .config import AnyAction
from .outcome import Outcome
from .webhook import Request

Verdict = Literal["accepted", "dry_run", "duplicate", "busy", "cooldown", "unknown_model"]
# Those that have dealt with their alerts; the same alerts, sent again, are duplicates.
HANDLED = ("accepted", "dry_run")
# Of an accepted decision: before its end, and at its end those of Outcome.
UNDER_WAY = ("queued", "running", "waiting")
SCHEMA_VERSION = 1
BUSY_SECONDS = 2.0
SCHEMA = """
CREATE TABLE decisions (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    model_name TEXT NOT NULL,
    model_version TEXT NOT NULL,
    group_key TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT,            -- of an accepted one alone, as are all below but told
    action TEXT,
    detail TEXT NOT NULL DEFAULT '',
    failures INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    next_try_at TEXT,
    ended_at TEXT,
    told TEXT NOT NULL
);
CREATE INDEX decisions_by_model ON decisions (model_name, at);
CREATE TABLE tries (
    decision TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    began_at TEXT NOT NULL,
    ended_at TEXT,
    state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (decision, number)
);
CREATE TABLE episodes (
    group_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    starts_at TEXT NOT NULL,
    decision TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    PRIMARY KEY (group_key, fingerprint, starts_at)
);
"""


@dataclass(frozen=True)
class Decision:
    """One accepted decision, as far as its action needs it."""

    id: str
    model_name: str
    model_version: str
    action_name: str
    action: AnyAction
    state: str
    failures: int
    interruptions: int
    next_try_at: datetime | None
    tries: int
    told: dict[str, Any]


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(timezone.utc)


class Store:
    """Used by one thread. Raises sqlite3.Error where the file cannot be read or written."""

    def __init__(self, file: Path) -> None:
        # Nobody else writes, but for a backup; it is waited for in the event loop, so not for long.
        self._db = sqlite3.connect(file, isolation_level=None, timeout=BUSY_SECONDS)
        self._db.row_factory = sqlite3.Row
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {setting}")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"{file} has schema {version}; this service knows {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def check(self) -> None:
        """Raise sqlite3.Error where the record cannot be written."""
        with self.transaction():
            self._db.execute("UPDATE decisions SET state = state WHERE 0")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written within, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def handled(self, request: Request) -> str | None:
        """Return the decision that has dealt with every alert of a request; None where one is new."""
        found = [
            self._db.execute(
                "SELECT decision FROM episodes WHERE (group_key, fingerprint, starts_at) = (?, ?, ?)", episode
            ).fetchone()
            for episode in request.episodes
        ]
        return str(found[0][0]) if all(found) else None

    def under_way(self, model_name: str) -> str | None:
        """Return the decision whose action has not ended, or None."""
        row = self._db.execute(
            f"SELECT id FROM decisions WHERE model_name = ? AND state IN {UNDER_WAY}",  # noqa: S608  constants
            (model_name,),
        ).fetchone()
        return str(row[0]) if row else None

    def last_end(self, model_name: str) -> datetime | None:
        """Return when the last action of a model ended, whatever came of it."""
        row = self._db.execute(
            "SELECT max(ended_at) FROM decisions WHERE model_name = ?", (model_name,)
        ).fetchone()
        return datetime.fromisoformat(row[0]) if row[0] else None

    def add(
        self,
        request: Request,
        verdict: Verdict,
        reason: str,
        *,
        action: tuple[str, AnyAction] | None = None,
    ) -> str:
        """Write a decision and return its id; call within a transaction. action: name and action of an accepted one."""
        at = now()
        identifier = f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        definition = None
        if action is not None:
            name, details = action
            definition = json.dumps({"name": name, "definition": details.model_dump(mode="json")})
        told = {"decision": identifier, **request.as_json()}
        self._db.execute(
            "INSERT INTO decisions (id, at, model_name, model_version, group_key, verdict, reason, state, action, told)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(identifier, at.isoformat(), request.model_name, request.model_version, request.group_key),
                *(verdict, reason, "queued" if verdict == "accepted" else None, definition, json.dumps(told)),
            ),
        )
        if verdict in HANDLED:
            self._db.executemany(
                "INSERT INTO episodes VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(*episode, identifier) for episode in request.episodes],
            )
        return identifier

    def unfinished(self) -> list[str]:
        """Return the decisions whose actions have not ended, oldest first."""
        rows = self._db.execute(
            f"SELECT id FROM decisions WHERE state IN {UNDER_WAY} ORDER BY at"  # noqa: S608  constants
        )
        return [row[0] for row in rows]

    def decision(self, identifier: str) -> Decision:
        """Return an accepted decision."""
        row = self._db.execute(
            "SELECT *, (SELECT count(*) FROM tries WHERE decision = id) AS tries FROM decisions WHERE id = ?",
            (identifier,),
        ).fetchone()
        action = json.loads(row["action"])
        next_try_at = row["next_try_at"]
        return Decision(
            id=row["id"],
            model_name=row["model_name"],
            model_version=row["model_version"],
            action_name=action["name"],
            action=TypeAdapter[AnyAction](AnyAction).validate_python(action["definition"]),
            state=row["state"],
            failures=row["failures"],
            interruptions=row["interruptions"],
            next_try_at=datetime.fromisoformat(next_try_at) if next_try_at else None,
            tries=row["tries"],
            told=json.loads(row["told"]),
        )

    def begin_try(self, identifier: str, number: int) -> None:
        """Write that a try begins."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO tries (decision, number, began_at, state) VALUES (?, ?, ?, 'running')",
                (identifier, number, now().isoformat()),
            )
            self._db.execute(
                "UPDATE decisions SET state = 'running', next_try_at = NULL WHERE id = ?", (identifier,)
            )

    def end_try(
        self, identifier: str, number: int, outcome: Outcome, *, again_in_seconds: float | None
    ) -> None:
        """Write how a try ended; again_in_seconds: until the next one, None: it was the last."""
        at = now()
        with self.transaction():
            self._db.execute(
                "UPDATE tries SET ended_at = ?, state = ?, detail = ? WHERE decision = ? AND number = ?",
                (at.isoformat(), outcome.state, outcome.detail, identifier, number),
            )
            next_try = None if again_in_seconds is None else at + timedelta(seconds=again_in_seconds)
            self._db.execute(
                "UPDATE decisions SET state = ?, detail = ?, ended_at = ?, next_try_at = ?,"
                " failures = failures + ?, interruptions = interruptions + ? WHERE id = ?",
                (
                    outcome.state if next_try is None else "waiting",
                    outcome.detail,
                    at.isoformat() if next_try is None else None,
                    next_try.isoformat() if next_try else None,
                    outcome.state in ("failed", "timed_out"),
                    outcome.state == "interrupted",
                    identifier,
                ),
            )

    def listing(self, *, limit: int, model_name: str | None = None) -> list[dict[str, Any]]:
        """Return decisions with their tries, newest first."""
        rows = self._db.execute(
            "SELECT * FROM decisions WHERE ? IS NULL OR model_name = ? ORDER BY at DESC, rowid DESC LIMIT ?",
            (model_name, model_name, limit),
        ).fetchall()
        return [self._listed(row) for row in rows]

    def last_success(self, model_name: str) -> datetime | None:
        """Return when an action of a model last succeeded."""
        row = self._db.execute(
            "SELECT max(ended_at) FROM decisions WHERE model_name = ? AND state = 'succeeded'", (model_name,)
        ).fetchone()
        return datetime.fromisoformat(row[0]) if row[0] else None

    def forget(self, *, older_than_seconds: float) -> list[str]:
        """Remove old decisions that are over; return those that had an action."""
        before = (now() - timedelta(seconds=older_than_seconds)).isoformat()
        condition = f"at < ? AND (state IS NULL OR state NOT IN {UNDER_WAY})"
        with self.transaction():
            rows = self._db.execute(
                f"DELETE FROM decisions WHERE {condition} RETURNING id, action",  # noqa: S608  constants
                (before,),
            ).fetchall()
        return [row["id"] for row in rows if row["action"]]

    def _listed(self, row: sqlite3.Row) -> dict[str, Any]:
        listed = {key: row[key] for key in row.keys() if key not in ("told", "action")}  # noqa: SIM118
        tries = self._db.execute(
            "SELECT number, began_at, ended_at, state, detail FROM tries WHERE decision = ? ORDER BY number",
            (row["id"],),
        )
        alerts = json.loads(row["told"])["alerts"]
        return {
            **listed,
            "action": json.loads(row["action"])["name"] if row["action"] else None,
            "alerts": [
                {
                    "fingerprint": alert["fingerprint"],
                    "startsAt": alert["startsAt"],
                    "labels": alert["labels"],
                }
                for alert in alerts
            ],
            "tries": [dict(found) for found in tries],
        }
