"""The drift verdict: window against baseline, a feature at a time and together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import Binning
from ..baseline.schema import Feature
from ..baseline.variation import JUDGED, usable
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from .statistics import (
    benjamini_hochberg,
    gaussian_kl_divergence,
    js_distance,
    kl_divergence,
    mean_shift_sigmas,
    population_stability_index,
    smoothed_shares,
    two_sample_p_value,
    wasserstein_distance,
)
from .statistics.scale import safe_std
from .window import RollingWindow

FALSE_DISCOVERY_RATE = 0.01
PSI_FLOOR = 0.1
TINY = 1e-12


@dataclass(frozen=True)
class FeatureDrift:
    """One feature's statistics; divergences in nats, distances and shifts in baseline standard deviations.

    `threshold` has, by statistic, the limit learned from the training data's own windows; empty where none is known.
    `full` tells whether the window holds all the rows it can: limits learned from whole windows judge whole ones.
    A feature without finite values in the window has moments and Wasserstein distance of 0; its
    `missing_ratio` tells.
    """

    name: str
    source: str
    samples: int
    kl_divergence: float
    gaussian_kl_divergence: float
    psi: float
    js_distance: float
    wasserstein_distance: float
    mean_shift_sigmas: float
    missing_ratio: float
    p_value: float
    drifted: bool
    threshold: dict[str, float] = field(default_factory=dict)
    full: bool = True

    @property
    def beyond(self) -> bool:
        """Whether it goes beyond the training data's own variation; True where that is not known."""
        return not self.threshold or (self.full and self.excess > 1)

    @property
    def excess(self) -> float:
        """How many times its limit the statistic that exceeds it most has; 0 where no limit is known."""
        return max(
            (getattr(self, name) / max(limit, TINY) for name, limit in self.threshold.items()), default=0.0
        )


@dataclass(frozen=True)
class DriftReport:
    """All features, worst first: drifted ones, then by how far beyond their limits, then by PSI.

    A row's distance comes after the columns that drifted, which explain it. row_shares: by column, its share in the
    rows' squared distances, largest first; empty without a row distance. estimated_accuracy: share of the window's
    predictions to expect right, where the baseline knows what confidence is worth.
    """

    samples: int
    features: dict[str, FeatureDrift] = field(default_factory=dict)
    estimated_accuracy: Optional[float] = None
    row_shares: dict[str, float] = field(default_factory=dict)

    @property
    def drifted(self) -> bool:
        """Whether any feature drifted."""
        return any(feature.drifted for feature in self.features.values())

    @property
    def drifted_ratio(self) -> float:
        """Share of features that drifted."""
        return sum(f.drifted for f in self.features.values()) / len(self.features) if self.features else 0.0


class Reference:
    """The baseline's side of a comparison, as arrays; made once."""

    def __init__(self, binning: Binning) -> None:
        self.features = features = binning.features
        self.counts = binning.baseline_counts()
        self.shares = smoothed_shares(self.counts, binning.mask)
        self.mean = np.array([feature.mean for feature in features])
        self.std = np.array([feature.std for feature in features])
        self.ordered = np.array(
            [feature.kind != "categorical" and bool(feature.quantiles) for feature in features]
        )
        self.grids = [np.array(feature.quantiles) for feature in features]


class Comparison:
    """The arrays that the statistics need, for d features at once; made anew at each evaluation.

    pause: called between pieces of work.
    """

    def __init__(
        self, reference: Reference, window: RollingWindow, pause: Callable[[], None] = lambda: None
    ) -> None:
        view = window.view()
        self.pause = pause
        self.reference = reference
        self.samples = window.samples
        self.window = window.size
        self.counts = view.counts.astype(np.float64)
        self.shares = smoothed_shares(self.counts, window.binning.mask)
        finite = np.isfinite(view.rows)
        holes = ~finite
        number = finite.sum(axis=0)
        some = number > 0
        divisor = np.maximum(number, 1)
        # Around the baseline's mean: float32 rows far from 0 would lose their variance to rounding.
        centred = view.rows - reference.mean
        centred[holes] = 0.0
        offset = centred.sum(axis=0) / divisor
        centred -= offset
        centred[holes] = 0.0
        variance = (centred**2).sum(axis=0) / divisor
        self.measured: NDArray[np.bool_] = some & reference.ordered
        self.mean: NDArray[np.float64] = np.where(self.measured, reference.mean + offset, reference.mean)
        self.std: NDArray[np.float64] = np.where(self.measured, np.sqrt(variance), reference.std)
        pause()
        # (d, n). NaN and infinities sort to the ends; `number` tells how many in front are finite.
        self.sorted_values = view.rows.T.copy()
        self.sorted_values[holes.T] = np.inf
        self.sorted_values.sort(axis=1)
        self.finite = number

    def wasserstein(self) -> NDArray[np.float64]:
        """Return each feature's distance in baseline standard deviations, (d,)."""
        reference = self.reference
        distance = np.zeros(len(reference.features))
        for column in np.flatnonzero(self.measured):
            values = self.sorted_values[column, : self.finite[column]].astype(np.float64)
            distance[column] = wasserstein_distance(reference.grids[column], values)
            self.pause()
        return distance / safe_std(reference.std, reference.mean, reference.std)


# Name in FeatureDrift and (after `model_feature_`) in the metrics, and how it is computed.
STATISTICS: dict[str, Callable[[Comparison], NDArray[np.float64]]] = {
    "kl_divergence": lambda c: kl_divergence(c.reference.shares, c.shares),
    "gaussian_kl_divergence": lambda c: gaussian_kl_divergence(
        c.reference.mean, c.reference.std, c.mean, c.std
    ),
    "psi": lambda c: population_stability_index(c.reference.shares, c.shares),
    "js_distance": lambda c: js_distance(c.reference.shares, c.shares),
    "wasserstein_distance": lambda c: c.wasserstein(),
    "mean_shift_sigmas": lambda c: mean_shift_sigmas(c.reference.mean, c.reference.std, c.mean),
    "missing_ratio": lambda c: missing_ratio(c),
    "p_value": lambda c: two_sample_p_value(c.reference.counts, c.counts),
}


def missing_ratio(comparison: Comparison) -> NDArray[np.float64]:
    """Return the share of missing values, (d,); 0 for an empty window."""
    features = comparison.reference.features
    last = np.array([feature.bins - 1 for feature in features], dtype=np.intp)
    missing = comparison.counts[np.arange(len(features)), last]
    return np.asarray(missing / max(comparison.samples, 1))


def evaluate(
    comparisons: list[Comparison],
    *,
    psi_floors: Mapping[str, float],
    ignored: Collection[tuple[str, str]] = (),
    pause: Callable[[], None] = lambda: None,
) -> DriftReport:
    """Judge the windows of one model together.

    A feature drifted when its two-sample test is significant among all features (Benjamini-Hochberg at 1 %), its
    PSI is at least the feature's floor, and, where the baseline knows how far its own windows stray, one of KL and
    Wasserstein goes beyond that. `pause` is called between pieces of work.
    """
    found: list[FeatureDrift] = []
    for comparison in comparisons:
        values = {}
        for name, statistic in STATISTICS.items():
            values[name] = statistic(comparison)
            pause()
        for column, feature in enumerate(comparison.reference.features):
            if (feature.source, feature.name) in ignored:
                continue
            numbers = {name: float(value[column]) for name, value in values.items()}
            found.append(
                FeatureDrift(
                    name=feature.name,
                    source=feature.source,
                    samples=comparison.samples,
                    drifted=False,
                    threshold=thresholds(feature, comparison.window),
                    full=comparison.samples >= comparison.window,
                    **numbers,
                )
            )
            pause()
    significant = benjamini_hochberg(np.array([drift.p_value for drift in found]), FALSE_DISCOVERY_RATE)
    found = [
        replace(drift, drifted=bool(flag) and drift.psi >= psi_floors[drift.name] and drift.beyond)
        for drift, flag in zip(found, significant)
    ]
    found.sort(key=lambda drift: (not drift.drifted, drift.name == ROW_DISTANCE, -drift.excess, -drift.psi))
    samples = max((comparison.samples for comparison in comparisons), default=0)
    features: dict[str, FeatureDrift] = {}
    for drift in found:
        # An input column may be named like an output feature; the worse one keeps the plain name.
        features[drift.name if drift.name not in features else f"{drift.source}.{drift.name}"] = drift
    return DriftReport(samples, features)


def thresholds(feature: Feature, window: int) -> dict[str, float]:
    """Return the limits that the training data's own windows set, by statistic; empty without any."""
    variation = usable(feature.variation, window)
    return {} if variation is None else {name: variation.limit(name) for name in JUDGED}
