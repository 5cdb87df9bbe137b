"""From what a model is given to the numbers that are compared: the known values, and the places of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ..featurizers.codes import is_number, texts_of
from ..featurizers.columns import text_or_none
from .known_values import KnownValues

UNSEEN = -1.0


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
        whole = (self._codes == np.floor(self._codes)).all()
        self._known = None if whole else KnownValues(self._codes)
        self._by_name = bool(codes) and all(map(is_number, filter(None, codes.values())))

    def of_texts(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """Return the places of (n,) texts."""
        return np.array([self._place(text_or_none(value)) for value in column.tolist()], dtype=np.float64)

    def of_table(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """Return the places of (n,) numbers of a table: names of categories where those are numbers, else codes."""
        return (
            self.of_texts(texts_of(column, {})) if self._by_name else self.of_codes(column.astype(np.float64))
        )

    def of_codes(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the places of (n,) codes; infinite ones stay as they are."""
        if not len(self._codes):
            return np.where(np.isfinite(numbers), UNSEEN, numbers)
        values = numbers if self._known is None else self._known.snapped(numbers)
        nearest = np.minimum(np.searchsorted(self._codes, values), len(self._codes) - 1)
        found = np.where(self._codes[nearest] == values, self._of_codes[nearest], UNSEEN)
        return np.where(np.isfinite(numbers), found, numbers)

    def _place(self, text: Optional[str]) -> float:
        return self._places.get(text, UNSEEN)
