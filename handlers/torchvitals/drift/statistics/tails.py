"""Whether chance alone explains values beyond all of the training data's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln


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
    k = np.minimum(beyond, window)
    both = window + baseline
    logarithm = gammaln(window + 1) - gammaln(window - k + 1) + gammaln(both - k + 1) - gammaln(both + 1)
    return np.asarray(np.exp(np.minimum(logarithm, 0.0)))
