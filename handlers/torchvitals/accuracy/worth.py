"""What a window's predictions are worth, judged by labelled ones: the estimate, its error, what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from .estimate import BINS, Accuracy, ClassAccuracy, ExpectedAccuracy, confidence_bins

# Labelled predictions of a class that it takes before its own accuracy counts as much as that of all classes.
CLASS_PRIOR = 20.0
# Groups of confidence, of about equally many labelled predictions each, for what a change of the classes explains.
GROUPS = 3
EM_STEPS = 30
# The 95 % interval of a normal law, in standard errors.
INTERVAL = 1.96


@dataclass(frozen=True)
class Predictions:
    """Predictions of a window, counted by class and bin of confidence, (k, BINS); k is 1 where classes are not known.

    effective: as how many independent ones they count, for rows that stand several times say no more than once.
    """

    counts: NDArray[np.float64]
    effective: float

    @classmethod
    def of(
        cls,
        predicted: NDArray[np.intp],
        confidence: NDArray[np.floating[Any]],
        *,
        classes: int,
        distinct: float = 1.0,
    ) -> Predictions:
        """Count (n,) predictions, none of which is NaN. distinct: share of their rows that are no repetition."""
        flat = predicted * BINS + confidence_bins(confidence)
        counts = np.bincount(flat, minlength=classes * BINS).reshape(classes, BINS)
        return cls(counts.astype(np.float64), len(confidence) * distinct)

    @property
    def by_class(self) -> NDArray[np.float64]:
        """Share of each class, (k,)."""
        return np.asarray(self.counts.sum(axis=1) / self.counts.sum())

    @property
    def by_bin(self) -> NDArray[np.float64]:
        """Share of each bin of confidence, (BINS,)."""
        return np.asarray(self.counts.sum(axis=0) / self.counts.sum())


class Worth:
    """What labelled predictions say of others.

    The estimate is that of confidence-based performance estimation: the calibrated confidence, averaged. The
    calibration is that of all classes together, corrected by how much each class is better or worse than that.
    """

    def __init__(self, accuracy: Accuracy) -> None:
        parts: Sequence[Union[Accuracy, ClassAccuracy]] = accuracy.classes or [accuracy]
        self._counts = np.array([part.counts for part in parts], dtype=np.float64)
        self._correct = np.array([part.correct for part in parts], dtype=np.float64)
        self._expected = ExpectedAccuracy(accuracy)
        self.samples = accuracy.samples
        self.classes = len(parts)
        self._labelled = self._counts.sum(axis=1)
        curve = self._expected.by_bin
        self._residual = (self._correct.sum(axis=1) - self._counts @ curve) / (self._labelled + CLASS_PRIOR)
        # Neighbouring bins of one calibrated value stand on the same labels.
        self._pools = np.concatenate([[0], np.cumsum(np.diff(self._expected.nearest) > 0)])
        self._pool_counts = np.bincount(self._pools, weights=self._counts.sum(axis=0))
        self._pool_correct = np.bincount(self._pools, weights=self._correct.sum(axis=0))
        self._groups = _groups(self._counts.sum(axis=0))
        self._given = self._of_true(accuracy)

    def estimate(self, predicted: NDArray[np.intp], confidence: NDArray[np.floating[Any]]) -> float:
        """Return the share of (n,) predictions, none of which is NaN, to expect right."""
        each = self._expected.of_each(confidence) + self._residual[predicted]
        return float(np.clip(each, 0.0, 1.0).mean())

    def error(self, window: Predictions, value: float) -> float:
        """Return the standard error of an estimate: of the window's own sampling, and of the calibration's."""
        by_pool = np.bincount(self._pools, weights=window.by_bin)
        calibration = max(
            _variance(by_pool, self._pool_correct, self._pool_counts),
            _variance(window.by_class, self._correct.sum(axis=1), self._labelled),
        )
        # One wrong prediction more than were seen: of none wrong, that none can be is not known.
        share = (value * window.effective + 1) / (window.effective + 2)
        return float(np.sqrt(share * (1 - share) / window.effective + calibration))

    def moved(self, window: Predictions) -> float:
        """Return how far the outputs are from the labelled ones, beyond chance; 0 where they are no farther.

        The larger one of the Kolmogorov-Smirnov distance of the confidence and the total variation of the classes.
        Chance reaches 0.2 % of the first (Kolmogorov's law) and about as many of the second.
        """
        noise = np.sqrt(1 / self.samples + 1 / window.effective)
        distance = np.abs(np.cumsum(self._counts.sum(axis=0) / self.samples - window.by_bin)).max()
        variation = np.abs(self._labelled / self.samples - window.by_class).sum() / 2
        of_classes = 0.4 * np.sqrt(self.classes - 1) + 0.9
        return max(0.0, float(distance - 1.9 * noise), float(variation - of_classes * noise))

    def if_classes_shifted(self, window: Predictions) -> Optional[float]:
        """Return the accuracy to expect if only the shares of the true classes changed; None where that is not so.

        Their shares are the most likely ones, by expectation-maximisation. Source: Saerens, Latinne and Decaestecker,
        2002. It is not so where they explain less than half of what is otherwise about the outputs.
        """
        if self._given is None:
            return None
        given, mix = self._given
        seen = _grouped(window.counts, self._groups).ravel() / window.counts.sum()
        before = given @ mix
        for _ in range(EM_STEPS):
            mix = mix * ((seen / np.maximum(given @ mix, 1e-12)) @ given)
            mix = mix / mix.sum()
        moved, left = (float(np.abs(seen - shares).sum() / 2) for shares in (before, given @ mix))
        noise = np.sqrt(len(seen) * (1 / self.samples + 1 / window.effective)) * 0.4
        if left > max(moved / 2, noise):
            return None
        recall = given.reshape(self.classes, -1, self.classes).sum(axis=1).diagonal()
        return float(mix @ recall)

    def _of_true(self, accuracy: Accuracy) -> Optional[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return how likely each class and group of confidence is for each true class, (k * GROUPS, k), and their mix.

        What was true of wrong predictions is known by class and not by confidence; it is taken to be the same for each.
        """
        if len(accuracy.classes) < 2:
            return None
        truth = np.array([part.truth for part in accuracy.classes], dtype=np.float64)
        right = _grouped(self._correct, self._groups)
        wrong = _grouped(self._counts, self._groups) - right
        others = truth * (1 - np.eye(self.classes))
        others = others / np.maximum(others.sum(axis=1, keepdims=True), 1.0)
        joint = wrong[:, :, None] * others[:, None, :]
        for place in range(self.classes):
            joint[place, :, place] += right[place]
        joint = joint.reshape(-1, self.classes)
        of_all = joint.sum(axis=1, keepdims=True) / self.samples
        totals = joint.sum(axis=0)
        # One row more of each class, that is like all rows: of a class without labels nothing is known.
        return (joint + of_all) / (totals + 1.0), (totals + 1.0) / (totals + 1.0).sum()


def _groups(counts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the group of each bin, (BINS,)."""
    middle = (np.cumsum(counts) - counts / 2) / counts.sum()
    return np.asarray(np.minimum((middle * GROUPS).astype(np.intp), GROUPS - 1))


def _grouped(counts: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return (k, BINS) counts by group, (k, GROUPS)."""
    return np.stack([counts[:, groups == group].sum(axis=1) for group in range(GROUPS)], axis=1)


def _variance(weights: NDArray[Any], right: NDArray[Any], labelled: NDArray[Any]) -> float:
    """Return the variance of a weighted mean of shares that were counted."""
    shares = (right + 1) / (labelled + 2)
    return float((weights**2 * shares * (1 - shares) / np.maximum(labelled, 1)).sum())
