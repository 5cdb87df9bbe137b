"""A file of predictions, as a worker writes it (docs/decisions/033-ground-truth.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from torchvitals.worker.prediction_files import FORMAT

from .errors import FileError

LARGEST_BYTES = 64 * 2**20
LONGEST_ID, LONGEST_NAME = 200, 200
MOST_CLASSES, MOST_SCORES = 10_000, 50
Column = NDArray[np.float64]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    model_name: str
    model_version: str
    worker: str
    host: str
    kind: Literal["class", "value"]
    classes: list[str]
    ids: list[str]
    times: bytes
    predicted: bytes
    confidence: bytes
    expected: bytes
    segments: list[str]
    scores: bytes


class Batch(msgspec.Struct, frozen=True):
    """Predictions of one version, n of them, side by side.

    times: (n,) seconds since 1970. predicted: (n,) places in `classes`, or values. confidence, expected: (n,), NaN
    where there is none. scores: (n, classes) probabilities, or None.
    """

    model_name: str
    model_version: str
    kind: Literal["class", "value"]
    classes: list[str]
    ids: list[str]
    times: Column
    predicted: Column
    confidence: Column
    expected: Column
    segments: list[str]
    scores: Optional[Column]


def read_batch(file: Path) -> Batch:
    """Return what a file holds. Raises FileError where it is none, or larger or longer than a worker makes them."""
    if file.stat().st_size > LARGEST_BYTES:
        raise FileError(f"{file.name}: larger than {LARGEST_BYTES} bytes")
    return batch_of(file.read_bytes(), file.name)


def batch_of(content: bytes, name: str) -> Batch:
    """Return what the content of a file holds. Raises FileError as `read_batch` does."""
    try:
        held = msgspec.msgpack.decode(content, type=_File)
    except msgspec.MsgspecError as error:
        raise FileError(f"{name}: {error}") from error
    if held.format != FORMAT:
        raise FileError(f"{name}: written in format {held.format}; this version reads {FORMAT}")
    count, classes = len(held.ids), len(held.classes)
    _check_names(held, name)
    scores = _numbers(held.scores, "scores", count * classes, name) if held.scores else None
    batch = Batch(
        model_name=held.model_name,
        model_version=held.model_version,
        kind=held.kind,
        classes=held.classes,
        ids=held.ids,
        times=_numbers(held.times, "times", count, name),
        predicted=_numbers(held.predicted, "predicted", count, name),
        confidence=_numbers(held.confidence, "confidence", count, name),
        expected=_numbers(held.expected, "expected", count, name),
        segments=held.segments or [""] * count,
        scores=None if scores is None else scores.reshape(count, classes),
    )
    if not np.isfinite(batch.times).all() or not np.isfinite(batch.predicted).all():
        raise FileError(f"{name}: a time or a prediction is not a finite number")
    if held.kind == "class" and count and not _are_places(batch.predicted, classes):
        raise FileError(f"{name}: a predicted class is none of the {classes}")
    return batch


def _check_names(held: _File, name: str) -> None:
    if not 1 <= len(held.model_name) <= LONGEST_NAME or not 1 <= len(held.model_version) <= LONGEST_NAME:
        raise FileError(f"{name}: a model's name and version have 1 to {LONGEST_NAME} characters")
    if len(held.classes) > MOST_CLASSES or (held.scores and len(held.classes) > MOST_SCORES):
        raise FileError(f"{name}: {len(held.classes)} classes are too many")
    if len(held.segments) not in (0, len(held.ids)):
        raise FileError(f"{name}: {len(held.segments)} segments of {len(held.ids)} predictions")
    texts = (held.model_name, held.model_version, *held.classes, *held.ids, *held.segments)
    if not all(len(text) <= LONGEST_ID and text.isprintable() for text in texts):
        raise FileError(
            f"{name}: a name, an id or a segment is not of up to {LONGEST_ID} printable characters"
        )
    if not all(held.ids):
        raise FileError(f"{name}: an id is empty")


def _numbers(content: bytes, column: str, count: int, name: str) -> Column:
    if len(content) != 8 * count:
        raise FileError(f"{name}: `{column}` has {len(content)} bytes, and not 8 for each of {count} numbers")
    return np.frombuffer(content, dtype="<f8").astype(np.float64)


def _are_places(values: Column, count: int) -> bool:
    return bool(((values >= 0) & (values < count) & (values == np.floor(values))).all())
