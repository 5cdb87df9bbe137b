"""A fair sample of whole rows, in memory that does not grow with them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_ROWS = 20_000


class RowSample:
    """Up to `size` rows, each row seen with the same chance; samples of parts merge into a sample of the whole.

    Every row draws a random number and those with the smallest stay (bottom-k sampling; Cohen and Kaplan, 2007).
    The draws are seeded by the first row, so that the same data give the same sample, and parts different ones.
    Rows live in memory only: they go to another process with the builder, and never into a baseline file.
    """

    def __init__(self, size: int = SAMPLE_ROWS) -> None:
        self.size = size
        self.seen = 0
        self._rng: Any = None
        self._draws = np.empty(0)
        self._rows: list[NDArray[Any]] = []

    def update(self, count: int, take: Callable[[NDArray[np.intp]], Iterable[NDArray[Any]]]) -> None:
        """Add `count` rows; `take` gives the ones at some places, of which only a few are wanted."""
        if not count:
            return
        if self._rng is None:
            (first,) = (np.ascontiguousarray(row) for row in take(np.zeros(1, dtype=np.intp)))
            self._rng = np.random.default_rng(zlib.crc32(first.tobytes()))
        draws = self._rng.random(count)
        places = np.flatnonzero(draws < self._limit)
        self.seen += count
        if len(places) > self.size:
            # Of a large batch only the rows that may stay are taken.
            places = places[draws[places] <= np.partition(draws[places], self.size - 1)[self.size - 1]]
        if len(places):
            self._keep(draws[places], take(places))

    def merge(self, other: RowSample) -> None:
        """Add the rows of another part's sample, which stays as it is."""
        self.seen += other.seen
        self._rng = self._rng or np.random.default_rng(other.seen)
        self._keep(other._draws, other._rows)

    def rows(self) -> list[NDArray[Any]]:
        """Return the sampled rows, in random order."""
        return [self._rows[place] for place in np.argsort(self._draws, kind="stable")]

    @property
    def _limit(self) -> float:
        """Draws from here on are too large to stay."""
        return 1.0 if len(self._draws) < self.size else float(self._draws[-1])

    def _keep(self, draws: NDArray[np.float64], rows: Iterable[NDArray[Any]]) -> None:
        together = np.concatenate([self._draws, draws])
        candidates = [*self._rows, *rows]
        kept = np.argsort(together, kind="stable")[: self.size]
        self._draws = together[kept]
        before = len(self._rows)
        # A copy of each new row: a view would keep the whole batch alive.
        self._rows = [candidates[place] if place < before else candidates[place].copy() for place in kept]


def halves(rows: list[NDArray[Any]]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Return one half to learn from, and the other to measure on: what was learned from would look too near."""
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]
