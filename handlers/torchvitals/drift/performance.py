"""Confidence-based performance estimation: a window's accuracy without labels, or why it cannot be known."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import Accuracy, AccuracyEstimate
from ..accuracy.worth import INTERVAL, Predictions, Worth
from ..baseline.schema import BaselineData
from .known_inputs import FEWEST_DISTINCT, KnownInputs

CONFIDENCE, PREDICTED = "confidence", "predicted_class"
FEWEST_PREDICTIONS = 200
# How far outputs may be from the labelled ones, where inputs say whether they are known, and where they do not.
OUTPUTS_KNOWN, OUTPUTS_UNKNOWN = 0.20, 0.02
# Half the interval, and the distance to what a change of the classes would give, of a window that moved; the latter of
# one that did not.
WIDEST, APART_MOVED, APART = 0.06, 0.03, 0.08


class PerformanceEstimator:
    """Estimates the accuracy of windows of one model, or says why it is not known.

    Args:
        baseline: what training and labelled rows looked like.
        accuracy: what confidence was worth.
    """

    def __init__(self, baseline: BaselineData, accuracy: Accuracy) -> None:
        names = [feature.name for feature in baseline.of_source("output")]
        by_class = PREDICTED in names and bool(accuracy.classes)
        self._worth = Worth(accuracy if by_class else msgspec.structs.replace(accuracy, classes=[]))
        self._confidence = names.index(CONFIDENCE)
        self._predicted = names.index(PREDICTED) if by_class else None
        self._inputs = KnownInputs(baseline)

    @classmethod
    def of(cls, baseline: BaselineData) -> Optional[PerformanceEstimator]:
        """Return an estimator; None where the baseline does not know what confidence is worth."""
        names = [feature.name for feature in baseline.of_source("output")]
        if baseline.accuracy is None or CONFIDENCE not in names:
            return None
        return cls(baseline, baseline.accuracy)

    def estimate(
        self,
        inputs: NDArray[np.floating[Any]],
        outputs: NDArray[np.floating[Any]],
        *,
        ignored: Collection[tuple[str, str]] = (),
        quiet: bool = False,
        pause: Callable[[], None] = lambda: None,
    ) -> AccuracyEstimate:
        """Estimate the accuracy of a window.

        Args:
            inputs: (n, d) input features.
            outputs: (m, k) output features.
            ignored: source and name of features that say nothing.
            quiet: the window strays no farther than windows of the training data in the order of time, so what differs
                from all of training is no news.
            pause: called between pieces of work.
        """
        confidence = outputs[:, self._confidence]
        known = np.isfinite(confidence)
        if self._predicted is None:
            predicted = np.zeros(len(outputs), dtype=np.intp)
        else:
            classes = outputs[:, self._predicted]
            known &= (classes >= 0) & (classes < self._worth.classes)
            predicted = np.where(known, classes, 0).astype(np.intp)
        confidence, predicted = confidence[known], predicted[known]
        if len(confidence) < FEWEST_PREDICTIONS:
            return AccuracyEstimate(withheld="few_predictions")
        pause()
        seen = self._inputs.look(inputs, ignored, pause=pause)
        if seen.distinct < FEWEST_DISTINCT:
            return AccuracyEstimate(withheld="few_predictions")
        reason = seen.outside if quiet else seen.outside or seen.unlike
        if reason is not None:
            return AccuracyEstimate(withheld=reason)
        window = Predictions.of(
            predicted, confidence, classes=self._worth.classes, distinct=seen.distinct / max(len(inputs), 1)
        )
        value = self._worth.estimate(predicted, confidence)
        half = INTERVAL * self._worth.error(window, value)
        pause()
        reason = None if quiet else self._unlike_labelled(window, value, half, inputs_moved=seen.moved)
        pause()
        if reason is not None:
            return AccuracyEstimate(withheld=reason)
        return AccuracyEstimate(value, max(value - half, 0.0), min(value + half, 1.0))

    def _unlike_labelled(
        self, window: Predictions, value: float, half: float, *, inputs_moved: bool
    ) -> Optional[str]:
        """Return why labelled predictions do not tell what those of a window are worth; None where they do."""
        moved = self._worth.moved(window)
        most = {"one": 1.0, "whole": OUTPUTS_KNOWN, "parts": OUTPUTS_UNKNOWN}[self._inputs.described]
        if moved > most:
            return "outputs"
        if (moved or inputs_moved) and half > WIDEST:
            return "wide_interval"
        other = self._worth.if_classes_shifted(window)
        if other is not None and abs(other - value) > (APART_MOVED if moved or inputs_moved else APART):
            return "class_shift"
        return None
