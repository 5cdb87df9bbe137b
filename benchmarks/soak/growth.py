"""How fast the memory of processes grows, and whether two kinds of worker can be told apart by it.

The slope of each worker is a Theil-Sen fit, the median of the slopes between all pairs of samples, with its interval
(`scipy.stats.theilslopes`). That interval takes samples to be independent, and they are not: an allocator keeps most of
what it takes, so memory is a staircase, and what one sample has the next one has too. For hundreds of such samples it
is far too narrow: of simulated pairs of healthy workers with three steps each in 24 minutes, two in three "differ".

So the verdict does not rest on it. The time is cut into BLOCKS equal blocks; the median of each block is the worker's
level there; and what is resampled is the growth from one level to the next, that of the monitored workers together
with that of the plain ones over the same minutes, so that what struck all alike cancels. A leak grows in nearly every
block, and no resample is without it. A single step of the staircase is in one block, and a third of all resamples is
without it, so that the interval still contains 0. For samples that merely scatter around a level the interval is too
wide rather than too narrow.

The rule: with D = growth of the monitored workers less that of the plain ones (each the mean of its workers) and its
95 % interval from SAMPLES resamples,

    fails        D's interval is above 0: the monitored workers grow faster
    cannot tell  it contains 0, but reaches above LIMIT: a leak of that size would go unseen in so short or noisy a run
    holds        else: indistinguishable, or the monitored workers grow more slowly
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

Floats = NDArray[np.float64]

BLOCKS = 12
MIN_BLOCK_SAMPLES = 3
SAMPLES = 20_000
CONFIDENCE = 0.95
MEGABYTE = 1e6
HOUR = 3600.0
LIMIT = 20 * MEGABYTE / HOUR  # bytes a second; 20 MB an hour fill a gigabyte in two days

HOLDS, FAILS, CANNOT_TELL = "holds", "fails", "cannot tell"


@dataclass(frozen=True)
class Estimate:
    """A growth in bytes a second, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def megabytes_an_hour(self) -> tuple[float, float, float]:
        """The same three numbers in MB an hour."""
        value, low, high = (number * HOUR / MEGABYTE for number in (self.value, self.low, self.high))
        return value, low, high


def slope(seconds: Sequence[float], values: Sequence[float]) -> Estimate:
    """Fit a line through samples of bytes by Theil and Sen; the interval is theirs, for independent samples."""
    fit = theilslopes(np.asarray(values, dtype=np.float64), np.asarray(seconds), alpha=CONFIDENCE)
    return Estimate(float(fit.slope), float(fit.low_slope), float(fit.high_slope))


def growth(seconds: Sequence[float], values: Sequence[float]) -> Floats:
    """Return the growth from each block's median to the next's, (BLOCKS - 1,), in bytes a second.

    Raises ValueError for fewer than MIN_BLOCK_SAMPLES samples a block.
    """
    if len(values) < BLOCKS * MIN_BLOCK_SAMPLES:
        raise ValueError(f"{len(values)} samples are too few for {BLOCKS} blocks of {MIN_BLOCK_SAMPLES}")
    levels = np.array(
        [np.median(block) for block in np.array_split(np.asarray(values, dtype=np.float64), BLOCKS)]
    )
    times = np.array(
        [np.median(block) for block in np.array_split(np.asarray(seconds, dtype=np.float64), BLOCKS)]
    )
    result: Floats = np.diff(levels) / np.diff(times)
    return result


def difference(monitored: Sequence[Floats], plain: Sequence[Floats], *, seed: int = 1) -> Estimate:
    """Return how much faster the monitored workers grow than the plain ones; each worker as `growth` returns it."""
    apart = np.mean(monitored, axis=0) - np.mean(plain, axis=0)
    chosen = np.random.default_rng(seed).integers(len(apart), size=(SAMPLES, len(apart)))
    means = apart[chosen].mean(axis=1)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Estimate(float(apart.mean()), float(low), float(high))


def verdict(apart: Estimate) -> str:
    """Return HOLDS, FAILS or CANNOT_TELL by the rule above."""
    if apart.low > 0:
        return FAILS
    return CANNOT_TELL if apart.high > LIMIT else HOLDS
