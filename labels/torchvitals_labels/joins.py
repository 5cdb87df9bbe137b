"""Predictions that met their labels, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

import numpy as np

from . import quantities as q
from .outcomes import Increments, Labelled
from .sources import Source


class Prediction(NamedTuple):
    """A row of the store's table of predictions, in the order of its columns."""

    id: str
    version_id: int
    source_id: int
    at: float
    segment: str
    predicted: float
    confidence: Optional[float]
    expected: Optional[float]
    scores: Optional[bytes]


class Joins:
    """What changes of predictions as labels come: what is counted of each, and what is taken back."""

    def __init__(self) -> None:
        self.versions: set[int] = set()
        self.latest = 0.0
        self._moves: dict[tuple[int, str], list[tuple[Prediction, float]]] = {}
        self._delays: dict[int, list[float]] = {}

    def settle(self, row: Prediction, source: Source, before: Optional[str], label: str, at: float) -> bool:
        """Count a prediction by its label, which came at `at`; return False where the label says nothing about it.

        before: the label that it had. A prediction is counted if and only if it has a label that says something.
        """
        truth = source.actual(label)
        was = None if before is None else source.actual(before)
        if before != label and was is not None:
            self._moves.setdefault((row.source_id, q.TAKEN_BACK), []).append((row, was))
        if before != label and truth is not None:
            self._moves.setdefault((row.source_id, q.ADDED), []).append((row, truth))
            if was is None:
                self._delays.setdefault(row.version_id, []).append(max(0.0, at - row.at))
            self.versions.add(row.version_id)
            self.latest = max(self.latest, at)
        return truth is not None

    def add_to(self, increments: Increments, sources: Mapping[int, Source]) -> None:
        """Add all that is counted, and taken back."""
        for (source_id, change), moves in self._moves.items():
            _labelled(sources[source_id], moves, change).add_to(increments)
        for version, delays in self._delays.items():
            # Up to each limit, as a histogram of Prometheus counts.
            within = np.searchsorted(np.sort(delays), q.DELAYS, side="right")
            for limit, amount in zip(q.DELAYS, within.tolist()):
                increments.add(q.DELAY_BUCKET, amount, version=version, first=str(limit))
            increments.add(q.DELAY_BUCKET, len(delays), version=version, first="+Inf")
            increments.add(q.DELAY_SUM, sum(delays), version=version)
            increments.add(q.DELAY_COUNT, len(delays), version=version)


def _labelled(source: Source, moves: list[tuple[Prediction, float]], change: str) -> Labelled:
    rows = [row for row, _ in moves]
    width = len(source.classes)
    scores = None
    if any(row.scores is not None for row in rows):
        nothing = np.full(width, np.nan).tobytes()
        scores = np.frombuffer(b"".join(row.scores or nothing for row in rows), dtype="<f8").reshape(
            -1, width
        )
    return Labelled(
        version=source.version_id,
        kind=source.kind,
        classes=source.classes,
        predicted=np.array([row.predicted for row in rows]),
        actual=np.array([truth for _, truth in moves]),
        confidence=np.array([row.confidence for row in rows], dtype=np.float64),
        expected=np.array([row.expected for row in rows], dtype=np.float64),
        scores=scores,
        segments=[row.segment for row in rows],
        change=change,
    )
