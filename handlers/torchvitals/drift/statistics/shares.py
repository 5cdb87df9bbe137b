"""Bin counts become shares of which every logarithm exists."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PSEUDO_COUNT = 0.5


def smoothed_shares(counts: NDArray[np.float64], bins: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each bin's share after adding half an observation to it.

    Source: Jeffreys' prior; Krichevsky and Trofimov, 1981.

    Args:
        counts: (..., B).
        bins: (..., B), False where a bin only pads; its share is 0.

    Returns:
        (..., B). Shares of real bins are positive and sum to 1, even for an empty window.
    """
    padded = np.where(bins, counts + PSEUDO_COUNT, 0.0)
    return np.asarray(padded / padded.sum(axis=-1, keepdims=True))
