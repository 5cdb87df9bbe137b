"""Mean and standard deviation of parts, put together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Moments:
    """Count, mean, sum of squared deviations from it, smallest and largest of finite values.

    Source: Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Moments:
        """Return the moments of finite values, (n,) with n at least 1."""
        mean = float(values.mean())
        deviations = values - mean
        return cls(
            len(values), mean, float(deviations @ deviations), float(values.min()), float(values.max())
        )

    @property
    def std(self) -> float:
        """Standard deviation of the population; 0 where there are no values."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    def merge(self, other: Moments) -> None:
        """Add the values of another part."""
        if not other.count:
            return
        count = self.count + other.count
        apart = other.mean - self.mean
        self.squares += other.squares + apart * apart * self.count * other.count / count
        self.mean += apart * other.count / count
        self.count = count
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
