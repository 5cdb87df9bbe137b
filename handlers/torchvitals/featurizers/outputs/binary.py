"""Two classes by one number a row: the probability, or the logit, of the second."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...errors import BaselineError
from .options import OutputOptions
from .output import Outputs, Signals

HALF = 0.5
# Half precision rounds a probability past 0 or 1.
ROUNDING = 2e-3
DEFAULT_NAMES = ["0", "1"]


class Binary(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="binary", tag_field="kind"
):
    """One sigmoid, or one logit, a row, (n,) or (n, 1).

    classes: the one that is meant by 0, then the one that is meant by 1. threshold: the probability from which on the
    second is predicted.
    """

    scores: str
    classes: list[str] = msgspec.field(default_factory=lambda: list(DEFAULT_NAMES))
    threshold: float = HALF

    features: ClassVar[tuple[str, ...]] = ("predicted_class", "confidence")
    by_class: ClassVar[tuple[str, ...]] = ("predicted_class",)
    classifies: ClassVar[bool] = True

    @classmethod
    def configured(cls, batch: NDArray[Any], options: OutputOptions) -> Binary:
        """Return whether these are probabilities or logits."""
        if not one_value(batch):
            raise BaselineError(
                f"outputs have shape {batch.shape}; two classes by one number are (rows,) or (rows, 1)"
            )
        names = options.classes or DEFAULT_NAMES
        if len(names) != 2:
            raise BaselineError(
                f"{len(names)} class names for outputs of one number a row; give two, the one meant by 0 first, or say "
                "what the outputs are (features: outputs: kind)"
            )
        found = "probabilities" if within_unit(batch) else "logits"
        return cls(scores=options.scores or found, classes=list(names), threshold=options.threshold or HALF)

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        at = "" if self.threshold == HALF else f", positive from {self.threshold:g}"
        return f"2 classes by one {'sigmoid' if self.scores == 'probabilities' else 'logit'}{at}"

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch has one number a row."""
        return one_value(batch)

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return predicted_class (0 or 1) and confidence, the probability of the class that is predicted.

        A row that is no probability has neither.
        """
        positive = positive_shares(np.asarray(scores).reshape(len(scores)), self.scores)
        predicted = positive >= self.threshold
        unknown = np.isnan(positive)
        return {
            "predicted_class": np.where(unknown, np.nan, predicted),
            "confidence": np.where(predicted, positive, 1.0 - positive),
        }

    def validate(self) -> None:
        """Raise BaselineError where the scores are none of classes, or the classes are not two."""
        if self.scores not in ("logits", "probabilities"):
            raise BaselineError(
                f"outputs: binary has scores '{self.scores}'; they must be logits or probabilities"
            )
        if len(self.classes) != 2:
            raise BaselineError(f"outputs: binary has {len(self.classes)} classes; it must have two")


def one_value(batch: Any) -> bool:
    """Tell whether a batch has one number a row."""
    shape = getattr(batch, "shape", None)
    return shape is not None and len(shape) > 0 and all(size == 1 for size in shape[1:])


def within_unit(batch: NDArray[Any]) -> bool:
    """Tell whether all finite values lie in 0 to 1, and there is one."""
    finite = batch[np.isfinite(batch)]
    return bool(finite.size and finite.min() >= -ROUNDING and finite.max() <= 1 + ROUNDING)


def positive_shares(scores: NDArray[Any], read_as: str) -> NDArray[np.float64]:
    """Return the probability of yes for each score; NaN for what is no score."""
    values = np.asarray(scores, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        if read_as == "logits":
            return np.where(np.isnan(values), np.nan, 1.0 / (1.0 + np.exp(-values)))
        outside = (values < -ROUNDING) | (values > 1 + ROUNDING)
        return np.where(outside, np.nan, np.clip(values, 0.0, 1.0))
