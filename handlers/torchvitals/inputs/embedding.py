"""Embeddings as a few numbers each: length, distance from the middle, and the first principal directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PROJECTIONS = 4
EMBEDDING_FEATURES = ["norm", "centroid_distance", *(f"projection{index}" for index in range(PROJECTIONS))]


@dataclass(frozen=True)
class EmbeddingModel:
    """The middle of the training embeddings, (d,), and their first principal directions, (k, d)."""

    centre: NDArray[np.float64]
    directions: NDArray[np.float64]


def learn_embedding(rows: NDArray[np.float64]) -> EmbeddingModel:
    """Learn from (n, d) embeddings; rows that are not finite are left out."""
    finite = rows[np.isfinite(rows).all(axis=1)]
    centre = finite.mean(axis=0)
    covariance = np.cov(finite, rowvar=False)
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    order = np.argsort(values)[::-1][:PROJECTIONS]
    directions = vectors[:, order].T
    # An eigenvector's sign is arbitrary; its largest part is made positive, so that two runs agree.
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
    return EmbeddingModel(centre, directions * signs[:, None])


def embedding_features(rows: NDArray[np.float64], model: EmbeddingModel) -> NDArray[np.float64]:
    """Return (n, 2 + k) features of (n, d) embeddings; NaN where a row is not finite."""
    centred = rows - model.centre
    return np.column_stack(
        [np.linalg.norm(rows, axis=1), np.linalg.norm(centred, axis=1), centred @ model.directions.T]
    )
