"""Classes that are decided already: a whole number a row, without a score."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...errors import BaselineError
from .binary import one_value
from .options import OutputOptions
from .output import Outputs, Signals, number_of

# More different numbers than this are likelier to be values.
MOST_CLASSES = 10_000


class Decided(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="decided", tag_field="kind"
):
    """The class of each row as a whole number, (n,) or (n, 1).

    ids: the number that stands for each class, ascending; of named classes the places from 0.
    """

    classes: list[str]
    ids: list[int]
    scores: str = "ids"
    named: bool = False

    features: ClassVar[tuple[str, ...]] = ("predicted_class",)
    by_class: ClassVar[tuple[str, ...]] = ("predicted_class",)
    classifies: ClassVar[bool] = True
    grows: ClassVar[bool] = True

    @classmethod
    def configured(cls, batch: NDArray[Any], options: OutputOptions) -> Decided:
        """Return which classes these are."""
        if not one_value(batch) or not whole(batch):
            raise BaselineError(
                f"outputs have shape {batch.shape} and type {batch.dtype}; classes that are decided are one whole "
                "number a row"
            )
        if options.classes:
            named = cls(classes=list(options.classes), ids=list(range(len(options.classes))), named=True)
            if not np.isin(found_ids(batch), named.ids).all():
                raise BaselineError(
                    f"{len(named.ids)} class names for outputs with other numbers than 0 to {len(named.ids) - 1}; "
                    "give a name for each, or say what the outputs are (features: outputs: kind)"
                )
            return named
        return cls(classes=[], ids=[]).grown(batch)

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return f"{number_of(len(self.classes), 'class', 'classes')}, decided"

    @property
    def model(self) -> tuple[Any, ...]:
        """What the outputs of two parts share: the names, where there are any."""
        return (self.kind, self.classes if self.named else None)

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch has one number a row."""
        return one_value(batch)

    def grown(self, batch: NDArray[Any]) -> Decided:
        """Return these with the classes of a further batch."""
        return self if self.named else self._with(found_ids(batch))

    def joined(self, other: Decided) -> Decided:
        """Return these with the classes of another part."""
        return self if self.named else self._with(np.array(other.ids, dtype=np.int64))

    def signals(self, scores: NDArray[Any]) -> Signals:
        """Return predicted_class, its place; -1 for a number that is no class, NaN for none."""
        return {"predicted_class": places_of(np.asarray(scores).reshape(len(scores)), self.ids)}

    def validate(self) -> None:
        """Raise BaselineError where there is not a number for each class."""
        if len(self.ids) != len(self.classes) or sorted(set(self.ids)) != self.ids:
            raise BaselineError("outputs: decided needs a number for each class, ascending")

    def _with(self, ids: NDArray[np.int64]) -> Decided:
        known = joined_ids(self.ids, ids)
        return self if known == self.ids else Decided(classes=[str(one) for one in known], ids=known)


def whole(batch: NDArray[Any]) -> bool:
    """Tell whether all finite values are whole numbers, and there is one."""
    if batch.dtype.kind in "biu":
        return batch.size > 0
    finite = batch[np.isfinite(batch)]
    return bool(finite.size and (finite == np.floor(finite)).all() and np.abs(finite).max() < 2**53)


def found_ids(batch: NDArray[Any]) -> NDArray[np.int64]:
    """Return the different whole numbers in a batch."""
    return np.unique(batch[np.isfinite(batch)]).astype(np.int64)


def joined_ids(known: list[int], more: NDArray[np.int64]) -> list[int]:
    """Return both together, ascending. Raises BaselineError where they are too many to be classes."""
    ids = sorted({*known, *more.tolist()})
    if len(ids) > MOST_CLASSES:
        raise BaselineError(
            f"the outputs have more than {MOST_CLASSES:,} different whole numbers; if they are values and no classes, "
            "say features: outputs: kind: regression"
        )
    return ids


def places_of(values: NDArray[Any], ids: list[int]) -> NDArray[np.float64]:
    """Return the place of each number among `ids`, (n,); -1 for an unknown one, NaN for NaN."""
    numbers = np.asarray(values, dtype=np.float64)
    known = np.array(ids, dtype=np.float64)
    if not len(known):
        return np.where(np.isnan(numbers), np.nan, -1.0)
    nearest = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.where(np.isnan(numbers), np.nan, np.where(known[nearest] == numbers, nearest, -1))
