"""Keeping the cost of large inputs within a budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter_ns
from typing import Optional

# Less than this says nothing about the load: flushes that follow one another at once count together.
SHORTEST_NS = 1_000_000_000


class LargeInputSampler:
    """Says which large inputs are taken, so that taking them uses no more than a share of one core.

    budget: that share; None for no limit. Over it, every k-th input is taken, with k for the load between the last
    two calls of `adapt`. Counts are exact for one request thread, and near enough for several.
    """

    def __init__(self, budget: Optional[float], *, clock: Callable[[], int] = perf_counter_ns) -> None:
        self.clock = clock
        self._budget = budget
        self._every = 1
        self._to_skip = 0
        self._seen = 0
        self._taken = 0
        self._spent_ns = 0
        self._cost_ns = 0.0
        self._began_ns = clock()

    def admits(self) -> bool:
        """Say whether to take the large input at hand."""
        self._seen += 1
        if self._to_skip > 0:
            self._to_skip -= 1
            return False
        self._to_skip = self._every - 1
        return True

    def spent(self, since_ns: int) -> None:
        """Count an input that was taken since a time of `clock`."""
        self._taken += 1
        self._spent_ns += self.clock() - since_ns

    def adapt(self) -> float:
        """Choose k for the load since the last time; return the share of large inputs taken then, 1 without any."""
        now = self.clock()
        seen, taken, spent, elapsed = self._seen, self._taken, self._spent_ns, now - self._began_ns
        ratio = taken / seen if seen else 1.0
        if elapsed < SHORTEST_NS:
            return ratio
        self._seen = self._taken = self._spent_ns = 0
        self._began_ns = now
        if taken:
            self._cost_ns = spent / taken
        if self._budget is not None:
            self._every = max(1, math.ceil(self._cost_ns * seen / (self._budget * elapsed)))
            self._to_skip = min(self._to_skip, self._every - 1)
        return ratio
