"""From what a model gives to named, comparable numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import FEWEST_LABELS, Accuracy, count_accuracy
from ..errors import BaselineError

TWO_CLASSES = 2

Scores = Literal["logits", "probabilities", "values"]


class Outputs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the model gives: class scores (logits or probabilities) or one value a row."""

    kind: Literal["classification", "regression"]
    scores: Literal["logits", "probabilities", "values"]
    classes: list[str] = []


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

    classification: predicted_class (its index), confidence (its probability), entropy (of all probabilities, in nats)
    and margin (between the two largest). regression: value.
    """
    if spec.kind == "regression":
        return {"value": np.asarray(scores, dtype=np.float64).reshape(len(scores), -1)[:, 0]}
    shares = probabilities(scores, spec)
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(shares).all(axis=1))
    shares = np.where(whole[:, None], shares, 0.0)
    first_two = np.partition(shares, -2, axis=1)[:, -2:]
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    found = {
        "predicted_class": shares.argmax(axis=1).astype(np.float64),
        "confidence": first_two[:, 1],
        "entropy": entropy,
        "margin": first_two[:, 1] - first_two[:, 0],
    }
    return {name: np.where(whole, values, np.nan) for name, values in found.items()}


def chosen_signals(spec: Outputs, wanted: Optional[Sequence[str]]) -> list[str]:
    """Return the names of the outputs' features that are wanted. Raises BaselineError for one that there is not.

    Of two classes, entropy and margin say what confidence says; they are left out unless asked for.
    """
    if spec.kind == "regression":
        have = standard = ["value"]
    else:
        have = ["predicted_class", "confidence", "entropy", "margin"]
        standard = have if len(spec.classes) > TWO_CLASSES else have[:2]
    if wanted is None:
        return standard
    wrong = [name for name in wanted if name not in have]
    if wrong:
        raise BaselineError(
            f"features: outputs: a {spec.kind} model has no '{wrong[0]}'; it has {', '.join(have)}"
        )
    return [name for name in have if name in wanted]


def labelled_accuracy(
    spec: Optional[Outputs], outputs: Any, labels: Any, *, fewest: int = FEWEST_LABELS
) -> Accuracy:
    """Return what confidence is worth. Raises BaselineError where the outputs are no classes, or labels too few."""
    if spec is None or outputs is None or spec.kind != "classification":
        raise BaselineError(
            "labels are given, and the baseline has no classes to compare them with; give the outputs of a classifier"
        )
    signals = output_signals(np.asarray(outputs), spec)
    found = count_accuracy(signals["predicted_class"], signals["confidence"], labels, spec.classes)
    if found.samples < fewest:
        raise BaselineError(f"only {found.samples} rows have a label; give at least {fewest}")
    return found
