"""From predictions with labels to what is added to the counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from . import quantities as q

Key = tuple[int, str, str, str, str, str]
Column = NDArray[np.float64]


class Increments:
    """What is to be added to each counter, by (version, quantity, segment, first, second, change)."""

    def __init__(self) -> None:
        self.by_key: dict[Key, float] = {}

    def add(
        self,
        quantity: q.Quantity,
        amount: float,
        *,
        version: int = 0,
        segment: str = "",
        first: str = "",
        second: str = "",
        change: str = "",
    ) -> None:
        """Add to one counter; nothing where the amount is 0."""
        if amount:
            key = (version, quantity.name, segment, first, second, change)
            self.by_key[key] = self.by_key.get(key, 0.0) + float(amount)


@dataclass(frozen=True)
class Labelled:
    """Predictions of one source whose labels are counted, or taken back, n of them.

    predicted, actual: (n,) places of classes, or values. confidence, expected: (n,), NaN where there is none. scores:
    (n, classes), NaN in rows without. segments: (n,) texts.
    """

    version: int
    kind: str
    classes: Sequence[str]
    predicted: Column
    actual: Column
    confidence: Column
    expected: Column
    scores: Optional[Column]
    segments: Sequence[str]
    change: str

    def add_to(self, increments: Increments) -> None:
        """Add all that is counted of them."""
        names, place = np.unique(np.asarray(self.segments, dtype=object), return_inverse=True)
        for index, segment in enumerate(names.tolist()):
            chosen = place == index
            if self.kind == "class":
                self._classes(increments, segment, chosen)
            else:
                self._values(increments, segment, chosen)
        if self.kind == "class":
            self._confusion(increments)
            self._calibration(increments)

    @property
    def _right(self) -> NDArray[np.bool_]:
        return np.equal(self.predicted, self.actual)

    def _add(
        self,
        increments: Increments,
        quantity: q.Quantity,
        amount: float,
        segment: str = "",
        first: str = "",
        second: str = "",
    ) -> None:
        increments.add(
            quantity,
            amount,
            version=self.version,
            segment=segment,
            first=first,
            second=second,
            change=self.change,
        )

    def _classes(self, increments: Increments, segment: str, chosen: NDArray[np.bool_]) -> None:
        for quantity, places in (
            (q.LABELLED, self.actual[chosen]),
            (q.PREDICTED, self.predicted[chosen]),
            (q.CORRECT, self.actual[chosen & self._right]),
        ):
            for place, amount in _counted(places):
                self._add(increments, quantity, amount, segment, class_name(self.classes, place))
        known = chosen & ~np.isnan(self.expected)
        self._add(increments, q.ESTIMATED, known.sum(), segment)
        self._add(increments, q.ESTIMATED_EXPECTED, self.expected[known].sum(), segment)
        self._add(increments, q.ESTIMATED_CORRECT, (known & self._right).sum(), segment)
        if self.scores is not None:
            scored = chosen & ~np.isnan(self.scores).any(axis=1)
            shares, actual = self.scores[scored], self.actual[scored].astype(np.intp)
            self._add(increments, q.SCORED, len(shares), segment)
            self._add(increments, q.LOG_LOSS, log_loss(shares, actual).sum(), segment)
            self._add(increments, q.BRIER, brier(shares, actual).sum(), segment)

    def _values(self, increments: Increments, segment: str, chosen: NDArray[np.bool_]) -> None:
        error = self.predicted[chosen] - self.actual[chosen]
        self._add(increments, q.LABELLED, len(error), segment)
        self._add(increments, q.ABSOLUTE_ERROR, error[error > 0].sum(), segment, "over")
        self._add(increments, q.ABSOLUTE_ERROR, -error[error < 0].sum(), segment, "under")
        self._add(increments, q.SQUARED_ERROR, np.square(error).sum(), segment)
        self._add(increments, q.FOURTH_POWER_ERROR, np.power(error, 4).sum(), segment)

    def _confusion(self, increments: Increments) -> None:
        most = min(len(self.classes), q.MOST_CONFUSED)
        predicted, actual = np.minimum(self.predicted, most), np.minimum(self.actual, most)
        for place, amount in _counted(predicted * (most + 1) + actual):
            guess, truth = divmod(place, most + 1)
            names = (class_name(self.classes, at, q.MOST_CONFUSED) for at in (guess, truth))
            self._add(increments, q.CONFUSION, amount, "", *names)

    def _calibration(self, increments: Increments) -> None:
        known = ~np.isnan(self.confidence)
        confidence, right = self.confidence[known], self._right[known]
        # As in a histogram of Prometheus, a bin holds its upper end.
        places = np.clip(np.ceil(confidence * q.CONFIDENCE_BINS) - 1, 0, q.CONFIDENCE_BINS - 1)
        for place, amount in _counted(places):
            chosen = places == place
            name = bin_name(place)
            self._add(increments, q.CONFIDENCE, amount, "", name)
            self._add(increments, q.CONFIDENCE_SUM, confidence[chosen].sum(), "", name)
            self._add(increments, q.CONFIDENCE_CORRECT, right[chosen].sum(), "", name)


def class_name(classes: Sequence[str], place: int, most: int = q.MOST_CLASSES) -> str:
    """Return a class as a label; the last ones of too many are one."""
    return classes[place] if place < most else q.OTHER


def class_names(classes: Sequence[str], most: int = q.MOST_CLASSES) -> list[str]:
    """Return each label that a class may have.

    >>> class_names(["a", "b", "c"], 2)
    ['a', 'b', 'other']
    """
    return [class_name(classes, place, most) for place in range(min(len(classes), most + 1))]


def bin_name(place: int) -> str:
    """Return a bin of confidence as a label.

    >>> bin_name(0), bin_name(9)
    ('0.1', '1')
    """
    return f"{(place + 1) / q.CONFIDENCE_BINS:g}"


def log_loss(shares: Column, actual: NDArray[np.intp]) -> Column:
    """Return -ln p of each true class, (n,), with p kept off 0 and 1 as scikit-learn's log_loss does."""
    tiny = np.finfo(np.float64).eps
    true = shares[np.arange(len(shares)), actual]
    return np.asarray(-np.log(np.clip(true, tiny, 1 - tiny)))


def brier(shares: Column, actual: NDArray[np.intp]) -> Column:
    """Return the squared distance of each row from its truth, (n,); halved of two classes (Brier, 1950)."""
    truth = np.zeros_like(shares)
    truth[np.arange(len(shares)), actual] = 1
    return np.asarray(np.square(shares - truth).sum(axis=1) / (2 if shares.shape[1] == 2 else 1))


def _counted(places: Column) -> list[tuple[int, int]]:
    found, amounts = np.unique(places, return_counts=True)
    return [(int(place), int(amount)) for place, amount in zip(found, amounts)]
