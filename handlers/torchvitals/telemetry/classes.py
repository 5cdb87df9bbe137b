"""Predicted classes, counted by their place, however many there are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from . import catalogue as m
from .publisher import Publisher

# So many classes have series of their own, the largest of the baseline first.
MAX_CLASSES = 50
# And so many more that hold half of the last predictions, which nobody would see otherwise.
MAX_RISEN = 10
RISEN_SHARE = 0.5
# The label of all others.
OTHER = "other"
# A share of fewer predictions than this says little.
MIN_PREDICTIONS = 100


class ClassCounts:
    """Predictions by class.

    Args:
        names: of the classes, which need not differ.
        baseline: how often each was predicted there, in the same order; empty where that is not known.
        window: the last predictions that `largest_share` is of.
    """

    def __init__(self, names: Sequence[str], *, baseline: Sequence[int] = (), window: int) -> None:
        self._all_labels = class_labels(names)
        counts = np.array([*baseline, *[0] * (len(names) - len(baseline))], dtype=np.float64)
        self._known = len(baseline) > 0
        self._usual = counts / max(counts.sum(), 1.0)
        # The largest ones, in the order of the model; the series after them is of all others.
        places = np.sort(np.argsort(-counts, kind="stable")[:MAX_CLASSES])
        self._labels = [*(self._all_labels[place] for place in places), OTHER]
        self._others = len(places)
        # The series of each class; the last is of a class that is none of them, place -1.
        self._series = np.full(len(names) + 1, self._others, dtype=np.intp)
        self._series[places] = np.arange(len(places))
        self._counts = np.zeros(len(self._labels), dtype=np.int64)
        self._recent = np.empty(window, dtype=np.int32)
        self._taken = 0

    def add(self, predicted: NDArray[np.float64]) -> None:
        """Count predictions, (n,) places of classes, newest last; -1 for a class that is none of them."""
        places = predicted.astype(np.int32)
        self._counts += np.bincount(self._series[places], minlength=len(self._counts))
        size = len(self._recent)
        last = places[-size:]
        self._taken += len(places) - len(last)
        self._recent[(self._taken + np.arange(len(last))) % size] = last
        self._taken += len(last)

    def largest_share(self, limit: float) -> float:
        """Return the share of the most frequent class among the last predictions; 0 while they are too few.

        It is 0 too for a class that is more frequent than `limit` in the baseline, unless it became yet more frequent
        by far.
        """
        shares = self._recent_shares()
        largest = int(shares.argmax())
        share, usual = float(shares[largest]), float(self._usual[largest])
        noise = 4 * math.sqrt(usual * (1 - usual) / max(min(self._taken, len(self._recent)), 1))
        as_usual = share <= max((1 + usual) / 2, usual + noise)
        return 0.0 if usual > limit and as_usual else share

    def start(self, publisher: Publisher) -> None:
        """Make every series exist, and say what the baseline has in each."""
        used = range(len(self._labels) if self._others < len(self._usual) else self._others)
        for series in used:
            publisher.increase(m.PREDICTIONS, (self._labels[series],), 0)
        if self._known:
            shares = np.bincount(self._series[:-1], weights=self._usual, minlength=len(self._labels))
            for series in used:
                publisher.set(m.BASELINE_CLASS, (self._labels[series],), float(shares[series]))

    def publish(self, publisher: Publisher) -> None:
        """Send the increases."""
        counts, self._counts = self._counts, np.zeros_like(self._counts)
        for series in np.flatnonzero(counts):
            publisher.increase(m.PREDICTIONS, (self._labels[series],), int(counts[series]))
        self._give_series(publisher)

    def _give_series(self, publisher: Publisher) -> None:
        """Let a class that is counted with others, and holds most of the last predictions, be seen by its name."""
        if self._others == len(self._usual) or len(self._labels) > self._others + MAX_RISEN:
            return
        shares = self._recent_shares()
        largest = int(shares.argmax())
        if shares[largest] < RISEN_SHARE or self._series[largest] != self._others:
            return
        self._series[largest] = len(self._labels)
        self._labels.append(self._all_labels[largest])
        self._counts = np.append(self._counts, 0)
        # From 0 on: a counter that begins higher has not increased.
        publisher.increase(m.PREDICTIONS, (self._labels[-1],), 0)
        if self._known:
            publisher.set(m.BASELINE_CLASS, (self._labels[-1],), float(self._usual[largest]))

    def _recent_shares(self) -> NDArray[np.float64]:
        """Return each class's share of the last predictions, (classes,); 0 while they are too few."""
        recent = self._recent[: min(self._taken, len(self._recent))]
        if len(recent) < MIN_PREDICTIONS:
            return np.zeros(len(self._usual))
        known = recent[recent >= 0]
        return np.bincount(known, minlength=len(self._usual)) / len(recent)


def class_labels(classes: Sequence[str]) -> list[str]:
    """Return a label for each class, no two the same, and none that all others share.

    >>> class_labels(["crane", "owl", "crane", "other"])
    ['crane 0', 'owl', 'crane 2', 'other 3']
    """
    if OTHER not in classes and len(set(classes)) == len(classes):
        return [*classes]
    times, labels, taken = Counter(classes), [], {OTHER}
    for index, name in enumerate(classes):
        label = name if times[name] == 1 else f"{name} {index}"
        while label in taken:
            label = f"{label} {index}"
        taken.add(label)
        labels.append(label)
    return labels
