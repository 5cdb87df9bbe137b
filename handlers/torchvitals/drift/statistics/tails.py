"""Whether chance alone explains values beyond all of the training data's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

# Ranks that are looked at.
MOST_FAR_ROWS = 30


def beyond_range_p_value(
    beyond: NDArray[np.float64], window: NDArray[np.float64], baseline: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability that so many values of a window exceed all of a baseline's, if nothing changed.

    Whatever the distribution, each order of the values of both is as likely as any other: the largest of all are the
    window's with probability ``n!/(n-k)! (n+m-k)!/(n+m)!``. Source: Gumbel and von Schelling, 1950. Ties make it
    smaller still.

    Args:
        beyond: (d,) how many of the window's values exceed the baseline's largest one (or lie below its smallest).
        window: (d,) values of the window.
        baseline: (d,) values of the baseline.

    Returns:
        (d,); 1.0 where none is beyond.

    >>> beyond_range_p_value(np.array([1.0]), np.array([1.0]), np.array([9.0])).round(6).tolist()
    [0.1]
    """
    return exceedance_p_value(np.minimum(beyond, window), np.ones_like(baseline), window, baseline)


def exceedance_p_value(
    far: NDArray[np.float64],
    rows: NDArray[np.float64],
    window: NDArray[np.float64],
    baseline: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the probability that so many values of a window exceed one of a baseline's largest, if nothing changed.

    Whatever the distribution, so many of the window's are beyond the baseline's r-th largest value where fewer than r
    of the largest values of both are the baseline's: a hypergeometric law (Gumbel and von Schelling, 1950).

    Args:
        far: (d,) how many of the window's values exceed that one.
        rows: (d,) its rank, 1 for the largest; MOST_FAR_ROWS or less.
        window: (d,) values of the window.
        baseline: (d,) values of the baseline.

    Returns:
        (d,)

    >>> exceedance_p_value(*(np.array([value]) for value in (1.0, 1.0, 1.0, 9.0))).round(6).tolist()
    [0.1]
    """
    drawn = far + rows - 1
    terms = np.arange(int(rows.max(initial=1)))[:, None]
    possible = (terms < rows) & (terms <= drawn) & (drawn - terms <= window)
    others = np.where(possible, drawn - terms, 0.0)
    own = np.where(possible, terms, 0.0)
    logarithm = _ways(baseline, own) + _ways(window, others) - _ways(window + baseline, drawn)
    found = np.where(possible, np.exp(np.minimum(logarithm, 0.0)), 0.0).sum(axis=0)
    return np.asarray(np.where(far > 0, np.minimum(found, 1.0), 1.0))


def _ways(total: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of how many ways there are to draw so many."""
    return np.asarray(gammaln(total + 1) - gammaln(drawn + 1) - gammaln(total - drawn + 1))
