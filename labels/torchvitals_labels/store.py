"""Predictions and labels, whichever comes first, and what is counted of those that met."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from sqlalchemy import Connection, bindparam, case, delete, func, select, update

from . import quantities as q
from .batch import Batch, Column
from .database import Database
from .joins import Joins, Prediction
from .outcomes import Increments, Key
from .schema import labels, predictions, totals, versions
from .sources import Source, Sources

# Rows of a transaction: enough that its own cost does not count, few enough that others get their turn.
ROWS = 10_000
PRUNED_ROWS = 10_000


@dataclass(frozen=True)
class Label:
    """What is true of the prediction with an id.

    model_name: the model that it is meant for; empty for every model that predicted for the id. place: where it stands
    in what was sent, for whoever sent it.
    """

    id: str
    label: str
    model_name: str = ""
    place: str = ""


@dataclass(frozen=True)
class Refusal:
    """A label that was not taken, and why."""

    place: str
    reason: str


@dataclass(frozen=True)
class Taken:
    """What became of labels: how many were new, the same as before, or corrected; and those that were refused."""

    new: int
    same: int
    corrected: int
    refused: tuple[Refusal, ...]


@dataclass(frozen=True)
class Total:
    """One counter of one service."""

    model_name: str
    model_version: str
    quantity: str
    segment: str
    first: str
    second: str
    change: str
    value: float


class Store:
    """For one thread. service: the name under which it counts; each service of a fleet has its own."""

    def __init__(self, database: Database, service: str) -> None:
        self.database = database
        self.service = service
        self._sources = Sources(database)

    def take_predictions(self, batch: Batch) -> int:
        """Keep predictions, and join those whose labels are there already; return how many were not known yet."""
        source = self._sources.of_batch(batch)
        return sum(
            self._take_part(batch, source, range(start, min(start + ROWS, len(batch.ids))))
            for start in range(0, len(batch.ids), ROWS)
        )

    def take_labels(self, given: Sequence[Label], *, now: Optional[float] = None) -> Taken:
        """Keep labels, and join those whose predictions are there already.

        now: seconds since 1970 at which they came.
        """
        now = time.time() if now is None else now
        results: Counter[str] = Counter()
        refused: list[Refusal] = []
        for start in range(0, len(given), ROWS):
            self._take_labels(given[start : start + ROWS], now, results, refused)
        return Taken(results["new"], results["same"], results["corrected"], tuple(refused))

    def count(self, quantity: q.Quantity, amount: int, *, first: str = "") -> None:
        """Count what is of no version."""
        increments = Increments()
        increments.add(quantity, amount, first=first)
        with self.database.writing() as connection:
            self._add(connection, increments.by_key)

    def totals(self) -> list[Total]:
        """Return the counters of this service."""
        named = select(
            func.coalesce(versions.c.model_name, ""),
            func.coalesce(versions.c.model_version, ""),
            totals.c.quantity,
            totals.c.segment,
            totals.c.first,
            totals.c.second,
            totals.c.change,
            totals.c.value,
        ).select_from(totals.outerjoin(versions, totals.c.version_id == versions.c.id))
        with self.database.reading() as connection:
            rows = connection.execute(named.where(totals.c.service == self.service))
            return [Total(*row) for row in rows]

    def unmatched(self) -> int:
        """Return how many labels have no prediction."""
        with self.database.reading() as connection:
            alone = select(func.count()).select_from(labels).where(~labels.c.matched)
            return int(connection.execute(alone).scalar_one())

    def kinds(self) -> list[tuple[str, str, str, list[str]]]:
        """Return (model, version, kind, classes) of all that predicted."""
        return [(one.model_name, one.model_version, one.kind, one.classes) for one in self._sources.all()]

    def prune(self, *, seconds: float, rows: int, now: Optional[float] = None) -> int:
        """Forget what is older than `seconds`, and the oldest predictions beyond `rows`; return how many rows went.

        What was counted stays counted.
        """
        oldest = (time.time() if now is None else now) - seconds
        with self.database.reading() as connection:
            newest = select(predictions.c.at).order_by(predictions.c.at.desc()).offset(rows - 1).limit(1)
            beyond = connection.execute(newest).scalar_one_or_none()
        gone = self._prune(predictions, predictions.c.at, max(oldest, -np.inf if beyond is None else beyond))
        return gone + self._prune(labels, labels.c.received_at, oldest)

    # Predictions

    def _take_part(self, batch: Batch, source: Source, part: range) -> int:
        chosen: dict[str, int] = {}
        for row in part:
            chosen.setdefault(batch.ids[row], row)
        joins = Joins()
        increments = Increments()
        with self.database.writing() as connection:
            mine = predictions.c.version_id == source.version_id
            known = select(predictions.c.id).where(mine, self.database.among(predictions.c.id, chosen))
            for (taken,) in connection.execute(known):
                del chosen[taken]
            if not chosen:
                return 0
            found = self._labels_of(connection, chosen)
            segments = self._bounded(connection, source.version_id, batch, chosen.values())
            for segment, amount in Counter(segments).items():
                increments.add(q.STORED, amount, version=source.version_id, segment=segment)
            added = list(_predictions(batch, source, chosen, segments))
            self.database.write_many(connection, predictions.insert(), Prediction._fields, added)
            meant: dict[tuple[str, str], float] = {}
            for one in added if found else ():
                label = None
                for key in ((one.id, ""), (one.id, source.model_name)):
                    if key in found:
                        label = found[key]
                        meant[key] = max(label[1], one.at)
                if label is not None and not joins.settle(one, source, None, *label):
                    increments.add(q.RECEIVED, 1, first="unusable")
            self._mark_matched(connection, meant)
            self._finish(connection, joins, increments)
        return len(added)

    def _bounded(self, connection: Connection, version: int, batch: Batch, rows: Iterable[int]) -> list[str]:
        """Return the segments of rows; those that come after enough others are one."""
        wanted = [batch.segments[row] for row in rows]
        there = (
            select(totals.c.segment)
            .where(totals.c.version_id == version, totals.c.quantity == q.STORED.name)
            .distinct()
        )
        known = set(connection.execute(there).scalars())
        for segment in dict.fromkeys(wanted):
            if len(known) < q.MOST_SEGMENTS:
                known.add(segment)
        return [segment if segment in known else q.OTHER for segment in wanted]

    def _mark_matched(self, connection: Connection, meant: dict[tuple[str, str], float]) -> None:
        """Note that labels have a prediction; they are kept at least as long as it is."""
        self.database.write_many(
            connection,
            update(labels)
            .where(labels.c.id == bindparam("of_id"), labels.c.model_name == bindparam("of_model"))
            .values(matched=bindparam("now"), received_at=bindparam("at")),
            ("of_id", "of_model", "now", "at"),
            [(one, model, True, at) for (one, model), at in meant.items()],
        )

    # Labels

    def _take_labels(
        self, given: Sequence[Label], now: float, results: Counter[str], refused: list[Refusal]
    ) -> None:
        ids = {label.id for label in given}
        counted: Counter[str] = Counter()
        refusals: list[Refusal] = []
        with self.database.writing() as connection:
            before = {key: text for key, (text, _) in self._labels_of(connection, ids).items()}
            after = dict(before)
            found = self._predictions_of(connection, ids)
            for label in given:
                key = (label.id, label.model_name)
                text = after.get(key)
                if text == label.label:
                    counted["same"] += 1
                    continue
                reason = self._unusable(label, found.get(label.id, ()))
                if reason is not None:
                    refusals.append(Refusal(label.place, reason))
                    counted["refused"] += 1
                    continue
                counted["new" if text is None else "corrected"] += 1
                after[key] = label.label
            changed = {key: text for key, text in after.items() if before.get(key) != text}
            self._write_labels(connection, before, changed, found, now)
            joins = Joins()
            for one in {one for one, _ in changed}:
                for row in found.get(one, ()):
                    source = self._sources.by_id[row.source_id]
                    own, all_ = (one, source.model_name), (one, "")
                    text = after.get(own, after.get(all_))
                    if text is not None:
                        joins.settle(row, source, before.get(own, before.get(all_)), text, now)
            increments = Increments()
            for result, amount in counted.items():
                increments.add(q.RECEIVED, amount, first=result)
            self._finish(connection, joins, increments)
        results.update(counted)
        refused += refusals

    def _unusable(self, label: Label, rows: Sequence[Prediction]) -> Optional[str]:
        """Return why a label says nothing about any prediction that it is meant for; None where there is none yet."""
        source = None
        for row in rows:
            one = self._sources.by_id[row.source_id]
            if label.model_name in ("", one.model_name):
                source = one
                if source.actual(label.label) is not None:
                    return None
        if source is None:
            return None
        if source.kind != "class":
            return f"label: not a finite number, which is what {source.model_name} predicts"
        some = ", ".join(repr(name) for name in source.classes[:10])
        more = "" if len(source.classes) <= 10 else f" and {len(source.classes) - 10} more"
        return f"label: not one of the classes of {source.model_name}: {some}{more}"

    def _write_labels(
        self,
        connection: Connection,
        before: dict[tuple[str, str], str],
        changed: dict[tuple[str, str], str],
        found: dict[str, list[Prediction]],
        now: float,
    ) -> None:

        def matched(one: str, model: str) -> bool:
            return one in found and (not model or any(model == self._model(row) for row in found[one]))

        new = [
            (one, model, text, now, matched(one, model))
            for (one, model), text in changed.items()
            if (one, model) not in before
        ]
        corrected = [
            (one, model, text, now) for (one, model), text in changed.items() if (one, model) in before
        ]
        names = ("id", "model_name", "label", "received_at", "matched")
        self.database.write_many(connection, labels.insert(), names, new)
        self.database.write_many(
            connection,
            update(labels)
            .where(labels.c.id == bindparam("of_id"), labels.c.model_name == bindparam("of_model"))
            .values(label=bindparam("now"), received_at=bindparam("at")),
            ("of_id", "of_model", "now", "at"),
            corrected,
        )

    # Both

    def _model(self, row: Prediction) -> str:
        return self._sources.by_id[row.source_id].model_name

    def _labels_of(
        self, connection: Connection, ids: Iterable[str]
    ) -> dict[tuple[str, str], tuple[str, float]]:
        """Return labels and when they came, by id and model."""
        query = select(labels.c.id, labels.c.model_name, labels.c.label, labels.c.received_at)
        rows = connection.execute(query.where(self.database.among(labels.c.id, ids))).all()
        return {(one, model): (text, at) for one, model, text, at in rows}

    def _predictions_of(self, connection: Connection, ids: Iterable[str]) -> dict[str, list[Prediction]]:
        found: dict[str, list[Prediction]] = {}
        wanted = select(predictions).where(self.database.among(predictions.c.id, ids))
        for row in connection.execute(wanted).all():
            found.setdefault(row[0], []).append(Prediction._make(row))
        self._sources.learn(connection, {row.source_id for rows in found.values() for row in rows})
        return found

    def _finish(self, connection: Connection, joins: Joins, increments: Increments) -> None:
        joins.add_to(increments, self._sources.by_id)
        self._add(connection, increments.by_key)
        latest = {(version, LAST, "", "", "", ""): joins.latest for version in joins.versions}
        self._add(connection, latest, keep_largest=True)

    def _add(
        self,
        connection: Connection,
        by_key: Mapping[Key, float],
        *,
        keep_largest: bool = False,
    ) -> None:
        if not by_key:
            return
        row = self.database.insert(totals)
        larger = case((row.excluded.value > totals.c.value, row.excluded.value), else_=totals.c.value)
        row = row.on_conflict_do_update(
            index_elements=list(totals.primary_key.columns),
            set_={"value": larger if keep_largest else totals.c.value + row.excluded.value},
        )
        names = ("version_id", "quantity", "segment", "first", "second", "change")
        # In one order everywhere.
        connection.execute(
            row,
            [
                {"service": self.service, **dict(zip(names, key)), "value": amount}
                for key, amount in sorted(by_key.items())
            ],
        )

    def _prune(self, table: Any, column: Any, before: float) -> int:
        gone = 0
        while True:
            with self.database.writing() as connection:
                some = select(column).where(column < before).order_by(column).limit(PRUNED_ROWS)
                last = connection.execute(select(func.max(some.subquery().c[0]))).scalar_one()
                if last is None:
                    return gone
                gone += connection.execute(delete(table).where(column <= last, column < before)).rowcount


LAST = "model_label_last_timestamp_seconds"


def _predictions(
    batch: Batch, source: Source, chosen: dict[str, int], segments: Sequence[str]
) -> Iterator[Prediction]:
    places = list(chosen.values())
    width = 8 * len(batch.classes)
    scores: list[Optional[bytes]] = [None] * len(places)
    if batch.scores is not None:
        some = batch.scores[places]
        packed, unknown = some.tobytes(), np.isnan(some.sum(axis=1))
        scores = [
            None if missing else packed[at * width : (at + 1) * width]
            for at, missing in enumerate(unknown.tolist())
        ]
    columns = (
        batch.times[places].tolist(),
        segments,
        batch.predicted[places].tolist(),
        _known(batch.confidence[places]),
        _known(batch.expected[places]),
        scores,
    )
    for one, *rest in zip(chosen, *columns):
        yield Prediction(one, source.version_id, source.id, *rest)


def _known(values: Column) -> list[Optional[float]]:
    return [None if value != value else value for value in values.tolist()]
