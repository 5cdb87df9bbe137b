"""Accuracy without labels: what the model's confidence was worth where labels were known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from .isotonic import isotonic

# Confidence is binned by its log odds: a sure model is 0.99 and 0.9999 of the time right, which is not the same.
LOWEST_ODDS, STEP, BINS = -4.0, 0.25, 57
FEWEST_LABELS = 200
NUMBER_TYPES = (bool, int, float, np.bool_, np.number)


class Accuracy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many labelled predictions each bin of confidence held, and how many of them were right."""

    counts: list[int]
    correct: list[int]

    @property
    def samples(self) -> int:
        """Number of labelled predictions."""
        return sum(self.counts)

    @property
    def ratio(self) -> float:
        """Share of them that were right."""
        return sum(self.correct) / max(self.samples, 1)

    def merged(self, other: Accuracy) -> Accuracy:
        """Return both together."""
        return Accuracy(
            counts=[a + b for a, b in zip(self.counts, other.counts)],
            correct=[a + b for a, b in zip(self.correct, other.correct)],
        )

    def validate(self) -> None:
        """Raise BaselineError that says what is wrong inside."""
        if len(self.counts) != BINS or len(self.correct) != BINS:
            raise BaselineError(
                f"accuracy has {len(self.counts)} and {len(self.correct)} bins instead of {BINS}"
            )
        if any(not 0 <= right <= all_ for right, all_ in zip(self.correct, self.counts)):
            raise BaselineError("accuracy counts more right predictions than predictions")
        if self.samples < FEWEST_LABELS:
            raise BaselineError(f"accuracy has {self.samples} labels, and needs {FEWEST_LABELS}")


def count_accuracy(
    predicted: NDArray[np.float64], confidence: NDArray[np.float64], labels: Any, classes: Sequence[str]
) -> Accuracy:
    """Count right predictions by confidence.

    predicted: (n,) class indices; confidence: (n,); NaN in either is left out. labels: (n,) class indices or names;
    None and NaN are not labelled. Raises BaselineError for a label of an unknown class.
    """
    wanted = _indices(labels, classes)
    if len(wanted) != len(predicted):
        raise BaselineError(f"there are {len(wanted)} labels for {len(predicted)} rows; give one a row")
    known = ~np.isnan(predicted) & ~np.isnan(confidence) & ~np.isnan(wanted)
    place = _bins(confidence[known])
    right = predicted[known] == wanted[known]
    return Accuracy(
        counts=np.bincount(place, minlength=BINS).tolist(),
        correct=np.bincount(place[right], minlength=BINS).tolist(),
    )


class ExpectedAccuracy:
    """The share of predictions to expect right, by their confidence.

    The calibration is isotonic (more confidence, never less accuracy): Zadrozny and Elkan, 2002. The estimate is
    that of confidence-based performance estimation: it holds while inputs change and what they mean does not.
    """

    def __init__(self, accuracy: Accuracy) -> None:
        counts, correct = np.array(accuracy.counts), np.array(accuracy.correct)
        used = np.flatnonzero(counts)
        self._odds = LOWEST_ODDS + STEP * (used + 0.5)
        self._accuracy = isotonic(correct[used] / counts[used], counts[used])

    def of(self, confidence: NDArray[np.floating[Any]]) -> Optional[float]:
        """Return the accuracy to expect of predictions with these confidences, (n,); None without any."""
        known = confidence[~np.isnan(confidence)]
        if not len(known):
            return None
        return float(np.interp(_log_odds(known), self._odds, self._accuracy).mean())


def _indices(labels: Any, classes: Sequence[str]) -> NDArray[np.float64]:
    values = np.asarray(labels)
    if values.ndim != 1:
        raise BaselineError(f"labels have shape {values.shape}; give one a row, (rows,)")
    if values.dtype == object and all(value is None or isinstance(value, NUMBER_TYPES) for value in values):
        values = np.array([np.nan if value is None else value for value in values.tolist()], dtype=np.float64)
    if values.dtype.kind in "biuf":
        indices = values.astype(np.float64)
        wrong = indices[~np.isnan(indices) & ~np.isin(indices, np.arange(len(classes)))].tolist()
    else:
        places = {str(name): place for place, name in enumerate(classes)}
        texts = [None if value is None or value != value else str(value) for value in values.tolist()]
        wrong = [text for text in texts if text is not None and text not in places]
        indices = np.array([np.nan if text is None else places.get(text, -1) for text in texts])
    if len(wrong):
        raise BaselineError(
            f"unknown class {wrong[0]!r}; give class names ({', '.join(classes)}) or their places from 0"
        )
    return indices


def _log_odds(confidence: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    share = np.clip(confidence.astype(np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(share / (1 - share)))


def _bins(confidence: NDArray[np.float64]) -> NDArray[np.intp]:
    place = np.floor((_log_odds(confidence) - LOWEST_ODDS) / STEP)
    return np.clip(place, 0, BINS - 1).astype(np.intp)
