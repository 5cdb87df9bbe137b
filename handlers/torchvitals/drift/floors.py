"""How large a change must be to matter: floors in units that people know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

PSI_FLOOR = 0.05
DISTANCE_FLOOR = 0.13
SHARE_FLOOR = 0.05
EXCEEDANCE_FLOOR = 0.007


@dataclass(frozen=True)
class Floors:
    """The smallest change that counts as drift: one that reaches any of these does. None leaves a measure out.

    Without any, every change counts that is no chance. The defaults notify a shift of 0.13 baseline standard
    deviations, a spread that is a fifth smaller or larger, a category that holds 5 points more or less of the rows.

    psi: population stability index, in nats. wasserstein_distance: how far values moved on average, in baseline
    standard deviations. share_change: of a category, of missing values, or of numbers beyond the training range.
    exceedance_ratio: share of values beyond the training data's 0.1 % or 99.9 % quantile.
    """

    psi: Optional[float] = PSI_FLOOR
    wasserstein_distance: Optional[float] = DISTANCE_FLOOR
    share_change: Optional[float] = SHARE_FLOOR
    exceedance_ratio: Optional[float] = EXCEEDANCE_FLOOR

    def reached(self, values: Mapping[str, float]) -> bool:
        """Tell whether a feature's statistics, by name, reach any of the floors."""
        floors = [
            ("psi", self.psi),
            ("wasserstein_distance", self.wasserstein_distance),
            ("share_change", self.share_change),
            ("exceedance_ratio", self.exceedance_ratio),
        ]
        asked = [values[name] >= floor for name, floor in floors if floor is not None]
        return any(asked) or not asked


def psi_alone(floor: float) -> Floors:
    """Return floors of which the PSI's is the only one."""
    return Floors(psi=floor, wasserstein_distance=None, share_change=None, exceedance_ratio=None)
