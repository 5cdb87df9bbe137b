"""What is known of a feature's quantile function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class QuantileGrid:
    """A quantile function: `points` equal steps, of which the first is cut into `low` steps and the last into `high`.

    values: ascending, one a step.
    """

    values: NDArray[np.float64]
    points: int
    low: int = 1
    high: int = 1

    @classmethod
    def of(
        cls, quantiles: Sequence[float], low: Sequence[float] = (), high: Sequence[float] = ()
    ) -> QuantileGrid:
        """Return the grid of a feature's quantiles and those of its tails; without values for none."""
        if len(quantiles) < 2:
            return cls(np.array(quantiles, dtype=np.float64), len(quantiles))
        first, last = low or quantiles[:1], high or quantiles[-1:]
        values = np.array([*first, *quantiles[1:-1], *last], dtype=np.float64)
        return cls(values, len(quantiles), len(first), len(last))
