"""What is kept of a column of numbers, however long it is."""

from __future__ import annotations

from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature, Source, Summary
from .extremes import KEPT, Extremes
from .fitting import few_values, fit_feature, infinities
from .moments import Moments
from .sketches import quantile_sketch, weighted_values
from .weighted import weighted_counts, weighted_edges, weighted_quantiles

# A column with no more different values than this is counted exactly, value by value; any other goes into a sketch.
EXACT_VALUES = 2048
# Columns of no more rows are described from all their values, as `fit` does, so the result is the same to the bit.
EXACT_ROWS = 100_000
# Exact counts enter a sketch in pieces of this many values.
PIECE = 65_536

Counted = tuple[NDArray[np.float32], NDArray[np.int64]]


class Numbers:
    """Mergeable summary of numbers at float32, the precision that models see.

    exact_values: how many different ones are counted exactly, None for all. missing, infinite (-inf, inf), moments,
    counted (values, ascending, and how often each stands), sketch, extremes: what was counted so far; the KLL sketch,
    where there is one, is of all finite values, and the extremes, which files of earlier versions lack, beside it.
    """

    def __init__(
        self,
        exact_values: Optional[int] = EXACT_VALUES,
        *,
        missing: int = 0,
        infinite: tuple[int, int] = (0, 0),
        moments: Optional[Moments] = None,
        counted: Optional[Counted] = None,
        sketch: Optional[Any] = None,
        extremes: Optional[Extremes] = None,
    ) -> None:
        self.exact_values = exact_values
        self.missing = missing
        self.negative_infinite, self.positive_infinite = infinite
        self.moments = moments or Moments()
        self._values, self._counts = counted or (
            np.empty(0, dtype=np.float32),
            np.empty(0, dtype=np.int64),
        )
        self._sketch = sketch
        self._extremes = extremes
        # Where all are counted exactly: values that are not counted yet, for to sort them once is enough.
        self._loose: list[NDArray[np.float32]] = []

    def update(self, values: NDArray[np.float32]) -> None:
        """Add values, (n,), contiguous; NaN is missing."""
        if self.exact_values is None:
            self._add(values)
            return
        for start in range(0, len(values), PIECE):
            self._add(values[start : start + PIECE])

    def _add(self, values: NDArray[np.float32]) -> None:
        wide = values.astype(np.float64)
        # One NaN or infinity shows in the sum, so a batch without any is not searched for them.
        with np.errstate(invalid="ignore"):
            total = wide.sum()
        if not np.isfinite(total):
            self.missing += int(np.isnan(values).sum())
            self.negative_infinite += int((values == -np.inf).sum())
            self.positive_infinite += int((values == np.inf).sum())
            finite = np.isfinite(values)
            values, wide = values[finite], wide[finite]
        if not len(values):
            return
        self.moments.merge(Moments.of(wide))
        if self.exact_values is None:
            self._loose.append(values)
            return
        if self._sketch is not None:
            self._sketch_in(values)
            return
        # A look at a few rows spares the sort of many.
        if len(np.unique(values[: 2 * self.exact_values])) > self.exact_values:
            self._to_sketch()
            self._sketch_in(values)
        else:
            self._count(*np.unique(values, return_counts=True))

    def merge(self, other: Numbers) -> None:
        """Add the numbers of another part, which stays as it is."""
        self.missing += other.missing
        self.negative_infinite += other.negative_infinite
        self.positive_infinite += other.positive_infinite
        self.moments.merge(other.moments)
        other._count_loose()
        if other._sketch is not None:
            self._to_sketch().merge(other._sketch)
            if self._extremes is None or other._extremes is None:
                self._extremes = None
            else:
                self._extremes.merge(other._extremes)
        elif self._sketch is None:
            self._count(other._values, other._counts)
        else:
            self._enter(other._values, other._counts)

    def describe(self, *, name: str, source: Source) -> Feature:
        """Return the feature that these numbers make."""
        infinite = self.negative_infinite + self.positive_infinite
        present = self.moments.count + infinite
        if self._sketch is None and (self.exact_values is None or present + self.missing <= EXACT_ROWS):
            return fit_feature(self._column(), name=name, source=source)
        values, weights = self._weighted()
        few = few_values(values, weights) if self._sketch is None and not infinite else None
        low, high = (self.moments.low, self.moments.high) if len(values) else (0.0, 0.0)
        bare = Feature(
            name=name,
            source=source,
            kind="numeric" if few is None else "discrete",
            count=present,
            missing=self.missing,
            mean=self.moments.mean,
            std=self.moments.std,
            min=low,
            max=high,
            edges=weighted_edges(values, weights, high) if few is None else [],
            categories=[*(few or [])],
            counts=[],
            infinite=infinities(self.negative_infinite, self.positive_infinite),
            **weighted_quantiles(values, weights, low, high),
        )
        outside = np.array([-np.inf, np.inf, np.nan])
        times = np.array([self.negative_infinite, self.positive_infinite, self.missing], dtype=np.int64)
        counts = weighted_counts(bare, np.concatenate([values, outside]), np.concatenate([weights, times]))
        return msgspec.structs.replace(bare, counts=counts)

    def summary(self) -> Summary:
        """Return the state, for a file or another process."""
        self._count_loose()
        some = self.moments.count > 0
        return Summary(
            kind="numbers",
            missing=self.missing,
            finite=self.moments.count,
            infinite=(self.negative_infinite, self.positive_infinite),
            mean=self.moments.mean,
            squares=self.moments.squares,
            low=self.moments.low if some else 0.0,
            high=self.moments.high if some else 0.0,
            values=self._values.astype("<f4").tobytes(),
            counts=self._counts.astype("<i8").tobytes(),
            sketch=b"" if self._sketch is None else self._sketch.serialize(),
            lowest=b"" if self._extremes is None else self._extremes.low.astype("<f4").tobytes(),
            highest=b"" if self._extremes is None else self._extremes.high.astype("<f4").tobytes(),
        )

    @classmethod
    def resume(cls, summary: Summary, exact_values: Optional[int] = EXACT_VALUES) -> Numbers:
        """Return the numbers that `summary` tells of."""
        some = summary.finite > 0
        moments = Moments(summary.finite, summary.mean, summary.squares, summary.low, summary.high)
        counted = np.frombuffer(summary.values, dtype="<f4"), np.frombuffer(summary.counts, dtype="<i8")
        return cls(
            exact_values,
            missing=summary.missing,
            infinite=summary.infinite,
            moments=moments if some else None,
            counted=(counted[0].astype(np.float32), counted[1].astype(np.int64)),
            sketch=quantile_sketch(summary.sketch) if summary.sketch else None,
            extremes=Extremes(_float32(summary.lowest), _float32(summary.highest))
            if summary.lowest
            else None,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Numbers.resume, (self.summary(), self.exact_values)

    def _count_loose(self) -> None:
        if self._loose:
            values = np.concatenate(self._loose)
            self._loose = []
            self._count(*np.unique(values, return_counts=True))

    def _count(self, values: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
        """Add exact counts of ascending values; into a sketch, when they become too many different ones."""
        together, places = np.unique(np.concatenate([self._values, values]), return_inverse=True)
        totals = np.zeros(len(together), dtype=np.int64)
        np.add.at(totals, places, np.concatenate([self._counts, counts]))
        self._values, self._counts = together, totals
        if self.exact_values is not None and len(together) > self.exact_values:
            self._to_sketch()

    def _to_sketch(self) -> Any:
        """Return the sketch; what was counted exactly so far moves into it."""
        if self._sketch is None:
            self._sketch, self._extremes = quantile_sketch(), Extremes()
            self._enter(self._values, self._counts)
            self._values, self._counts = self._values[:0], self._counts[:0]
        return self._sketch

    def _enter(self, values: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
        ends = np.cumsum(counts)
        for start in range(0, int(ends[-1]) if len(ends) else 0, PIECE):
            places = np.arange(start, min(start + PIECE, int(ends[-1])))
            self._sketch_in(values[np.searchsorted(ends, places, side="right")])

    def _sketch_in(self, values: NDArray[np.float32]) -> None:
        assert self._sketch is not None  # noqa: S101 - for the type checker
        self._sketch.update(values)
        if self._extremes is not None:
            self._extremes.update(values)

    def _weighted(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the finite values, ascending, and how many each stands for."""
        if self._sketch is None:
            return self._values.astype(np.float64), self._counts
        values, weights = weighted_values(self._sketch)
        if self._extremes is None or self.moments.count < 2 * KEPT:
            return values, weights
        return self._extremes.within(values, weights)

    def _column(self) -> NDArray[np.float32]:
        """Return all values; no statistic of them depends on their order."""
        infinite = np.repeat(
            np.array([-np.inf, np.inf], dtype=np.float32), [self.negative_infinite, self.positive_infinite]
        )
        missing = np.full(self.missing, np.nan, dtype=np.float32)
        return np.concatenate([np.repeat(self._values, self._counts), *self._loose, infinite, missing])


def _float32(summarised: bytes) -> NDArray[np.float32]:
    return np.frombuffer(summarised, dtype="<f4").astype(np.float32)
