"""Edges, counts and quantiles of values that carry weights: what `fitting` computes from the values themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import assign
from ..baseline.schema import Feature
from .fitting import QUANTILE_POINTS, apart, edge_positions


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
) -> list[float]:
    """Return the mean of each of K equal slices of the values, ascending and within low to high."""
    if not len(values):
        return []
    samples = int(weights.sum())
    points = min(QUANTILE_POINTS, samples)
    sizes = np.full(points, samples // points)
    sizes[: samples % points] += 1
    # Around the middle, so that sums of large numbers do not lose what sets the slices apart.
    middle = values[len(values) // 2]
    sums = np.concatenate([[0.0], np.cumsum((values - middle) * weights)])
    borders = np.concatenate([[0], np.cumsum(sizes)])
    means = np.diff(np.interp(borders, np.concatenate([[0], np.cumsum(weights)]), sums)) / sizes + middle
    grid: list[float] = np.clip(np.maximum.accumulate(means), low, high).tolist()
    return grid


def weighted_counts(feature: Feature, values: NDArray[np.float64], weights: NDArray[np.int64]) -> list[int]:
    """Return how many values fall in each of a feature's bins."""
    counts = np.zeros(feature.bins, dtype=np.int64)
    np.add.at(counts, assign(feature, values), weights)
    found: list[int] = counts.tolist()
    return found
