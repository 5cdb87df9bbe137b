"""A row as a whole: how far it lies from the training rows, correlations included."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from .matmul import product

NAME = "row_distance"
# Part of each column's variance that is added to it, so that columns that say the same do not divide by nothing.
RIDGE = 1e-3
MAX_COLUMNS = 128
# Rows a column that it takes to know how columns go together.
ROWS_PER_COLUMN = 20
# A value beyond so many standard deviations counts as that far: one absurd value must not hide the others.
FARTHEST = 20.0
# Values of rows whose shares are found between two pauses.
VALUES_AT_ONCE = 10_000


class RowDistance(msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True):
    """How the numeric columns go together in the training rows.

    columns: names of the d columns. mean, std: (d,) of each. whitening: (d, d), makes standardised training rows
    uncorrelated with variance 1.
    """

    columns: list[str]
    mean: list[float]
    std: list[float]
    whitening: list[list[float]]

    def validate(self) -> None:
        """Raise BaselineError where the sizes do not fit."""
        size = len(self.columns)
        sizes = {len(self.mean), len(self.std), len(self.whitening), *map(len, self.whitening)}
        if sizes != {size}:
            raise BaselineError(f"row distance: {size} columns, and {sorted(sizes)} numbers for them")

    def of(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Mahalanobis distance of each of (n, d) rows from the training mean, (n,).

        About the square root of d for a row like the training rows. Missing values count as the mean, infinite ones
        as far. Source: Mahalanobis, 1936; the covariance is regularised by a ridge of one thousandth.
        """
        return np.asarray(np.linalg.norm(product(self._standardised(rows), self._root), axis=1))

    def shares(
        self, rows: NDArray[np.floating[Any]], *, pause: Callable[[], None] = lambda: None
    ) -> NDArray[np.float64]:
        """Return the share that each column has in the squared distances of (n, d) rows, (d,); they add up to 1.

        1/d each, about, for rows like the training rows; a column that moved, or goes with the others in a new way, has
        more. Some may be a little below 0. All 0 without rows. `pause` is called between pieces of work.
        Source: the terms of the quadratic form.
        """
        terms = np.zeros(len(self.columns))
        at_once = max(1, VALUES_AT_ONCE // max(len(self.columns), 1))
        for start in range(0, len(rows), at_once):
            scaled = self._standardised(rows[start : start + at_once])
            terms += (scaled * product(scaled, self._precision)).sum(axis=0)
            pause()
        total = terms.sum()
        return np.asarray(terms / total if total > 0 else np.zeros(len(self.columns)))

    def whitened(self, rows: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (n, d) rows in standard deviations from the mean, and those without correlations, (n, d) each.

        The length of the latter is a row's distance.
        """
        scaled = self._standardised(rows)
        return scaled, product(scaled, self._root)

    def residuals(self, whitened: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far values lie from what the other columns say of them, squared, (n, d), of whitened rows.

        About 1 for rows like the training rows; a column that no longer goes with the others has more. Source: one over
        an entry on the diagonal of the inverse covariance is the variance of that residual.
        """
        return np.asarray(product(whitened, self._root) ** 2 / self._precision.diagonal())

    # Arrays are made once: of a hundred columns that takes longer than measuring the rows of a flush.
    @cached_property
    def _root(self) -> NDArray[np.float64]:
        return np.array(self.whitening)

    @cached_property
    def _precision(self) -> NDArray[np.float64]:
        return product(self._root, self._root)

    @cached_property
    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self.mean), np.array(self.std)

    def _standardised(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return _standardised(rows, *self._moments)


def learn_row_distance(rows: NDArray[np.float64], columns: list[str], *, ridge: float = RIDGE) -> RowDistance:
    """Learn from (n, d) rows, d names; NaN is missing. ridge: as RIDGE, larger where rows are few."""
    finite = np.where(np.isfinite(rows), rows, np.nan)
    counts = np.maximum(np.isfinite(finite).sum(axis=0), 1)
    mean = np.nansum(finite, axis=0) / counts
    std = np.sqrt(np.nansum((finite - mean) ** 2, axis=0) / counts)
    scaled = _standardised(rows, mean, std)
    covariance = scaled.T @ scaled / max(len(scaled), 1) + ridge * np.eye(len(columns))
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(np.maximum(values, ridge))
    # The symmetric root: it does not depend on the signs and the order that the solver gives its vectors.
    return RowDistance(
        columns=columns,
        mean=mean.tolist(),
        std=std.tolist(),
        whitening=_short(whitening @ vectors.T),
    )


def _short(matrix: NDArray[np.float64]) -> list[list[float]]:
    """Return the numbers at nine digits: the last ones depend on the machine, and files would differ."""
    return [[float(f"{value:.9g}") for value in row] for row in matrix]


def _standardised(
    rows: NDArray[np.floating[Any]], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, d) rows in standard deviations from the mean, cut off at FARTHEST; missing values are 0."""
    with np.errstate(invalid="ignore"):
        scaled = (rows - mean) / np.where(std > 0, std, 1.0)
        np.clip(scaled, -FARTHEST, FARTHEST, out=scaled)
    scaled[np.isnan(scaled)] = 0.0
    return np.asarray(scaled)
