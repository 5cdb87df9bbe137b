"""Accuracy without labels: what the model's confidence was worth where labels were known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from .isotonic import isotonic

# Confidence is binned by its log odds: a sure model is 0.99 and 0.9999 of the time right, which is not the same.
LOWEST_ODDS, STEP, BINS = -4.0, 0.25, 57
FEWEST_LABELS = 200
# Of more classes nothing is kept by class: a file would hold the square of them.
MOST_CLASSES = 50
NUMBER_TYPES = (bool, int, float, np.bool_, np.number)


# Why an accuracy is not estimated, in the order in which they are looked for.
WITHHELD_REASONS = (
    "few_predictions",
    "outside_range",
    "row_distance",
    "column_relations",
    "inputs",
    "outputs",
    "wide_interval",
    "class_shift",
)


@dataclass(frozen=True)
class AccuracyEstimate:
    """The accuracy to expect of a window's predictions, or why there is none.

    value: share of predictions to expect right. low, high: ends of the 95 % interval. All are None where the estimate
    is withheld. withheld: the reason, one of WITHHELD_REASONS; None where the estimate is stated.
    """

    value: Optional[float] = None
    low: Optional[float] = None
    high: Optional[float] = None
    withheld: Optional[str] = None


class ClassAccuracy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The labelled predictions of one class: how many each bin of confidence held, how many were right, what was true.

    truth: (k,) how many of them were of each class.
    """

    counts: list[int]
    correct: list[int]
    truth: list[int]


class Accuracy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How many labelled predictions each bin of confidence held, and how many of them were right.

    classes: the same for each class that is predicted; empty of more than MOST_CLASSES, and in files of the first
    version.
    """

    counts: list[int]
    correct: list[int]
    classes: list[ClassAccuracy] = []

    @property
    def samples(self) -> int:
        """Number of labelled predictions."""
        return sum(self.counts)

    @property
    def ratio(self) -> float:
        """Share of them that were right."""
        return sum(self.correct) / max(self.samples, 1)

    def merged(self, other: Accuracy) -> Accuracy:
        """Return both together; by class as well, where both know the same classes."""
        same = len(self.classes) == len(other.classes)
        return Accuracy(
            counts=_added(self.counts, other.counts),
            correct=_added(self.correct, other.correct),
            classes=[
                ClassAccuracy(
                    counts=_added(mine.counts, theirs.counts),
                    correct=_added(mine.correct, theirs.correct),
                    truth=_added(mine.truth, theirs.truth),
                )
                for mine, theirs in zip(self.classes, other.classes)
                if same
            ],
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
        self._check_classes()

    def _check_classes(self) -> None:
        if not self.classes:
            return
        for field in ("counts", "correct"):
            parts = [getattr(each, field) for each in self.classes]
            if any(len(part) != BINS for part in parts) or list(map(sum, zip(*parts))) != getattr(
                self, field
            ):
                raise BaselineError(f"accuracy: `{field}` of the classes do not add up to those of all")
        for place, each in enumerate(self.classes):
            if len(each.truth) != len(self.classes) or min(each.truth) < 0:
                raise BaselineError(f"accuracy: class {place} has not one number of true rows a class")
            if sum(each.truth) != sum(each.counts) or each.truth[place] != sum(each.correct):
                raise BaselineError(f"accuracy: what is true of class {place} does not fit what was right")


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
    place = confidence_bins(confidence[known])
    guess, truth = predicted[known].astype(np.intp), wanted[known].astype(np.intp)
    right = guess == truth
    number = len(classes) if len(classes) <= MOST_CLASSES else 0
    return Accuracy(
        counts=np.bincount(place, minlength=BINS).tolist(),
        correct=np.bincount(place[right], minlength=BINS).tolist(),
        classes=[
            ClassAccuracy(
                counts=np.bincount(place[guess == each], minlength=BINS).tolist(),
                correct=np.bincount(place[right & (guess == each)], minlength=BINS).tolist(),
                truth=np.bincount(truth[guess == each], minlength=number).tolist(),
            )
            for each in range(number)
        ],
    )


class ExpectedAccuracy:
    """The share of predictions to expect right, by their confidence.

    The calibration is isotonic (more confidence, never less accuracy): Zadrozny and Elkan, 2002. The estimate is
    that of confidence-based performance estimation: it holds while inputs change and what they mean does not.
    """

    def __init__(self, accuracy: Accuracy) -> None:
        counts, correct = np.array(accuracy.counts), np.array(accuracy.correct)
        used = np.flatnonzero(counts)
        odds = LOWEST_ODDS + STEP * (np.arange(BINS) + 0.5)
        self._odds = odds[used]
        self._accuracy = isotonic(correct[used] / counts[used], counts[used])
        # In the middle of each bin, (BINS,); and the value of the nearest bin that has labels.
        self.by_bin = np.interp(odds, self._odds, self._accuracy)
        self.nearest = self._accuracy[np.abs(odds[:, None] - self._odds).argmin(axis=1)]

    def of_each(self, confidence: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the chance that predictions with these confidences, (n,) without NaN, are right, (n,)."""
        return np.asarray(np.interp(_log_odds(confidence), self._odds, self._accuracy))

    def of(self, confidence: NDArray[np.floating[Any]]) -> Optional[float]:
        """Return the accuracy to expect of predictions with these confidences, (n,); None without any."""
        known = confidence[~np.isnan(confidence)]
        return float(self.of_each(known).mean()) if len(known) else None


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


def _added(mine: list[int], theirs: list[int]) -> list[int]:
    return [a + b for a, b in zip(mine, theirs)]


def confidence_bins(confidence: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return the bins of (n,) confidences, which are no NaN, (n,)."""
    place = np.floor((_log_odds(confidence) - LOWEST_ODDS) / STEP)
    return np.clip(place, 0, BINS - 1).astype(np.intp)
