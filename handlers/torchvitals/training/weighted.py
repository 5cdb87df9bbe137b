"""Edges, counts and quantiles of values that carry weights: what `fitting` computes from the values themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import assign
from ..baseline.schema import Feature
from .fitting import QUANTILE_POINTS, TAIL_POINTS, Grids, apart, edge_positions, slice_borders


def weighted_edges(values: NDArray[np.float64], weights: NDArray[np.int64], high: float) -> list[float]:
    """Return interior edges of bins of equal mass and of the tails, all below `high`; ties make fewer, wider bins.

    values: (k,) ascending; weights: (k,) how many values each stands for.
    """
    if not len(values):
        return []
    upto = np.cumsum(weights)
    edges = np.unique(values[np.searchsorted(upto, edge_positions(int(upto[-1])), side="right")])
    places = np.searchsorted(values, edges[edges < high])
    # A sketch need not have kept the largest value.
    following = np.append(values, high)[places + 1]
    return apart(values[places], following, weights[places], int(upto[-1]))


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.int64], low: float, high: float
) -> Grids:
    """Return the quantiles of the values, and those of both tails.

    Each is the mean of one of K equal slices; they ascend within low to high.
    """
    if not len(values):
        return Grids(quantiles=[], low_tail=[], high_tail=[])
    samples = int(weights.sum())
    # Around the middle, so that sums of large numbers do not lose what sets the slices apart.
    middle = values[len(values) // 2]
    sums = np.concatenate([[0.0], np.cumsum((values - middle) * weights)])
    upto = np.concatenate([[0], np.cumsum(weights)])

    def means(first: int, count: int, points: int) -> list[float]:
        """Return the means of equal slices of `count` values from place `first` on."""
        borders = first + slice_borders(count, points)
        found = np.diff(np.interp(borders, upto, sums)) / np.diff(borders) + middle
        grid: list[float] = np.clip(np.maximum.accumulate(found), low, high).tolist()
        return grid

    lowest, *_, highest = np.diff(slice_borders(samples, QUANTILE_POINTS)).tolist() * 2
    return Grids(
        quantiles=means(0, samples, QUANTILE_POINTS),
        low_tail=means(0, lowest, TAIL_POINTS) if lowest > 1 else [],
        high_tail=means(samples - highest, highest, TAIL_POINTS) if highest > 1 else [],
    )


def weighted_counts(feature: Feature, values: NDArray[np.float64], weights: NDArray[np.int64]) -> list[int]:
    """Return how many values fall in each of a feature's bins."""
    counts = np.zeros(feature.bins, dtype=np.int64)
    np.add.at(counts, assign(feature, values), weights)
    found: list[int] = counts.tolist()
    return found
