"""The tables of the record, and how a file of an earlier version becomes one of this version."""

from __future__ import annotations

import json
import sqlite3

from .environments import environment, key

FIRST = """
CREATE TABLE decisions (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    model_name TEXT NOT NULL,
    model_version TEXT NOT NULL,
    group_key TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT,            -- of one that may act alone, as are all below but told
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

# An episode is the drift of one version in one environment, however often its alerts end and come back. times, last_at:
# how often the same was decided, and when last. word: "confirmed" or "rejected".
EPISODES = """
ALTER TABLE decisions ADD COLUMN environment TEXT NOT NULL DEFAULT '{}';
ALTER TABLE decisions ADD COLUMN last_at TEXT;
ALTER TABLE decisions ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
ALTER TABLE decisions ADD COLUMN queued_at TEXT;
ALTER TABLE decisions ADD COLUMN word TEXT;
ALTER TABLE decisions ADD COLUMN word_by TEXT;
ALTER TABLE decisions ADD COLUMN word_why TEXT;
ALTER TABLE decisions ADD COLUMN word_at TEXT;
ALTER TABLE decisions ADD COLUMN checks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decisions ADD COLUMN checked_at TEXT;
ALTER TABLE decisions ADD COLUMN check_detail TEXT;
DROP TABLE episodes;
CREATE TABLE episodes (
    model_name TEXT NOT NULL,
    model_version TEXT NOT NULL,
    environment TEXT NOT NULL,
    last_sent_at TEXT NOT NULL,
    decision TEXT NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
    PRIMARY KEY (model_name, model_version, environment)
);
CREATE INDEX decisions_by_state ON decisions (state);
CREATE TABLE probe (id INTEGER PRIMARY KEY, at TEXT NOT NULL);
"""


def _to_1(db: sqlite3.Connection) -> None:
    _run(db, FIRST)


def _to_2(db: sqlite3.Connection) -> None:
    _run(db, EPISODES)
    for identifier, told in db.execute("SELECT id, told FROM decisions").fetchall():
        alerts = json.loads(told)["alerts"]
        where = key(environment(alerts[-1]["labels"])) if alerts else "{}"
        db.execute(
            "UPDATE decisions SET environment = ?, last_at = at, queued_at = at WHERE id = ?",
            (where, identifier),
        )
    db.execute(
        "INSERT INTO episodes SELECT model_name, model_version, environment,"
        " (SELECT max(at) FROM decisions AS sent WHERE (sent.model_name, sent.model_version, sent.environment)"
        "  = (dealt.model_name, dealt.model_version, dealt.environment)), id FROM decisions AS dealt"
        " WHERE verdict IN ('accepted', 'dry_run') ORDER BY at"
        " ON CONFLICT DO UPDATE SET decision = excluded.decision"
    )


# By the version that each makes of the one before.
STEPS = {1: _to_1, 2: _to_2}
VERSION = max(STEPS)


def bring_up_to_date(db: sqlite3.Connection) -> None:
    """Make the tables, or change those of an earlier version; all of it or nothing. Raises sqlite3.Error."""
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise sqlite3.DatabaseError(
            f"the record has schema {found}, and this service knows those up to {VERSION}; "
            "run the version of the service that wrote it, or a later one"
        )
    if found == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for version in range(found + 1, VERSION + 1):
            STEPS[version](db)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _run(db: sqlite3.Connection, script: str) -> None:
    # executescript() would end the transaction.
    for statement in script.split(";\n"):  # so no comment stands behind a semicolon
        if statement.strip():
            db.execute(statement)
