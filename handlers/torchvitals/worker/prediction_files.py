"""Files of predictions that wait for the labels service.

docs/decisions/033-ground-truth.md says what is in a file.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

FORMAT = 1
SUFFIX = ".predictions"
ROWS = 20_000
Column = NDArray[np.float64]


class Predictions(NamedTuple):
    """Predictions side by side, n of them.

    kind: `class` or `value`. times: (n,) seconds since 1970. predicted: (n,) places in `classes`, or values.
    confidence, expected: (n,), NaN where there is none. scores: (n, classes) probabilities, or None.
    """

    kind: str
    classes: tuple[str, ...]
    ids: list[str]
    segments: list[str]
    times: Column
    predicted: Column
    confidence: Column
    expected: Column
    scores: Optional[Column]

    def at(self, places: Sequence[int]) -> Predictions:
        """Return some of them."""
        return self._replace(
            ids=[self.ids[place] for place in places],
            segments=[self.segments[place] for place in places],
            times=self.times[places],
            predicted=self.predicted[places],
            confidence=self.confidence[places],
            expected=self.expected[places],
            scores=None if self.scores is None else self.scores[places],
        )


class PredictionFiles:
    """Writes predictions of one model.

    directory: made with its first file. max_bytes: of all that waits there, of every worker.
    """

    def __init__(
        self, directory: Path, *, model_name: str, model_version: str, worker: str, max_bytes: int
    ) -> None:
        self.directory = directory
        self._names = {
            "model_name": model_name,
            "model_version": model_version,
            "worker": worker,
            "host": socket.gethostname(),
        }
        self._worker = worker
        self._max_bytes = max_bytes
        self._number = 0

    def write(self, predictions: Predictions) -> bool:
        """Write a file, whole or not at all; return False where too much waits already. Raises OSError."""
        content = self._content(predictions)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _waiting_bytes(self.directory) + len(content) > self._max_bytes:
            return False
        self._number += 1
        name = f"{time.time_ns()}-{self._worker}-{os.getpid()}-{self._number}-{len(content)}{SUFFIX}"
        temporary = self.directory / f".{name}.tmp"
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
            os.replace(temporary, self.directory / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return True

    def _content(self, predictions: Predictions) -> bytes:
        columns = {name: _packed(getattr(predictions, name)) for name in Predictions._fields[4:8]}
        return msgspec.msgpack.encode(
            {
                "format": FORMAT,
                **self._names,
                "kind": predictions.kind,
                "classes": predictions.classes,
                "ids": predictions.ids,
                **columns,
                "segments": predictions.segments if any(predictions.segments) else [],
                "scores": b"" if predictions.scores is None else _packed(predictions.scores),
            }
        )


def files_of(waiting: Sequence[Predictions]) -> Iterator[Predictions]:
    """Yield predictions as few files: one for each kind of them, of so many rows at most."""
    groups: dict[Any, list[Predictions]] = {}
    for some in waiting:
        groups.setdefault((some.kind, some.classes, some.scores is None), []).append(some)
    for group in groups.values():
        scores = [some.scores for some in group if some.scores is not None]
        whole = group[0]._replace(
            ids=[one for some in group for one in some.ids],
            segments=[one for some in group for one in some.segments],
            times=np.concatenate([some.times for some in group]),
            predicted=np.concatenate([some.predicted for some in group]),
            confidence=np.concatenate([some.confidence for some in group]),
            expected=np.concatenate([some.expected for some in group]),
            scores=np.concatenate(scores) if scores else None,
        )
        count = len(whole.ids)
        for start in range(0, count, ROWS):
            part = range(start, min(start + ROWS, count))
            yield whole if len(part) == count else whole.at(part)


def _waiting_bytes(folder: Path) -> int:
    """Return how much waits in a folder, by the names of files."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
    sizes = [name[: -len(SUFFIX)].rpartition("-")[2] for name in names]
    return sum(int(size) for size in sizes if size.isdecimal() and len(size) < 20)


def _packed(values: Column) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()
