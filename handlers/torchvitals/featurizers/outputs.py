"""From what a model gives to named, comparable numbers: one class for each kind of output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Optional, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import FEWEST_LABELS, Accuracy, count_accuracy
from ..errors import BaselineError
from .batches import to_array
from .kinds import Kinds, kind_of

TWO_CLASSES = 2
# From so many classes and scores on, rows are taken in float32, a block that fits a core's cache at a time.
WIDE_CLASSES = 32
WIDE_SCORES = 2048
BLOCK_VALUES = 65_536
# What e to this power adds to a sum is nothing, and it is still a normal float32, which is quick.
SMALLEST_EXPONENT = np.float32(-87.0)
SMALLEST_SHARE = np.float32(1.2e-38)

Scores = Literal["logits", "probabilities", "values"]
Signals = dict[str, NDArray[np.float64]]

O = TypeVar("O", bound="Outputs")  # noqa: E741


class Outputs:
    """One kind of output: how it is recognised, and the features of it.

    To add a kind, write one class that is also a frozen msgspec struct with a tag, and register it in OUTPUTS; its
    fields are what the baseline file holds. scores: how the numbers are to be read. classes: the names of the classes,
    of a model that has them.
    """

    scores: str
    classes: list[str]
    # The names of all its features; of those, the ones that are places in `classes` and no numbers.
    features: ClassVar[tuple[str, ...]]
    by_class: ClassVar[tuple[str, ...]] = ()

    @property
    def kind(self) -> str:
        """The kind's name."""
        return kind_of(self)

    @classmethod
    def recognises(cls, scores: NDArray[Any]) -> bool:
        """Tell by shape whether outputs, (n, k) or (n,), are of this kind."""
        return False

    @classmethod
    def of(cls: type[O], scores: NDArray[Any], class_names: Optional[list[str]] = None) -> O:
        """Return what these outputs are. Raises BaselineError where the names of classes do not fit."""
        raise NotImplementedError

    @property
    def names(self) -> list[str]:
        """The names of all its features."""
        return list(self.features)

    @property
    def standard(self) -> list[str]:
        """The names of the features that are compared unless others are asked for."""
        return self.names

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return the features by name, each (n,), of outputs, (n, k) or (n,); NaN where a row is not finite."""
        raise NotImplementedError

    def validate(self) -> None:
        """Raise BaselineError that says what is wrong inside."""


OUTPUTS: Kinds[Outputs] = Kinds("outputs")


@OUTPUTS.register
class Regression(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="regression", tag_field="kind"
):
    """One value a row."""

    scores: str
    classes: list[str] = []

    features: ClassVar[tuple[str, ...]] = ("value",)

    @classmethod
    def recognises(cls, scores: NDArray[Any]) -> bool:
        """Tell values by their shape, (n,) or (n, 1)."""
        return scores.ndim == 1 or (scores.ndim == 2 and scores.shape[1] == 1)

    @classmethod
    def of(cls, scores: NDArray[Any], class_names: Optional[list[str]] = None) -> Regression:
        """Return that these are values."""
        return cls(scores="values")

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return the value of each row."""
        return {"value": np.asarray(scores, dtype=np.float64).reshape(len(scores), -1)[:, 0]}

    def validate(self) -> None:
        """Raise BaselineError where the scores are no values."""
        if self.scores != "values":
            raise BaselineError(f"outputs: a regression has scores '{self.scores}'; they must be values")


@OUTPUTS.register
class Classification(
    Outputs,
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag="classification",
    tag_field="kind",
):
    """Scores of classes, (n, classes): logits or probabilities."""

    scores: str
    classes: list[str] = []

    features: ClassVar[tuple[str, ...]] = ("predicted_class", "confidence", "entropy", "margin")
    by_class: ClassVar[tuple[str, ...]] = ("predicted_class",)

    @classmethod
    def recognises(cls, scores: NDArray[Any]) -> bool:
        """Tell classes by two columns or more."""
        return scores.ndim == 2 and scores.shape[1] >= TWO_CLASSES

    @classmethod
    def of(cls, scores: NDArray[Any], class_names: Optional[list[str]] = None) -> Classification:
        """Return which scores these are; classes without a name are numbered."""
        names = class_names or [str(index) for index in range(scores.shape[1])]
        if len(names) != scores.shape[1]:
            raise BaselineError(
                f"{len(names)} class names for outputs with {scores.shape[1]} classes; give one each"
            )
        return cls(scores="probabilities" if are_probabilities(scores) else "logits", classes=names)

    @property
    def standard(self) -> list[str]:
        """Of two classes, entropy and margin say what confidence says; they are left out."""
        return self.names if len(self.classes) > TWO_CLASSES else self.names[:2]

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return predicted_class (its index), confidence (its probability), entropy (of all, in nats) and margin.

        The margin is that between the two largest probabilities.
        """
        scores = np.asarray(scores)
        if scores.shape[1] < WIDE_CLASSES or scores.size < WIDE_SCORES:
            return _signals(probabilities(scores, self))
        return _wide_signals(scores, logits=self.scores == "logits")

    def validate(self) -> None:
        """Raise BaselineError where the scores are none of classes."""
        if self.scores not in ("logits", "probabilities"):
            raise BaselineError(
                f"outputs: a classification has scores '{self.scores}'; they must be logits or probabilities"
            )


def outputs_of(scores: NDArray[Any], class_names: Optional[list[str]] = None) -> Outputs:
    """Return what outputs, (n, k) or (n,), are, told by shape and range.

    Raises BaselineError for a shape that no kind recognises, and for names that do not fit the classes.
    """
    for kind in OUTPUTS:
        if kind.recognises(scores):
            return kind.of(scores, class_names)
    raise BaselineError(f"outputs have shape {scores.shape}; give (rows, classes) or (rows,)")


def output_signals(scores: NDArray[Any], spec: Outputs) -> Signals:
    """Return the output features by name, each (n,); NaN where a row's scores are not finite."""
    return spec.signals(scores)


def probabilities(scores: NDArray[Any], spec: Outputs) -> NDArray[np.float64]:
    """Return (n, classes) class probabilities; the softmax of logits."""
    scores = np.asarray(scores, dtype=np.float64)
    if spec.scores == "probabilities":
        return scores
    with np.errstate(invalid="ignore"):
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def chosen_signals(spec: Outputs, wanted: Optional[Sequence[str]]) -> list[str]:
    """Return the names of the outputs' features that are wanted. Raises BaselineError for one that there is not."""
    if wanted is None:
        return spec.standard
    wrong = [name for name in wanted if name not in spec.names]
    if wrong:
        raise BaselineError(
            f"features: outputs: a {spec.kind} model has no '{wrong[0]}'; it has {', '.join(spec.names)}"
        )
    return [name for name in spec.names if name in wanted]


def labelled_accuracy(
    spec: Optional[Outputs], outputs: Any, labels: Any, *, fewest: int = FEWEST_LABELS
) -> Accuracy:
    """Return what confidence is worth. Raises BaselineError where the outputs are no classes, or labels too few."""
    if spec is None or outputs is None or not spec.classes:
        raise BaselineError(
            "labels are given, and the baseline has no classes to compare them with; give the outputs of a classifier"
        )
    signals = spec.signals(to_array(outputs))
    found = count_accuracy(signals["predicted_class"], signals["confidence"], labels, spec.classes)
    if found.samples < fewest:
        raise BaselineError(f"only {found.samples} rows have a label; give at least {fewest}")
    return found


def are_probabilities(scores: NDArray[Any]) -> bool:
    """Tell probabilities from logits: all finite rows lie in 0 to 1 and sum to 1 within 1 in 1,000."""
    some = False
    for block in _blocks(scores):
        finite = block[np.isfinite(block).all(axis=1)]
        sums_to_one = np.abs(finite.sum(axis=1, dtype=np.float64) - 1) < 1e-3
        if not (sums_to_one & (finite >= 0).all(axis=1) & (finite <= 1).all(axis=1)).all():
            return False
        some = some or len(finite) > 0
    return some


def _blocks(scores: NDArray[Any]) -> list[NDArray[Any]]:
    rows = max(1, BLOCK_VALUES // scores.shape[1])
    return [scores[start : start + rows] for start in range(0, len(scores), rows)]


def _signals(shares: NDArray[np.float64]) -> Signals:
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(shares).all(axis=1))
    shares = np.where(whole[:, None], shares, 0.0)
    first_two = np.partition(shares, -2, axis=1)[:, -2:]
    found = {
        "predicted_class": shares.argmax(axis=1).astype(np.float64),
        "confidence": first_two[:, 1],
        "entropy": -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1),
        "margin": first_two[:, 1] - first_two[:, 0],
    }
    return {name: np.where(whole, values, np.nan) for name, values in found.items()}


def _wide_signals(scores: NDArray[Any], *, logits: bool) -> Signals:
    """Return what `_signals` does, within the rounding of float32, in memory that does not grow with the rows."""
    found = np.empty((4, len(scores)))
    start = 0
    describe = _of_logits if logits else _of_probabilities
    with np.errstate(invalid="ignore", over="ignore"):
        for block in _blocks(scores):
            # Half floats and whole numbers are widened first.
            exact = block if block.dtype in (np.float32, np.float64) else block.astype(np.float64)
            describe(exact, found[:, start : start + len(block)])
            start += len(block)
    return dict(zip(Classification.features, found))


def _of_logits(block: NDArray[Any], found: NDArray[np.float64]) -> None:
    """Fill `found`, (4, n), from (n, k) logits s: entropy is log Z - Σ p·s, which takes no logarithm a class."""
    rows, first = np.arange(len(block)), block.argmax(axis=1)
    # From the largest one, in the scores' own precision: float32 then holds what is left exactly enough.
    below = np.subtract(block, block[rows, first][:, None]).astype(np.float32, copy=False)
    below[rows, first] = -np.inf
    second = below.max(axis=1)
    below[rows, first] = 0.0
    if not below.min(initial=0.0) >= SMALLEST_EXPONENT:
        np.maximum(below, SMALLEST_EXPONENT, out=below)
    parts = np.exp(below)
    total = parts.sum(axis=1).astype(np.float64)
    found[0] = first
    found[1] = 1.0 / total
    found[2] = np.log(total) - np.einsum("ij,ij->i", parts, below) / total
    found[3] = (1.0 - np.exp(second.astype(np.float64))) / total
    # A row with a NaN or +inf has no share that is a number; the largest of it is then no number minus itself.
    found[:, ~np.isfinite(block[rows, first])] = np.nan


def _of_probabilities(block: NDArray[Any], found: NDArray[np.float64]) -> None:
    """Fill `found`, (4, n), from (n, k) probabilities."""
    rows, first = np.arange(len(block)), block.argmax(axis=1)
    shares = block.astype(np.float32)
    largest = block[rows, first].astype(np.float64)
    shares[rows, first] = -np.inf
    second = shares.max(axis=1)
    shares[rows, first] = largest
    found[0] = first
    found[1] = largest
    found[2] = -np.einsum("ij,ij->i", shares, np.log(np.maximum(shares, SMALLEST_SHARE)))
    found[3] = largest - second
    # Of a row with a NaN the largest is one; an infinite one of either sign shows in the sum.
    found[:, ~np.isfinite(shares.sum(axis=1))] = np.nan
