"""Classes, of which a row has one: by their scores."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import BaselineError
from ...recording.capture import MAX_ROW_VALUES
from .options import OutputOptions
from .output import Outputs, Signals, class_names_for

TWO_CLASSES = 2
# From so many classes and scores on, rows are taken in float32, a block that fits a core's cache at a time.
WIDE_CLASSES = 32
WIDE_SCORES = 2048
BLOCK_VALUES = 65_536
# What e to this power adds to a sum is nothing, and it is still a normal float32, which is quick.
SMALLEST_EXPONENT = np.float32(-87.0)
SMALLEST_SHARE = np.float32(1.2e-38)
# How far the sum of a row's probabilities may be from 1: half precision rounds each of them.
SUM_TOLERANCE = 1e-2
ENERGY = "energy"


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

    features: ClassVar[tuple[str, ...]] = ("predicted_class", "confidence", "entropy", "margin", ENERGY)
    by_class: ClassVar[tuple[str, ...]] = ("predicted_class",)
    classifies: ClassVar[bool] = True

    @classmethod
    def configured(cls, batch: NDArray[Any], options: OutputOptions) -> Classification:
        """Return which scores these are."""
        if batch.ndim != 2 or batch.shape[1] < TWO_CLASSES:
            raise BaselineError(
                f"outputs have shape {batch.shape}; classes by scores are (rows, classes), two or more of them"
            )
        names = class_names_for(batch.shape[1], options)
        found = "probabilities" if are_probabilities(batch) else "logits"
        return cls(scores=options.scores or found, classes=names)

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return f"{len(self.classes):,} classes by {self.scores}"

    @property
    def reduces(self) -> bool:
        """Whether there are more classes than are copied."""
        return len(self.classes) > MAX_ROW_VALUES

    @property
    def names(self) -> list[str]:
        """The names of all its features."""
        return [name for name in self.features if name != ENERGY or self.scores == "logits"]

    @property
    def standard(self) -> list[str]:
        """Of two classes, entropy and margin say what confidence says; they are left out.

        What has no names may be no classes: the energy moves with whatever all scores share, and is compared too.
        """
        names = self.names[:4] if len(self.classes) > TWO_CLASSES else self.names[:2]
        return [*names, ENERGY] if self.scores == "logits" and self.numbered else names

    @property
    def numbered(self) -> bool:
        """Whether the classes have numbers for names."""
        return all(name == str(index) for index, name in enumerate(self.classes))

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return predicted_class (its index), confidence (its probability), entropy (of all, in nats) and margin.

        The margin is that between the two largest probabilities. Of logits also the energy, log Σ exp.
        """
        scores = np.asarray(scores)
        if scores.shape[1] < WIDE_CLASSES or scores.size < WIDE_SCORES:
            if self.scores == "probabilities":
                return _signals(np.asarray(scores, dtype=np.float64))
            shares, energy = _softmax(scores)
            return {**_signals(shares), ENERGY: energy}
        return _wide_signals(scores, self.names, logits=self.scores == "logits")

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return all features, (n, 4 or 5), of scores on any device."""
        return _of_wide_logits(batch) if self.scores == "logits" else _of_wide_probabilities(batch)

    def validate(self) -> None:
        """Raise BaselineError where the scores are none of classes."""
        if self.scores not in ("logits", "probabilities"):
            raise BaselineError(
                f"outputs: a classification has scores '{self.scores}'; they must be logits or probabilities"
            )


def probabilities(scores: NDArray[Any], spec: Outputs) -> NDArray[np.float64]:
    """Return (n, classes) class probabilities; the softmax of logits."""
    return np.asarray(scores, dtype=np.float64) if spec.scores == "probabilities" else _softmax(scores)[0]


def are_probabilities(scores: NDArray[Any]) -> bool:
    """Tell probabilities from logits: all finite rows lie in 0 to 1 and sum to 1, rounding allowed for."""
    some = False
    for block in _blocks(scores):
        finite = block[np.isfinite(block).all(axis=1)]
        sums_to_one = np.abs(finite.sum(axis=1, dtype=np.float64) - 1) < SUM_TOLERANCE
        if not (
            sums_to_one & (finite >= -SUM_TOLERANCE).all(axis=1) & (finite <= 1 + SUM_TOLERANCE).all(axis=1)
        ).all():
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


def _wide_signals(scores: NDArray[Any], names: list[str], *, logits: bool) -> Signals:
    """Return what `_signals` does, within the rounding of float32, in memory that does not grow with the rows."""
    found = np.empty((len(names), len(scores)))
    start = 0
    describe = _of_logits if logits else _of_probabilities
    with np.errstate(invalid="ignore", over="ignore"):
        for block in _blocks(scores):
            # Half floats and whole numbers are widened first.
            exact = block if block.dtype in (np.float32, np.float64) else block.astype(np.float64)
            describe(exact, found[:, start : start + len(block)])
            start += len(block)
    return dict(zip(names, found))


def _of_logits(block: NDArray[Any], found: NDArray[np.float64]) -> None:
    """Fill `found`, (5, n), from (n, k) logits s: entropy is log Z - Σ p·s, which takes no logarithm a class."""
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
    found[4] = block[rows, first] + np.log(total)
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


def _softmax(scores: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return probabilities, (n, k), and log Σ exp, (n,), of (n, k) logits."""
    scores = np.asarray(scores, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        largest = scores.max(axis=1, keepdims=True)
        shifted = np.exp(scores - largest)
        total = shifted.sum(axis=1, keepdims=True)
        return shifted / total, (largest + np.log(total))[:, 0]


def _of_wide_logits(batch: torch.Tensor) -> torch.Tensor:
    scores = batch.float()
    first, second, place = _two_largest(scores)
    below = (scores - first[:, None]).clamp_(min=float(SMALLEST_EXPONENT))
    parts = below.exp()
    total = parts.sum(1)
    logarithm = total.log()
    found = [
        place,
        1 / total,
        logarithm - (parts * below).sum(1) / total,
        (1 - (second - first).exp()) / total,
        first + logarithm,
    ]
    return _where_finite(first + total, found)


def _of_wide_probabilities(batch: torch.Tensor) -> torch.Tensor:
    shares = batch.float()
    first, second, place = _two_largest(shares)
    entropy = -(shares * shares.clamp(min=float(SMALLEST_SHARE)).log()).sum(1)
    return _where_finite(shares.sum(1), [place, first, entropy, first - second])


def _two_largest(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the two largest of each row, and the place of the first."""
    values, places = scores.topk(TWO_CLASSES, dim=1)
    return values[:, 0], values[:, 1], places[:, 0]


def _where_finite(known: torch.Tensor, found: list[torch.Tensor]) -> torch.Tensor:
    columns = torch.stack([column.float() for column in found], dim=1)
    return columns.masked_fill(~known.isfinite()[:, None], float("nan"))
