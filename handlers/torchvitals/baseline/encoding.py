"""From what a model is given to the numbers that are compared: known values, and places of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from ..featurizers.codes import is_number, texts_of
from ..featurizers.columns import holds_texts, text_or_none
from .known_values import KnownValues

UNSEEN = -1.0


class ColumnEncoder:
    """How the values of one column become numbers that are compared.

    kind, categories, codes, rounded: as in `Feature`. empty: the training data had no value of it.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        *,
        categories: Sequence[Any],
        codes: Mapping[float, Optional[str]],
        rounded: str,
        empty: bool,
    ) -> None:
        self._name = name
        self._empty = empty
        self._places = CategoryPlaces(categories, codes) if kind == "categorical" else None
        self._known = KnownValues(categories, rounded) if kind == "discrete" else None
        # Whether served numbers are compared as they are, and whether it is known what they mean.
        self.plain = self._places is None and self._known is None
        self.readable = self._places is None or bool(codes)

    def of_numbers(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what (n,) served numbers are; 0 where that is not known."""
        if self._known is not None:
            return self._known.snapped(numbers)
        if self._places is not None:
            return self._places.of_codes(numbers) if self.readable else np.zeros(len(numbers))
        return numbers

    def of_column(self, column: NDArray[Any], *, table: bool) -> NDArray[np.float64]:
        """Return what (n,) values are, as `column_values` makes them.

        table: whether they come from one, where numbers may be the names of categories. Raises BaselineError for texts
        in the place of numbers, and for numbers in the place of texts whose codes are not known.
        """
        if holds_texts(column):
            if self._places is not None:
                return self._places.of_texts(column)
            if self._empty:
                # There was no value to tell numbers from texts; any value is a new one.
                return np.array([np.nan if text_or_none(value) is None else 0.0 for value in column.tolist()])
            raise BaselineError(
                f"column '{self._name}' holds texts, and in the baseline numbers; give it as it was in training"
            )
        numbers = column.astype(np.float64)
        if self.readable:
            if table and self._places is not None and self._places.named_by_numbers:
                return self._places.of_texts(texts_of(column, {}))
            return self.of_numbers(numbers)
        if np.isnan(numbers).all():
            return numbers
        raise BaselineError(
            f"column '{self._name}' holds numbers, and in the baseline texts; give it as it was in training, or say "
            "what the numbers mean (features: categories)"
        )


class CategoryPlaces:
    """Where the texts of one column, and the numbers that stand for them, are among its categories.

    A place is NaN for what is missing, and -1 for a text that the baseline never saw, an unknown code, and a number
    that is no code.

    categories: the texts. codes: what a number stands for; empty where that is not known.
    """

    def __init__(self, categories: Sequence[Any], codes: Mapping[float, Optional[str]]) -> None:
        self._places: dict[Optional[str], float] = {
            str(text): float(place) for place, text in enumerate(categories)
        }
        self._places[None] = np.nan
        self._codes = np.array(sorted(codes), dtype=np.float64)
        self._of_codes = np.array([self._place(codes[code]) for code in self._codes.tolist()])
        # Whole codes are exact: no rounding makes one of another.
        whole = bool((self._codes == np.floor(self._codes)).all())
        self._known = None if whole else KnownValues(self._codes)
        # Whether the categories are numbers themselves, such as postcodes.
        self.named_by_numbers = all(is_number(text) for text in codes.values() if text is not None)

    def of_texts(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """Return the places of (n,) texts."""
        return np.array([self._place(text_or_none(value)) for value in column.tolist()], dtype=np.float64)

    def of_codes(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the places of (n,) codes; infinite ones stay as they are."""
        values = numbers if self._known is None else self._known.snapped(numbers)
        nearest = np.minimum(np.searchsorted(self._codes, values), len(self._codes) - 1)
        found = np.where(self._codes[nearest] == values, self._of_codes[nearest], UNSEEN)
        return np.where(np.isfinite(numbers), found, numbers)

    def _place(self, text: Optional[str]) -> float:
        return self._places.get(text, UNSEEN)
