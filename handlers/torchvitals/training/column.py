"""A column of inputs: numbers or texts, as its first values tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature, Source, Summary
from ..errors import BaselineError
from ..featurizers.columns import is_text, text_or_none
from .numbers import Numbers
from .texts import Texts

NUMBER_TYPES = (bool, int, float, np.bool_, np.number, Decimal)


class Column:
    """One feature while it is built. Until a value is present, only missing ones are counted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.missing = 0
        self.found: Optional[Union[Numbers, Texts]] = None
        self._texts_so_far = False

    def update(self, values: NDArray[Any]) -> None:
        """Add values, (n,). Raises BaselineError where numbers came before and texts come now, or the reverse."""
        numbers = as_numbers(values)
        if numbers is not None:
            if self.found is None and np.isnan(numbers).all():
                self._add_missing(len(numbers))
            else:
                self._hold(Numbers, values[:1].tolist()).update(numbers)
            return
        counts, missing = _count_texts(values)
        if counts:
            self._hold(Texts, list(counts)).update(counts)
        self._texts_so_far = self._texts_so_far or self.found is None
        self._add_missing(missing)

    def merge(self, other: Column) -> None:
        """Add the values of another part. Raises BaselineError where one holds numbers and the other texts."""
        self._add_missing(other.missing)
        self._texts_so_far = self._texts_so_far or other._texts_so_far
        if other.found is not None:
            self._hold(type(other.found)).merge(other.found)

    def describe(self, source: Source) -> Feature:
        """Return the feature that the values make."""
        if self.found is not None:
            return self.found.describe(name=self.name, source=source)
        empty = Texts() if self._texts_so_far else Numbers()
        empty.missing = self.missing
        return empty.describe(name=self.name, source=source)

    def summary(self) -> Summary:
        """Return the state, for a file."""
        if self.found is not None:
            return self.found.summary()
        return Summary(kind="no_texts" if self._texts_so_far else "none", missing=self.missing)

    @classmethod
    def resume(cls, name: str, summary: Summary) -> Column:
        """Return the column that `summary` tells of."""
        column = cls(name)
        if summary.kind in ("none", "no_texts"):
            column.missing = summary.missing
            column._texts_so_far = summary.kind == "no_texts"
        else:
            column.found = (Numbers if summary.kind == "numbers" else Texts).resume(summary)
        return column

    def _add_missing(self, missing: int) -> None:
        if self.found is None:
            self.missing += missing
        else:
            self.found.missing += missing

    def _hold(self, kind: type, examples: Sequence[Any] = ()) -> Any:
        """Return what holds the values, which must be of this kind."""
        if self.found is None:
            self.found = kind()
            self.found.missing, self.missing = self.missing, 0
        if not isinstance(self.found, kind):
            was, now = ("numbers", "texts") if kind is Texts else ("texts", "numbers")
            example = f" like {examples[0]!r}" if len(examples) else ""
            raise BaselineError(
                f"column '{self.name}' holds {was} in one part of the data and {now}{example} in another; "
                "make it one of them, or leave the column out"
            )
        return self.found


def as_numbers(values: NDArray[Any]) -> Optional[NDArray[np.float32]]:
    """Return a column at float32, or None where it holds texts or nothing but objects for missing."""
    if is_text(values):
        present = [value for value in values.tolist() if value is not None] if values.dtype == object else []
        kinds = set(map(type, present))
        # Whole numbers and truth values with some missing come as objects.
        if not kinds or not all(issubclass(kind, NUMBER_TYPES) for kind in kinds):
            return None
        if kinds == {float} and all(value != value for value in present):
            return None
        values = np.array([np.nan if value is None else float(value) for value in values.tolist()])
    with np.errstate(over="ignore"):
        # The sketches take no read-only array, which is what Arrow gives.
        return np.require(values, dtype=np.float32, requirements=["C", "W"])


def _count_texts(values: NDArray[Any]) -> tuple[Counter[str], int]:
    """Return how often each text stands, and how many are missing."""
    objects = values.tolist() if values.dtype == object else values
    if values.dtype == object and set(map(type, objects)) <= {str, float, type(None)}:
        counts: Counter[Optional[str]] = Counter()
        for value, times in Counter(objects).items():
            counts[text_or_none(value)] += times
    else:
        counts = Counter(text_or_none(value) for value in objects)
    missing = counts.pop(None, 0)
    return Counter({text: times for text, times in counts.items() if text is not None}), missing
