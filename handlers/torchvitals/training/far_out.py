"""Whether the training values that lie far out come together: what limits how many of them a window may have."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrik

from ..baseline.binning import Binning
from ..baseline.schema import BaselineData
from ..drift.comparison import Reference
from ..drift.detector import SOURCES
from ..drift.statistics import STATISTICS, ExceedanceRatio
from ..drift.verdict import FeatureDrift

# Rows that are at most so far apart are near each other, and the chance that independent ones are taken for clustered.
NEAR_ROWS, CHANCE_TOGETHER = 20, 1e-3


def learned_values(drift: FeatureDrift, *, clustered: bool) -> dict[str, float]:
    """Return the statistics that have limits, of one window.

    clustered: values that lie far out come together, or it is not known, so that nothing limits how many there may be.
    """
    return {
        one.name: math.nan if clustered and one.name == ExceedanceRatio.name else drift.values[one.name]
        for one in STATISTICS.learned
    }


def clustered_features(
    baseline: BaselineData, rows: NDArray[np.float64], signals: Mapping[str, NDArray[np.float64]]
) -> set[tuple[str, str]]:
    """Return source and name of the features whose values that lie far out come together.

    Args:
        baseline: what the features are.
        rows: (n, d) input features in the order of time.
        signals: output features by name, each (n,).
    """
    found: set[tuple[str, str]] = set()
    for source in SOURCES:
        reference = Reference(Binning(baseline.of_source(source)))
        for place, feature in enumerate(reference.features):
            values = rows[:, place] if source == "input" else signals.get(feature.name)
            if values is not None and (
                come_together(values < reference.far_low[place])
                or come_together(values > reference.far_high[place])
            ):
                found.add((source, feature.name))
    return found


def come_together(flags: NDArray[np.bool_]) -> bool:
    """Tell whether the rows that are marked lie closer together than chance has it.

    flags: (n,) of rows in the order of time.
    """
    places = np.flatnonzero(flags)
    if len(places) < 2:
        return False
    near = np.searchsorted(places, places + NEAR_ROWS, side="right") - np.arange(len(places)) - 1
    usual = NEAR_ROWS * len(places) * (len(places) - 1) / len(flags)
    return float(near.sum()) > float(pdtrik(1 - CHANCE_TOGETHER, usual)) + 1
