"""The smallest and the largest values of a column, exactly: a sketch of quantiles need not keep them."""

from __future__ import annotations

from typing import Optional

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
# So many of each end. Of 400,000 rows those are the outermost half per cent.
KEPT = 2048


class Extremes:
    """Mergeable: the KEPT smallest and largest values of all that came.

    low, high: those of values that came before, ascending.
    """

    def __init__(self, low: Optional[Values] = None, high: Optional[Values] = None) -> None:
        nothing = np.empty(0, dtype=np.float32)
        self._low = nothing if low is None else low
        # Negated, so that the same code keeps both.
        self._high = nothing if high is None else -high[::-1]

    def update(self, values: Values) -> None:
        """Add finite values, (n,)."""
        self._low = _smallest(self._low, values)
        self._high = _smallest(self._high, -values)

    def merge(self, other: Extremes) -> None:
        """Add those of another part, which stays as it is."""
        self._low = _smallest(self._low, other._low)
        self._high = _smallest(self._high, other._high)

    @property
    def low(self) -> Values:
        """The smallest values, ascending."""
        return np.sort(self._low)

    @property
    def high(self) -> Values:
        """The largest values, ascending."""
        return np.sort(-self._high)

    def within(
        self, values: NDArray[np.float64], weights: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return a sketch's values and weights with the ends in the place of what it knows of them.

        values: (k,) ascending. weights: (k,) how many values each stands for. Both ends must be full.
        """
        low, high = self.low.astype(np.float64), self.high.astype(np.float64)
        total = int(weights.sum())
        upto = np.clip(np.concatenate([[0], np.cumsum(weights)]), len(low), total - len(high))
        rest = np.diff(upto)
        inside = np.clip(values, low[-1], high[0])[rest > 0]
        ones = np.ones(KEPT, dtype=np.int64)
        return np.concatenate([low, inside, high]), np.concatenate([ones, rest[rest > 0], ones])


def _smallest(kept: Values, values: Values) -> Values:
    if len(kept) >= KEPT:
        # Few values of many pass.
        values = values[values < kept[KEPT - 1]]
        if not len(values):
            return kept
    both = np.concatenate([kept, values])
    # The largest of those that are kept comes last.
    return np.partition(both, KEPT - 1)[:KEPT].copy() if len(both) >= KEPT else both
