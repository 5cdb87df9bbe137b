"""Which kind outputs are, as far as shape, type, range and names tell."""

from __future__ import annotations

from typing import Any, Optional

from numpy.typing import NDArray

from ...errors import BaselineError
from .binary import Binary, one_value, within_unit
from .classification import Classification, are_probabilities
from .decided import Decided, found_ids, whole
from .detections import Detections, boxes_in
from .learned import TokenOutputs
from .masks import Masks
from .multilabel import Multilabel
from .options import OutputOptions
from .output import Outputs
from .reading import ragged_ids
from .registry import OUTPUTS
from .sequences import Sequences
from .values import Regression, Values

# More different whole numbers than this are likelier to be counts than classes that are decided.
MOST_DECIDED = 50
# Scores at each place of a sequence, of fewer classes than this, are likelier to be several values a step.
FEWEST_OF_SEQUENCE = 32
# Sides of a mask at least.
FEWEST_PIXELS = 8


def reader_of(value: Any, options: OutputOptions) -> type[Outputs]:
    """Return the kind that is said, or that what a model gave shows by its form; `Outputs` of arrays."""
    if options.kind is not None:
        return OUTPUTS.named(options.kind)
    if boxes_in(value) is not None:
        return Detections
    in_rows = isinstance(value, (list, tuple)) or getattr(value, "is_nested", False)
    if in_rows and _of_different_lengths(ragged_ids(value)):
        return TokenOutputs
    return Outputs


def recognised(scores: NDArray[Any], names: Optional[list[str]] = None) -> type[Outputs]:
    """Return the kind of outputs, (n, ...). names: of classes, labels or values. Raises BaselineError."""
    for kind in OUTPUTS:
        if kind.recognises(scores):
            return kind
    if not scores.ndim:
        raise BaselineError(f"outputs have shape {scores.shape}; give (rows, classes) or (rows,)")
    if one_value(scores) and scores.ndim <= 2:
        return _of_one(scores, names)
    if scores.ndim == 2:
        return _of_several(scores)
    if scores.ndim == 3:
        return _of_three(scores)
    if scores.ndim == 4:
        return Masks
    return Values


def outputs_of(scores: NDArray[Any], class_names: Optional[list[str]] = None) -> Outputs:
    """Return what outputs, (n, ...), are, told by shape and range. Raises BaselineError where names do not fit."""
    options = OutputOptions(classes=class_names)
    return recognised(scores, class_names).configured(scores, options)


def _of_one(scores: NDArray[Any], names: Optional[list[str]]) -> type[Outputs]:
    if names is None:
        few = scores.dtype.kind in "biu" and scores.size and len(found_ids(scores)) <= MOST_DECIDED
        return Decided if few else Regression
    if len(names) == 2 and scores.dtype.kind not in "biu":
        return Binary
    if len(names) >= 2 and whole(scores):
        return Decided
    raise BaselineError(
        f"{len(names)} class names for outputs of one number a row; give two (a sigmoid or a logit), one a class for "
        "whole numbers, or none for values"
    )


def _of_several(scores: NDArray[Any]) -> type[Outputs]:
    if scores.dtype.kind == "b":
        return Multilabel
    if scores.dtype.kind in "iu":
        zeros_and_ones = scores.size and scores.min() >= 0 and scores.max() <= 1
        return Multilabel if zeros_and_ones else TokenOutputs
    if within_unit(scores) and between(scores) and not are_probabilities(scores):
        return Multilabel
    return Classification


def _of_three(scores: NDArray[Any]) -> type[Outputs]:
    if scores.dtype.kind in "biu":
        return Masks
    if are_probabilities(scores.reshape(-1, scores.shape[2])):
        return Sequences
    if min(scores.shape[1:]) >= FEWEST_PIXELS and within_unit(scores) and between(scores):
        return Masks
    return Sequences if scores.shape[2] >= FEWEST_OF_SEQUENCE else Values


def between(scores: NDArray[Any]) -> bool:
    """Tell whether any score lies between 0 and 1, as those of sigmoids do."""
    return bool(((scores > 0) & (scores < 1)).any())


def _of_different_lengths(rows: Any) -> bool:
    return rows is not None and len({len(row) for row in rows}) > 1
