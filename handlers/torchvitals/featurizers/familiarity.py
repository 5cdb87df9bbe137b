"""What whole rows of training look like, to tell whether served rows come from the same world."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from .matmul import product
from .row_distance import RIDGE, RowDistance, learn_row_distance

# Rows below which nothing is learned of how columns go together.
FEWEST_ROWS = 50
FOLDS = 5
# A residual counts as this many standard deviations at most: heavy tails must not hide the rest.
LARGEST_RESIDUAL = 4.0
FAR_SHARE = 0.01
# A column that the others say all of, but for rounding.
LEAST_USUAL = 1e-6
# Regions are learned from this many rows, one for every so many of them, by so many steps.
MOST_TAUGHT, ROWS_PER_REGION, FEWEST_REGIONS, MOST_REGIONS, STEPS = 2_000, 8, 4, 24, 20
# Values that are measured between two pauses.
VALUES_AT_ONCE = 25_000


class Familiarity(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True, forbid_unknown_fields=True
):
    """What rows of training look like that did not teach it.

    A column's residual is how far a value lies from what the other columns say of it, in standard deviations.

    usual, spread: (d,) mean and standard deviation of each column's squared residual. far: the distance from the
    training mean that 1 % of the rows exceed. samples: rows measured. centres, counts: (k, d) and (k,), regions of the
    whitened rows and how many of the rows were nearest to each. distance: how the d columns go together; left out where
    the baseline has a row distance, which says it.
    """

    centres: list[list[float]]
    counts: list[int]
    usual: list[float]
    spread: list[float]
    far: float
    samples: int
    distance: Optional[RowDistance] = None

    # An array is made once.
    @cached_property
    def middle(self) -> NDArray[np.float64]:
        """The regions' centres as an array, (k, d)."""
        return np.array(self.centres)

    def validate(self) -> None:
        """Raise BaselineError where the sizes do not fit."""
        columns = len(self.usual)
        if len(self.centres) != len(self.counts) or any(len(centre) != columns for centre in self.centres):
            raise BaselineError(f"familiarity: its regions are not {len(self.counts)} of {columns} columns")
        if self.distance is not None:
            self.distance.validate()
            if len(self.usual) != len(self.distance.columns):
                raise BaselineError(
                    f"familiarity: {len(self.distance.columns)} columns, and {len(self.usual)} numbers for them"
                )
        if len(self.usual) != len(self.spread) or self.samples < 1:
            raise BaselineError(
                "familiarity: it has not one mean and one deviation a column, of at least one row"
            )


class Strangeness(msgspec.Struct, frozen=True):
    """How unlike the rows of training some rows are.

    far: share beyond the distance that 1 % of training rows exceed. regions: (k,) rows by region. residuals: (d,) mean
    squared residuals, in those of training. shifts: (d,) means, in standard deviations from those of training.
    """

    far: float
    regions: NDArray[np.intp]
    residuals: NDArray[np.float64]
    shifts: NDArray[np.float64]


def strangeness(
    familiarity: Familiarity,
    distance: RowDistance,
    rows: NDArray[np.floating[Any]],
    *,
    pause: Callable[[], None] = lambda: None,
) -> Strangeness:
    """Measure (n, d) rows of the distance's columns; n is 1 or more. `pause` is called between pieces of work."""
    columns = rows.shape[1]
    residuals, shifts, far = np.zeros(columns), np.zeros(columns), 0
    regions = np.zeros(len(familiarity.counts), dtype=np.intp)
    at_once = max(1, VALUES_AT_ONCE // columns)
    for start in range(0, len(rows), at_once):
        scaled, points = distance.whitened(rows[start : start + at_once])
        residuals += _cut(distance.residuals(points)).sum(axis=0)
        shifts += np.clip(scaled, -LARGEST_RESIDUAL, LARGEST_RESIDUAL).sum(axis=0)
        far += int((_lengths(points) > familiarity.far).sum())
        regions += np.bincount(_nearest(points, familiarity.middle), minlength=len(regions))
        pause()
    count = len(rows)
    return Strangeness(far / count, regions, residuals / count / np.array(familiarity.usual), shifts / count)


def learn_familiarity(rows: NDArray[np.float64], columns: list[str]) -> Optional[Familiarity]:
    """Learn from (n, d) rows how their columns go together and what is usual; None of too few.

    Each fifth of the rows is measured by what the others taught, so that rows that taught do not look too near.
    """
    if len(rows) < FEWEST_ROWS or not columns:
        return None
    # Fewer rows know less of how columns go together.
    ridge = max(RIDGE, len(columns) / len(rows) / 2)
    squares, lengths = np.empty(rows.shape), np.empty(len(rows))
    for fold in range(FOLDS):
        measured = np.arange(len(rows)) % FOLDS == fold
        taught = learn_row_distance(rows[~measured], columns, ridge=ridge)
        _, points = taught.whitened(rows[measured])
        squares[measured], lengths[measured] = taught.residuals(points), _lengths(points)
    distance = learn_row_distance(rows, columns, ridge=ridge)
    return _summary(squares, lengths, distance.whitened(rows)[1], distance)


def measure_familiarity(rows: NDArray[np.float64], distance: RowDistance) -> Familiarity:
    """Measure (n, d) rows that did not teach a distance."""
    _, points = distance.whitened(rows)
    return _summary(distance.residuals(points), _lengths(points), points, None)


def _summary(
    squares: NDArray[np.float64],
    lengths: NDArray[np.float64],
    points: NDArray[np.float64],
    distance: Optional[RowDistance],
) -> Familiarity:
    squares = _cut(squares)
    number = max(FEWEST_REGIONS, min(MOST_REGIONS, len(points) // ROWS_PER_REGION))
    centres = np.array([_short(centre) for centre in _regions(points[:MOST_TAUGHT], number)])
    return Familiarity(
        centres=centres.tolist(),
        counts=np.bincount(_nearest(points, centres), minlength=len(centres)).tolist(),
        usual=_short(np.maximum(squares.mean(axis=0), LEAST_USUAL)),
        spread=_short(squares.std(axis=0)),
        far=_short(np.quantile(lengths, [1 - FAR_SHARE]))[0],
        samples=len(lengths),
        distance=distance,
    )


def _regions(points: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Return (k, d) centres of regions of (n, d) points, by k-means from points that are far apart.

    Source: Lloyd, 1982; the first centres by farthest-first traversal, which draws nothing: Gonzalez, 1985.
    """
    chosen = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmin())]
    gap = np.linalg.norm(points - points[chosen[0]], axis=1)
    for _ in range(number - 1):
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, np.linalg.norm(points - points[chosen[-1]], axis=1))
    centres = points[chosen]
    for _ in range(STEPS):
        nearest = _nearest(points, centres)
        centres = np.array(
            [points[nearest == k].mean(axis=0) if (nearest == k).any() else centres[k] for k in range(number)]
        )
    return centres


def _nearest(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return which of (k, d) centres is nearest to each of (n, d) points, (n,)."""
    return np.asarray(((centres**2).sum(axis=1) - 2 * product(points, centres.T)).argmin(axis=1))


def _lengths(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points, axis=1))


def _cut(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.minimum(squares, LARGEST_RESIDUAL**2))


def _short(values: NDArray[np.float64]) -> list[float]:
    """Return the numbers at nine digits: the last ones depend on the machine, and files would differ."""
    return [float(f"{value:.9g}") for value in values]
