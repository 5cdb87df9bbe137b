"""Which served numbers are values that a few-valued feature had in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from .rounding import COARSEST, ROUNDINGS

# A value is taken for a known one no farther from it than this share of the gap to its neighbour.
SHARE_OF_GAP = 0.25
# What rounding before a subtraction leaves of a value near 0, as a share of the gap.
CANCELLED = 2.0**-10
# Of whole numbers, which every type holds exactly as long as they are small: noise of float32 arithmetic.
WHOLE_NOISE = 2.0**-20


class KnownValues:
    """The values of one feature, and the tolerance of each.

    The type that a value was served in is not known, for copies are made of doubles. So a value is a known one
    where it is as near as the coarsest type rounds, and within a share of the gap to the next one. Whole numbers
    have nearly no tolerance: 3 is not 4, and 2,001 is not 2,000. What is farther may still be what float16 or
    bfloat16 makes of a known value, if all the values beside it can be numbers of that type.

    values: ascending, at float32. rounded: the type of two bytes that the training data came in, if it was one.
    """

    def __init__(self, values: Union[Sequence[Any], NDArray[np.float64]], rounded: str = "") -> None:
        self._rounded_by = rounded
        self._values = known = np.asarray(values, dtype=np.float64)
        self._middles = (known[1:] + known[:-1]) / 2
        self._whole = bool((known == np.floor(known)).all())
        size = np.abs(known)
        steps = np.diff(known)
        # A single value has no neighbour; the gap to nothing is as wide as it is large.
        gaps = np.minimum(np.append(steps, np.inf), np.append(np.inf, steps)) if len(steps) else size
        rounding = WHOLE_NOISE * size if self._whole else np.maximum(COARSEST * size, CANCELLED * gaps)
        self._tolerance = np.minimum(
            rounding, SHARE_OF_GAP * (np.minimum(gaps, 1.0) if self._whole else gaps)
        )

    def snapped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) values with the known value in the place of each that is one; the others stay as they are."""
        known = self._values
        if not len(known):
            return values
        place = np.searchsorted(self._middles, values)
        nearest = known[place]
        near = np.abs(values - nearest) <= self._tolerance[place]
        if near.all():
            return nearest
        found = np.where(near, nearest, values)
        odd = ~near & np.isfinite(values)
        if odd.any():
            found[odd] = self._rounded(values[odd], values[np.isfinite(values)])
        return found

    def _rounded(self, values: NDArray[np.float64], beside: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the known values that a type of two bytes makes these of, where `beside` can be of that type."""
        found = values
        for name, rounded in ROUNDINGS.items():
            made = rounded(self._values)
            if (rounded(beside) == beside).all():
                found = _matched(found, made, self._values)
                if self._rounded_by not in ("", name):
                    found = self._near(found)
            # Fractions that are all numbers of the type are so because the training data were of it.
            if name == self._rounded_by or (not self._whole and (made == self._values).all()):
                coarse = rounded(found)
                found = np.where(np.isin(coarse, self._values), coarse, found)
        return found

    def _near(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the known values from which values of the other type of two bytes are no farther than both round."""
        nearest = self._values[np.searchsorted(self._middles, values)]
        return np.where(np.abs(values - nearest) <= COARSEST * np.abs(nearest), nearest, values)


def _matched(
    values: NDArray[np.float64], keys: NDArray[np.float64], known: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the known value whose key, (k,) ascending, a value is; else the value."""
    place = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
    return np.where(keys[place] == values, known[place], values)
