"""From what a model gives to named, comparable numbers."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .baseline import Outputs

Scores = Literal["logits", "probabilities", "values"]


def detect_scores(scores: NDArray[np.float64]) -> Scores:
    """Tell class probabilities, logits and plain values apart, by shape and range.

    scores: (n, classes) or (n,) or (n, 1). Probabilities lie in 0 to 1 and sum to 1 within 1 in 1,000.
    """
    if scores.ndim == 1 or scores.shape[1] == 1:
        return "values"
    finite = scores[np.isfinite(scores).all(axis=1)]
    sums_to_one = np.abs(finite.sum(axis=1) - 1) < 1e-3
    inside = (finite >= 0).all(axis=1) & (finite <= 1).all(axis=1)
    return "probabilities" if len(finite) and bool((sums_to_one & inside).all()) else "logits"


def probabilities(scores: NDArray[Any], spec: Outputs) -> NDArray[np.float64]:
    """Return (n, classes) class probabilities; the softmax of logits."""
    scores = np.asarray(scores, dtype=np.float64)
    if spec.scores == "probabilities":
        return scores
    with np.errstate(invalid="ignore"):
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def output_signals(scores: NDArray[Any], spec: Outputs) -> dict[str, NDArray[np.float64]]:
    """Return the output features by name, each (n,); NaN where a row's scores are not finite.

    classification: predicted_class (its index) and confidence (its probability). regression: value.
    """
    if spec.kind == "regression":
        return {"value": np.asarray(scores, dtype=np.float64).reshape(len(scores), -1)[:, 0]}
    shares = probabilities(scores, spec)
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(shares).all(axis=1))
    predicted = np.where(whole, shares.argmax(axis=1), np.nan)
    confidence = np.where(whole, np.where(whole[:, None], shares, 0.0).max(axis=1), np.nan)
    return {"predicted_class": predicted, "confidence": confidence}
