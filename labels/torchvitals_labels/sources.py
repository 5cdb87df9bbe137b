"""What predicts: versions of models, and what their predictions are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import msgspec
from sqlalchemy import Connection, select, true

from .batch import Batch
from .database import Database
from .reading import actual, places_of
from .schema import sources, versions

# Of a model of classes there are few texts, again and again; of one of values there is no end.
KEPT_LABELS = 1_000


@dataclass(frozen=True)
class Source:
    """What a version of a model predicts; see `schema.sources`."""

    id: int
    version_id: int
    model_name: str
    model_version: str
    kind: str
    classes: list[str]

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each class by its name."""
        return places_of(self.classes)

    @cached_property
    def _said(self) -> dict[str, Optional[float]]:
        return {}

    def actual(self, label: str) -> Optional[float]:
        """Return what a label says, as `reading.actual` does."""
        said = self._said
        if label not in said:
            if len(said) >= KEPT_LABELS:
                said.clear()
            said[label] = actual(label, self.kind, self.places)
        return said[label]


class Sources:
    """The sources that the store knows; what is committed never changes, and is kept here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.by_id: dict[int, Source] = {}
        self._ids: dict[tuple[str, str, str], int] = {}

    def of_batch(self, batch: Batch) -> Source:
        """Return what the predictions of a batch are, as the store knows it from now on."""
        classes = msgspec.json.encode(batch.classes).decode()
        digest = hashlib.sha256(f"{batch.kind} {classes}".encode()).hexdigest()
        key = (batch.model_name, batch.model_version, digest)
        if key not in self._ids:
            with self._database.writing() as connection:
                name = {"model_name": batch.model_name, "model_version": batch.model_version}
                version = _found_or_made(connection, versions, name, {})
                known = {"version_id": version, "digest": digest}
                found = _found_or_made(connection, sources, known, {"kind": batch.kind, "classes": classes})
            with self._database.reading() as connection:
                self.learn(connection, {found})
            self._ids[key] = found
        return self.by_id[self._ids[key]]

    def learn(self, connection: Connection, ids: set[int]) -> None:
        """Find out about sources of committed predictions, which another service may have found."""
        unknown = ids - set(self.by_id)
        if unknown:
            self.by_id.update((one.id, one) for one in _read(connection, sources.c.id.in_(unknown)))

    def all(self) -> list[Source]:
        """Return all sources."""
        with self._database.reading() as connection:
            return list(_read(connection, true()))


def _read(connection: Connection, which: Any) -> Iterator[Source]:
    query = select(
        sources.c.id,
        sources.c.version_id,
        versions.c.model_name,
        versions.c.model_version,
        sources.c.kind,
        sources.c.classes,
    ).join(versions, sources.c.version_id == versions.c.id)
    for number, version, model_name, model_version, kind, classes in connection.execute(query.where(which)):
        names = msgspec.json.decode(classes, type=list[str])
        yield Source(number, version, model_name, model_version, kind, names)


def _found_or_made(connection: Connection, table: Any, key: dict[str, Any], rest: dict[str, Any]) -> int:
    """Return the id of a row; whoever asks holds the lock."""
    wanted = select(table.c.id).where(*(table.c[name] == value for name, value in key.items()))
    found = connection.execute(wanted).scalar_one_or_none()
    if found is None:
        connection.execute(table.insert().values(**key, **rest))
        found = connection.execute(wanted).scalar_one()
    return int(found)
