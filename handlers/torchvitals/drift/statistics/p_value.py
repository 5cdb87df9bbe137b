"""The p-value of the two-sample test, a feature at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .dispersion import dispersed_p_value, dispersion, hang_together
from .significance import chi_square, two_sample_p_value
from .statistic import Compared, Statistic
from .tails import MOST_FAR_ROWS, beyond_range_p_value, exceedance_p_value

# Of the bins, and of what lies below and above the training range, and its quantiles that are far out.
TESTS = 5
# Larger p-values decide nothing, however the rows hang together.
DECISIVE = 0.01


class PValue(Statistic):
    """Whether chance alone explains the window; the verdict corrects it for the number of features.

    It is the smallest of the tests', times their number (Bonferroni): of the counts in the bins, and of how many values
    lie below and above all of the training data's. Where nothing is known of the training data's order, rows that hang
    together are taken for as many fewer independent ones as the window's own blocks of rows tell.
    """

    name = "p_value"
    title = "p value"
    unit = "ratio"
    help = "Probability of a window this different if nothing had changed (two-sample tests, on bin counts and range)."
    worst = "min"
    series = "drift_p_value"

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,)."""
        reference = compared.reference
        counts = two_sample_p_value(reference.counts, compared.counts, reference.missing_bin + 1)
        scales = np.ones(len(counts))
        found = np.minimum(counts, _beyond_range(compared, scales))
        loose = np.flatnonzero((found < DECISIVE) & ~reference.knows_order)
        if len(loose):
            compared.pause()
            bins = compared.bins(loose)
            for place in np.flatnonzero(hang_together(bins)):
                row = loose[place]
                scales[row], freedom, known = dispersion(bins[:, place], reference.counts.shape[1])
                statistic = float(chi_square(reference.counts[row], compared.counts[row])[0])
                counts[row] = dispersed_p_value(statistic, scales[row], freedom, known)
            found = np.minimum(counts, _beyond_range(compared, scales))
        return np.asarray(np.minimum(found * TESTS, 1.0))


def _beyond_range(compared: Compared, scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smaller p-value of what lies below and above the training range, (d,).

    scales: (d,) how many rows that hang together are worth one.
    """
    window, baseline = compared.numbers / scales, np.maximum(compared.reference.numbers / scales, 1.0)
    sides = (np.floor(beyond / scales) for beyond in (compared.below, compared.above))
    below, above = (beyond_range_p_value(beyond, window, baseline) for beyond in sides)
    found = np.minimum(below, above)
    for beyond, rows in zip((compared.far_below, compared.far_above), compared.reference.far_rows):
        # Of more training rows the outermost bin holds as few values.
        few = np.flatnonzero((rows > 1) & (rows <= MOST_FAR_ROWS))
        if len(few):
            far = np.floor(beyond[few] / scales[few])
            found[few] = np.minimum(
                found[few], exceedance_p_value(far, rows[few], window[few], baseline[few])
            )
    return np.asarray(found)
