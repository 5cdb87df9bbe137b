"""A row as a whole: how far it lies from the training rows, correlations included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Part of each column's variance that is added to it, so that columns that say the same do not divide by nothing.
RIDGE = 1e-3
MAX_COLUMNS = 128
# A value beyond so many standard deviations counts as that far: one absurd value must not hide the others.
FARTHEST = 20.0


def learn_whitening(
    rows: NDArray[np.float64], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> list[list[float]]:
    """Return the (d, d) matrix that makes standardised training rows uncorrelated. rows: (n, d), NaN is missing."""
    scaled = standardised(rows, mean, std)
    covariance = scaled.T @ scaled / max(len(scaled), 1)
    covariance += RIDGE * np.eye(len(mean))
    values, vectors = np.linalg.eigh(covariance)
    whitening: NDArray[np.float64] = vectors / np.sqrt(np.maximum(values, RIDGE))
    return [[float(f"{value:.9g}") for value in row] for row in whitening]


def row_distance(
    rows: NDArray[np.float64],
    *,
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    whitening: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the Mahalanobis distance of each of (n, d) rows from the training mean, (n,).

    About the square root of d for a row like the training rows. Missing values count as the mean, infinite ones
    as far. Source: Mahalanobis, 1936; the covariance is regularised by a ridge of one thousandth.
    """
    return np.asarray(np.linalg.norm(standardised(rows, mean, std) @ whitening, axis=1))


def standardised(
    rows: NDArray[np.float64], mean: NDArray[np.float64], std: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, d) rows in standard deviations from the mean, cut off at FARTHEST; missing values are 0."""
    with np.errstate(invalid="ignore"):
        scaled = (rows - mean) / np.where(std > 0, std, 1.0)
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=FARTHEST, neginf=-FARTHEST), -FARTHEST, FARTHEST)
