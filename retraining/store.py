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

from . import schema
from .config import AnyAction
from .environments import Environment, key
from .outcome import Outcome
from .webhook import Alert, Request

Verdict = Literal[
    "accepted",
    "held",
    "dry_run",
    "duplicate",
    "busy",
    "cooldown",
    "queue_full",
    "ignored",
    "ambiguous",
    "unknown_model",
]
# Those that deal with an episode; its alerts, sent again, are duplicates.
HANDLED = ("accepted", "held", "dry_run")
# Those of alerts that may not retrain, whatever else there is.
OUTSIDE = ("ignored", "unknown_model")
# Of an accepted decision: before its end. Held: nothing is under way until somebody says so.
UNDER_WAY = ("queued", "checking", "running", "waiting")
# How an action ends, as in Outcome; the cooldown begins there. Dropped, declined, dry_run: it ended without one.
ENDED = ("succeeded", "rejected", "failed", "timed_out", "interrupted")
FAILED = ("failed", "timed_out", "interrupted")
BUSY_SECONDS = 2.0


class RecordError(sqlite3.Error):
    """The record cannot be written; the message names the file and the fault. Nothing of the transaction is."""


@dataclass(frozen=True)
class Decision:
    """One decision that may act, as far as its action needs it."""

    id: str
    model_name: str
    model_version: str
    environment: str  # as environments.key() writes it
    action_name: str
    action: AnyAction
    state: str
    word: str | None
    checks: int
    failures: int
    interruptions: int
    next_try_at: datetime | None
    tries: int
    told: dict[str, Any]

    @property
    def scope(self) -> tuple[str, str]:
        """What has one retraining at a time, and one cooldown: a model in an environment."""
        return self.model_name, self.environment


@dataclass(frozen=True)
class Episode:
    """The drift of one version in one environment, and the decision that deals with it."""

    model_name: str
    model_version: str
    environment: Environment
    last_sent_at: datetime
    decision: str
    state: str | None
    word: str | None
    labels: dict[str, str]


@dataclass(frozen=True)
class Word:
    """What a person said of an episode."""

    word: Literal["confirmed", "rejected"]
    by: str = ""
    why: str = ""


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(timezone.utc)


class Store:
    """Used by one thread. Raises RecordError where the file cannot be written, sqlite3.Error where not read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.fault: str | None = None  # of the last write
        self.faults = 0
        # Nobody else writes, but for a backup; it is waited for in the event loop, so not for long.
        self._db = sqlite3.connect(file, isolation_level=None, timeout=BUSY_SECONDS)
        self._db.row_factory = sqlite3.Row
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {setting}")
        schema.bring_up_to_date(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def check(self) -> None:
        """Write a little; raise RecordError where that cannot be done."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO probe VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at",
                (now().isoformat(),),
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written within, or nothing; raise RecordError where it cannot be written."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite itself has done so where the disk is full.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self.fault = f"the record of decisions {self.file} cannot be written: {error}"
            self.faults += 1
            raise RecordError(self.fault) from error
        self.fault = None

    # Episodes

    def episode(self, request: Request, *, stale_seconds: float) -> Episode | None:
        """Return the episode that a request belongs to; None where it begins one."""
        row = self._db.execute(
            f"{EPISODE} WHERE (e.model_name, e.model_version, e.environment) = (?, ?, ?)",
            (request.model_name, request.model_version, key(request.environment)),
        ).fetchone()
        if row is None:
            return None
        found = _episode(row)
        # What began before it was last sent has lasted, however long the service was not there to see it.
        over = now() - found.last_sent_at > timedelta(seconds=stale_seconds)
        return None if over and request.began_at > found.last_sent_at else found

    def live(self, model_name: str, *, stale_seconds: float) -> list[Episode]:
        """Return the episodes of a model whose alerts were sent lately."""
        rows = self._db.execute(
            f"{EPISODE} WHERE e.model_name = ? AND e.last_sent_at >= ? ORDER BY e.last_sent_at",
            (model_name, _before(stale_seconds)),
        )
        return [_episode(row) for row in rows]

    def sent_again(self, request: Request) -> None:
        """Write that the alerts of an episode were sent; call within a transaction."""
        self._db.execute(
            "UPDATE episodes SET last_sent_at = ? WHERE (model_name, model_version, environment) = (?, ?, ?)",
            (now().isoformat(), request.model_name, request.model_version, key(request.environment)),
        )

    def environments(self, model_name: str) -> list[Environment]:
        """Return where alerts of a model have come from, without those that may not retrain anyway."""
        rows = self._db.execute(
            f"SELECT DISTINCT environment FROM decisions WHERE model_name = ? AND verdict NOT IN {OUTSIDE}",  # noqa: S608  constants
            (model_name,),
        )
        return [json.loads(row[0]) for row in rows]

    def stale(self, *, stale_seconds: float) -> list[str]:
        """Return the decisions that are held or queued although their alerts were not sent lately."""
        rows = self._db.execute(
            "SELECT d.id FROM decisions AS d JOIN episodes AS e ON e.decision = d.id"
            " WHERE d.state IN ('held', 'queued') AND e.last_sent_at < ?",
            (_before(stale_seconds),),
        )
        return [row[0] for row in rows]

    # What is under way

    def under_way(self, model_name: str, environment: Environment) -> str | None:
        """Return the decision of a model and environment whose action has not ended, or None."""
        row = self._db.execute(
            f"SELECT id FROM decisions WHERE (model_name, environment) = (?, ?) AND state IN {UNDER_WAY}",  # noqa: S608  constants
            (model_name, key(environment)),
        ).fetchone()
        return str(row[0]) if row else None

    def count(self, *states: str) -> int:
        """Return how many decisions are in one of these states."""
        row = self._db.execute(
            "SELECT count(*) FROM decisions WHERE state IN (SELECT value FROM json_each(?))",
            (json.dumps(states),),
        ).fetchone()
        return int(row[0])

    def count_by_model(self, *states: str, stale_seconds: float) -> dict[str, int]:
        """Return how many live episodes of each model have a decision in one of these states."""
        rows = self._db.execute(
            "SELECT e.model_name, count(*) FROM episodes AS e JOIN decisions AS d ON d.id = e.decision"
            " WHERE d.state IN (SELECT value FROM json_each(?)) AND e.last_sent_at >= ? GROUP BY e.model_name",
            (json.dumps(states), _before(stale_seconds)),
        )
        return {row[0]: row[1] for row in rows}

    def begun(self) -> list[str]:
        """Return the decisions that were being carried through, oldest first."""
        rows = self._db.execute(
            "SELECT id FROM decisions WHERE state IN ('checking', 'running', 'waiting') ORDER BY queued_at, rowid"
        )
        return [row[0] for row in rows]

    def queue(self) -> list[str]:
        """Return the decisions that wait for their turn, the next one first."""
        rows = self._db.execute("SELECT id FROM decisions WHERE state = 'queued' ORDER BY queued_at, rowid")
        return [row[0] for row in rows]

    def last_end(self, model_name: str, environment: Environment) -> datetime | None:
        """Return when the last action of a model in an environment ended, whatever came of it."""
        row = self._db.execute(
            f"SELECT max(ended_at) FROM decisions WHERE (model_name, environment) = (?, ?) AND state IN {ENDED}",  # noqa: S608  constants
            (model_name, key(environment)),
        ).fetchone()
        return datetime.fromisoformat(row[0]) if row[0] else None

    def last_success(self, model_name: str) -> datetime | None:
        """Return when an action of a model last succeeded."""
        row = self._db.execute(
            "SELECT max(ended_at) FROM decisions WHERE model_name = ? AND state = 'succeeded'", (model_name,)
        ).fetchone()
        return datetime.fromisoformat(row[0]) if row[0] else None

    # Decisions; call these within a transaction

    def add(
        self,
        request: Request,
        verdict: Verdict,
        reason: str,
        *,
        action: tuple[str, AnyAction] | None = None,
        word: Word | None = None,
    ) -> str:
        """Write a decision and return its id. action: name and action of one that acts, or may yet.

        What was decided of an episode last, and is decided again, is counted there.
        """
        where = key(request.environment)
        at = now()
        if verdict not in HANDLED and (last := self._repeated(request, verdict, reason)):
            self._db.execute(
                "UPDATE decisions SET times = times + 1, last_at = ? WHERE id = ?", (at.isoformat(), last)
            )
            return last
        identifier = f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        told = {"decision": identifier, **request.as_json()}
        state = {"accepted": "queued", "held": "held"}.get(verdict)
        self._db.execute(
            "INSERT INTO decisions (id, at, last_at, queued_at, model_name, model_version, environment, group_key,"
            " verdict, reason, state, action, told, word, word_by, word_why, word_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(identifier, at.isoformat(), at.isoformat(), at.isoformat() if state == "queued" else None),
                *(
                    request.model_name,
                    request.model_version,
                    where,
                    request.group_key,
                    verdict,
                    reason,
                    state,
                ),
                *(_definition(action) if action else None, json.dumps(told)),
                *((word.word, word.by, word.why, at.isoformat()) if word else (None,) * 4),
            ),
        )
        if verdict in HANDLED:
            self._db.execute(
                "UPDATE decisions SET state = 'dropped', ended_at = ?, detail = ? WHERE state = 'held' AND id != ?"
                " AND (model_name, model_version, environment) = (?, ?, ?)",
                (
                    *(at.isoformat(), f"{identifier} took its place", identifier),
                    *(request.model_name, request.model_version, where),
                ),
            )
            self._db.execute(
                "INSERT OR REPLACE INTO episodes VALUES (?, ?, ?, ?, ?)",
                (request.model_name, request.model_version, where, at.isoformat(), identifier),
            )
        return identifier

    def queue_again(self, identifier: str, action: tuple[str, AnyAction], word: Word | None) -> None:
        """Let a held decision take its turn, for a check or on a person's word."""
        self._db.execute(
            "UPDATE decisions SET state = 'queued', queued_at = ?, action = ?, ended_at = NULL WHERE id = ?",
            (now().isoformat(), _definition(action), identifier),
        )
        if word is not None:
            self._say(identifier, word)

    def hold(self, identifier: str, detail: str) -> None:
        """Let a decision wait for a person's word."""
        self._db.execute("UPDATE decisions SET state = 'held', detail = ? WHERE id = ?", (detail, identifier))

    def end(self, identifier: str, state: str, detail: str, word: Word | None = None) -> None:
        """Write that a decision ended without an action."""
        self._db.execute(
            "UPDATE decisions SET state = ?, detail = ?, ended_at = ? WHERE id = ?",
            (state, detail, now().isoformat(), identifier),
        )
        if word is not None:
            self._say(identifier, word)

    def _repeated(self, request: Request, verdict: Verdict, reason: str) -> str | None:
        row = self._db.execute(
            "SELECT id, verdict, reason FROM decisions WHERE (model_name, model_version, environment) = (?, ?, ?)"
            " ORDER BY rowid DESC LIMIT 1",
            (request.model_name, request.model_version, key(request.environment)),
        ).fetchone()
        return row["id"] if row and (row["verdict"], row["reason"]) == (verdict, reason) else None

    def _say(self, identifier: str, word: Word) -> None:
        self._db.execute(
            "UPDATE decisions SET word = ?, word_by = ?, word_why = ?, word_at = ? WHERE id = ?",
            (word.word, word.by, word.why, now().isoformat(), identifier),
        )

    # How a decision is carried through; each is a transaction

    def decision(self, identifier: str) -> Decision:
        """Return a decision that acts, or may yet."""
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
            environment=row["environment"],
            action_name=action["name"],
            action=TypeAdapter[AnyAction](AnyAction).validate_python(action["definition"]),
            state=row["state"],
            word=row["word"],
            checks=row["checks"],
            failures=row["failures"],
            interruptions=row["interruptions"],
            next_try_at=datetime.fromisoformat(next_try_at) if next_try_at else None,
            tries=row["tries"],
            told=json.loads(row["told"]),
        )

    def request(self, identifier: str) -> Request:
        """Return what a decision was made of."""
        row = self._db.execute(
            "SELECT told, environment FROM decisions WHERE id = ?", (identifier,)
        ).fetchone()
        told = json.loads(row["told"])
        return Request(
            model_name=told["model_name"],
            model_version=told["model_version"],
            environment=json.loads(row["environment"]),
            group_key=told["group_key"],
            alerts=tuple(map(Alert.model_validate, told["alerts"])),
        )

    def begin_check(self, identifier: str, number: int) -> None:
        """Write that a check of the data begins."""
        with self.transaction():
            self._db.execute(
                "UPDATE decisions SET state = 'checking', checks = ? WHERE id = ?", (number, identifier)
            )

    def end_check(self, identifier: str, *, passed: bool, detail: str) -> None:
        """Write how a check ended: the action may begin, or the decision is held."""
        with self.transaction():
            self._db.execute(
                "UPDATE decisions SET checked_at = ?, check_detail = ? WHERE id = ?",
                (now().isoformat(), detail, identifier),
            )
            if not passed:
                self.hold(identifier, detail)

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

    # The record as a whole

    def listing(
        self, *, limit: int, model_name: str | None = None, state: str | None = None
    ) -> list[dict[str, Any]]:
        """Return decisions with their tries, newest first."""
        rows = self._db.execute(
            "SELECT * FROM decisions WHERE (?1 IS NULL OR model_name = ?1) AND (?2 IS NULL OR state = ?2)"
            " ORDER BY at DESC, rowid DESC LIMIT ?3",
            (model_name, state, limit),
        ).fetchall()
        return [self._listed(row) for row in rows]

    def forget(self, *, older_than_seconds: float) -> list[str]:
        """Remove old decisions that are over; return those that had an action.

        What deals with an episode that lasts is kept, or its next alert would be news.
        """
        before = _before(older_than_seconds)
        with self.transaction():
            rows = self._db.execute(
                "DELETE FROM decisions WHERE last_at < ?1"
                " AND (state IS NULL OR state NOT IN (SELECT value FROM json_each(?2)))"
                " AND id NOT IN (SELECT decision FROM episodes WHERE last_sent_at >= ?1) RETURNING id, action",
                (before, json.dumps((*UNDER_WAY, "held"))),
            ).fetchall()
        return [row["id"] for row in rows if row["action"]]

    def _listed(self, row: sqlite3.Row) -> dict[str, Any]:
        hidden = ("told", "action", "environment")
        listed = {name: row[name] for name in row.keys() if name not in hidden}  # noqa: SIM118
        tries = self._db.execute(
            "SELECT number, began_at, ended_at, state, detail FROM tries WHERE decision = ? ORDER BY number",
            (row["id"],),
        )
        alerts = json.loads(row["told"])["alerts"]
        return {
            **listed,
            "environment": json.loads(row["environment"]),
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


EPISODE = "SELECT e.*, d.state, d.word, d.told FROM episodes AS e JOIN decisions AS d ON d.id = e.decision"


def _episode(row: sqlite3.Row) -> Episode:
    alerts = json.loads(row["told"])["alerts"]
    return Episode(
        model_name=row["model_name"],
        model_version=row["model_version"],
        environment=json.loads(row["environment"]),
        last_sent_at=datetime.fromisoformat(row["last_sent_at"]),
        decision=row["decision"],
        state=row["state"],
        word=row["word"],
        labels=alerts[0]["labels"] if alerts else {},
    )


def _definition(action: tuple[str, AnyAction]) -> str:
    name, details = action
    return json.dumps({"name": name, "definition": details.model_dump(mode="json")})


def _before(seconds: float) -> str:
    return (now() - timedelta(seconds=seconds)).isoformat()
