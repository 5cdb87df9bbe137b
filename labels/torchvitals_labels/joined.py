"""Predictions beside their labels, for whoever fits something to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from .database import Database
from .errors import StoreError
from .schema import labels, predictions, versions
from .sources import Sources


@dataclass(frozen=True)
class Joined:
    """Labelled predictions of classes, n of them, oldest first.

    predicted, actual: (n,) places in `classes`. confidence: (n,), NaN where there is none.
    """

    classes: list[str]
    predicted: NDArray[np.float64]
    confidence: NDArray[np.float64]
    actual: NDArray[np.float64]


def joined_classes(database: Database, *, model_name: str, model_version: str, since: float) -> Joined:
    """Return a version's labelled predictions since a time, in seconds since 1970.

    Of a version that was trained anew under its number, those of its newest classes. Raises StoreError where there are
    none.
    """
    what = (
        select(
            predictions.c.id,
            predictions.c.source_id,
            predictions.c.predicted,
            predictions.c.confidence,
            labels.c.label,
        )
        .join(versions, versions.c.id == predictions.c.version_id)
        .join(labels, labels.c.id == predictions.c.id)
        .where(
            versions.c.model_name == model_name,
            versions.c.model_version == model_version,
            predictions.c.at >= since,
            labels.c.model_name.in_(["", model_name]),
        )
        # A label that is meant for the model comes after one that is for all, and wins.
        .order_by(predictions.c.at, predictions.c.id, labels.c.model_name)
    )
    with database.reading() as connection:
        rows = {one: rest for one, *rest in connection.execute(what)}
        kept = Sources(database)
        kept.learn(connection, {source for source, *_ in rows.values()})
    known = {source for source, *_ in rows.values() if kept.by_id[source].kind == "class"}
    if not known:
        raise StoreError(
            f"the store {database.name} has no labelled predictions of classes of {model_name} {model_version}"
        )
    source = kept.by_id[max(known)]
    found = [
        (predicted, np.nan if confidence is None else confidence, truth)
        for number, predicted, confidence, label in rows.values()
        if number == source.id and (truth := source.actual(label)) is not None
    ]
    columns = np.array(found, dtype=np.float64).reshape(len(found), 3).T
    return Joined(source.classes, *columns)
