"""How much more a window varies than independent rows would: rows in time often hang together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

# A window is cut into at least so many blocks of consecutive rows, and at most; between them, into blocks of so many.
FEWEST_BLOCKS, MOST_BLOCKS = 10, 50
BLOCK_ROWS = 200
# Rows that lie so far apart are compared with neighbours.
FAR_ROWS = 20
# Neighbours that are alike no more than this many standard errors above rows far apart are taken for independent ones.
SURE = 2.6


def hang_together(bins: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell which features' neighbouring rows share a bin more often than rows that lie FAR_ROWS apart, (c,).

    A level that shifts once within the window makes both alike, so a change is not taken for rows that hang together.

    Args:
        bins: (n, c) of consecutive rows.
    """
    far = max(min(FAR_ROWS, len(bins) // FEWEST_BLOCKS), 2)
    pairs = len(bins) - far
    if pairs < FEWEST_BLOCKS:
        return np.zeros(bins.shape[1], dtype=np.bool_)
    near = (bins[1 : pairs + 1] == bins[:pairs]).mean(axis=0)
    apart = (bins[far:] == bins[:-far]).mean(axis=0)
    noise = np.sqrt(2 * np.maximum(apart * (1 - apart), 1 / pairs) / pairs)
    return np.asarray(near - apart > SURE * noise)


def dispersion(bins: NDArray[np.intp], width: int) -> tuple[float, float, float]:
    """Return the law of a chi-square statistic whose rows hang together: it is `scale` times one of `freedom` degrees.

    The statistic is a sum of squares, each as many times larger than of independent rows as its design effect says, and
    blocks of consecutive rows tell those. Its mean and its far tail, that of the largest effect, are kept; in between,
    the law has p-values that are too large. Source: Rao and Scott, 1984.

    Args:
        bins: (n,) of consecutive rows, oldest first; n is FEWEST_BLOCKS or more.
        width: how many bins there are.

    Returns:
        scale, freedom, and the degrees of freedom of the estimate of the scale; scale is 1 at least.
    """
    blocks = _blocks(len(bins))
    rows = len(bins) // blocks
    newest = bins[-rows * blocks :]
    places = newest + np.repeat(np.arange(blocks), rows) * width
    counts = np.bincount(places, minlength=blocks * width).reshape(blocks, width)
    counts = counts[:, counts.any(axis=0)]
    expected = np.maximum(counts.sum(axis=0) / blocks, 1e-300)
    deviations = (counts - expected) / np.sqrt(expected)
    effects = deviations @ deviations.T / (blocks - 1)
    scale = max(float(np.linalg.eigvalsh(effects)[-1]), 1.0)
    freedom = max(counts.shape[1] - 1, 1)
    degrees = float(np.clip(np.trace(effects) / scale, 1.0, freedom))
    return scale, degrees, degrees * (blocks - 1)


def dispersed_p_value(statistic: float, scale: float, freedom: float, known: float) -> float:
    """Return the p-value of a chi-square statistic with the law that `dispersion` found; it is an estimate, so F."""
    return float(fdtrc(freedom, known, statistic / scale / freedom))


def _blocks(rows: int) -> int:
    return min(max(rows // BLOCK_ROWS, FEWEST_BLOCKS), MOST_BLOCKS)
