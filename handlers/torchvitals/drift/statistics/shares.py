"""Bin counts to shares that no logarithm can break."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PSEUDO_COUNT = 0.5


def smoothed_shares(counts: NDArray[np.float64], bins: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each bin's share after adding half an observation to it.

    counts: (..., B) counts. bins: (..., B), False where a bin is only padding; its share is 0.
    Shares of the real bins are positive and sum to 1, also for an empty window (Jeffreys' prior:
    Krichevsky and Trofimov, 1981).
    """
    padded = np.where(bins, counts + PSEUDO_COUNT, 0.0)
    return np.asarray(padded / padded.sum(axis=-1, keepdims=True))
