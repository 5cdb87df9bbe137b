"""How small a change can be seen: what a baseline and windows of some sizes cannot show, told before it is missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, chndtrinc

from ..baseline.schema import BaselineData
from .floors import DISTANCE_FLOOR
from .statistics.p_value import TESTS
from .verdict import FALSE_DISCOVERY_RATE

# Of windows with a change of the size that is told, the share that is to be found.
POWER = 0.95
# A baseline of so many windows' rows blurs what they show by a tenth.
WINDOWS_FOR_SHARP = 5
# The category whose share moves, in what is told.
SHARE = 0.1
# Counts in bins see a shift of a normal mean nearly as well as the mean itself does.
EFFICIENCY = 0.8


@dataclass(frozen=True)
class Sight:
    """The smallest changes of one feature that windows of `window` independent rows show in POWER of all windows.

    shift: of a mean, in baseline standard deviations. share: what a category grows to that SHARE of the rows had; NaN
    where no growth of it is seen.
    """

    window: int
    shift: float
    share: float


def sight(baseline: BaselineData, window: int) -> Sight:
    """Return what a window shows by chance's own limits; floors that are set and learned limits may ask for more.

    The two-sample chi-square statistic of changed rows has a noncentral chi-square law, whose noncentrality grows with
    the rows of both samples. Source: Cohen, Statistical Power Analysis, 1988, chapter 7.
    """
    features = baseline.features
    bins = [max(feature.bins - 1, 2) for feature in features if feature.kind == "numeric"]
    freedom = float(np.median(bins)) - 1 if bins else 2.0
    level = FALSE_DISCOVERY_RATE / max(len(features), 1) / TESTS
    far = float(chndtrinc(chdtri(freedom, level), freedom, 1 - POWER))
    rows = baseline.samples * window / max(baseline.samples + window, 1)
    needed = far / max(rows, 1e-9)
    return Sight(window, math.sqrt(needed / EFFICIENCY), _grown(needed, window / (baseline.samples + window)))


def _grown(needed: float, part: float) -> float:
    """Return the share that a category of SHARE has to grow to, for a squared distance of `needed`; NaN beyond 1.

    part: of all rows, those of the window. Growth is divided by the spread of the share in both samples together, which
    grows along with it: a quadratic equation.
    """
    square, linear = 1 + needed * part**2, needed * part * (1 - 2 * SHARE)
    growth = (linear + math.sqrt(linear**2 + 4 * square * needed * SHARE * (1 - SHARE))) / (2 * square)
    return SHARE + growth if SHARE + growth < 1 else math.nan


def blind_spots(baseline: BaselineData, windows: Sequence[int]) -> list[str]:
    """Return what cannot be seen and what to do about it, a line each; none where there is nothing to say.

    Args:
        baseline: what windows are compared with.
        windows: their sizes, in rows.
    """
    lines = []
    least = WINDOWS_FOR_SHARP * max(windows)
    sights = [sight(baseline, window) for window in sorted(windows)]
    # What is smaller than the floor is no drift, seen or not.
    blurred = baseline.samples < least and sights[-1].shift > DISTANCE_FLOOR
    if baseline.features and blurred:
        seen = "; ".join(map(_told, sights))
        lines.append(
            f"{baseline.samples:,} training rows are few, and smaller changes are not seen: {seen}; give {least:,}"
        )
    known = known_windows(baseline)
    unjudged = unjudged_windows(baseline, windows)
    if unjudged:
        lines.append(
            f"windows of {_listed(unjudged)} rows are not judged: the baseline was built in the order of time, and "
            f"knows how far windows of {_listed(known)} rows stray; build it with {_options(windows)}, "
            f"or serve `window: [{', '.join(map(str, known))}]`"
        )
    return lines


def known_windows(baseline: BaselineData) -> list[int]:
    """Return the sizes of windows of which the baseline knows how far they stray in the order of time."""
    return sorted({one.window for feature in baseline.features for one in feature.variation})


def unjudged_windows(baseline: BaselineData, windows: Sequence[int]) -> list[int]:
    """Return which sizes are not judged: those smaller than any that the baseline, built in order, knows."""
    known = known_windows(baseline)
    return [window for window in windows if known and window < known[0]]


def _told(one: Sight) -> str:
    share = f", a category of {SHARE:.0%} that grows to {one.share:.0%}" if not math.isnan(one.share) else ""
    return f"{one.window:,} rows show a mean that moves by {one.shift:.1f} standard deviations{share}"


def _listed(sizes: Sequence[int]) -> str:
    return " and ".join(f"{size:,}" for size in sizes)


def _options(sizes: Sequence[int]) -> str:
    return " ".join(f"--window {size}" for size in sizes)
