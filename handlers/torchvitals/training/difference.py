"""How two baselines differ, feature by feature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import Binning
from ..baseline.known_values import KnownValues
from ..baseline.schema import BaselineData, Feature
from ..drift.statistics import (
    js_distance,
    kl_divergence,
    mean_shift_sigmas,
    population_stability_index,
    smoothed_shares,
)
from ..errors import BaselineError
from .weighted import weighted_counts


@dataclass(frozen=True)
class Difference:
    """One feature of baseline B seen from baseline A, on A's bins.

    Divergences in nats; the shift in A's standard deviations, NaN of texts and where A has one value alone. Missing as
    shares of the rows.
    """

    name: str
    source: str
    kl_divergence: float
    psi: float
    js_distance: float
    mean_shift_sigmas: float
    missing_ratio_a: float
    missing_ratio_b: float


def differences(a: BaselineData, b: BaselineData) -> list[Difference]:
    """Return how B differs from A, a feature each, the largest PSI first.

    Where the bins differ, B's counts in A's bins come from its own bins and its quantiles, interpolated: shares are
    right within about 1 % of the rows. Raises BaselineError where the features or classes are not the same.
    """
    pairs = _paired(a, b)
    first = [left for left, _ in pairs]
    binning = Binning(first)
    counts = np.zeros(binning.mask.shape)
    for row, (left, right) in enumerate(pairs):
        counts[row, : binning.sizes[row]] = binning.rebinned(row, rebinned(right, left))
    shares_a = smoothed_shares(binning.baseline_counts(), binning.mask)
    shares_b = smoothed_shares(counts, binning.mask)
    kl = kl_divergence(shares_a, shares_b)
    psi = population_stability_index(shares_a, shares_b)
    js = js_distance(shares_a, shares_b)
    shift = mean_shift_sigmas(
        np.array([left.mean for left in first]),
        np.array([left.std for left in first]),
        np.array([right.mean if right.quantiles else left.mean for left, right in pairs]),
    )
    found = [
        Difference(
            name=left.name,
            source=left.source,
            kl_divergence=float(kl[row]),
            psi=float(psi[row]),
            js_distance=float(js[row]),
            mean_shift_sigmas=float(shift[row]) if left.quantiles and left.std > 0 else math.nan,
            missing_ratio_a=_missing_ratio(left),
            missing_ratio_b=_missing_ratio(right),
        )
        for row, (left, right) in enumerate(pairs)
    ]
    return sorted(found, key=lambda difference: -difference.psi)


def rebinned(feature: Feature, bins_of: Feature) -> NDArray[np.float64]:
    """Return the counts of `feature` in the bins of another feature, its missing values last.

    The same bins give the same counts.
    """
    if feature.kind == bins_of.kind and (feature.edges, feature.categories) == (
        bins_of.edges,
        bins_of.categories,
    ):
        return np.array(feature.counts, dtype=np.float64)
    if bins_of.kind == "categorical":
        by_text = dict(zip(feature.categories, feature.counts))
        known = [by_text.get(text, 0) for text in bins_of.categories]
        return np.array([*known, feature.count - sum(known), feature.missing], dtype=np.float64)
    if bins_of.kind == "numeric" and feature.kind == "numeric":
        upto = np.concatenate([[0.0], _counts_up_to(feature, np.array(bins_of.edges)), [feature.count]])
        return np.concatenate([np.diff(upto), [feature.missing]])
    values, counts = _as_values(feature)
    if bins_of.kind == "discrete":
        values = KnownValues(bins_of.categories).snapped(values)
    whole = np.array(weighted_counts(bins_of, values, counts), dtype=np.float64)
    whole[-1] = feature.missing
    return whole


def _counts_up_to(feature: Feature, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many of a numeric feature's values are at most each of `values`, ascending."""
    grid = np.array(feature.quantiles)
    places = (np.arange(len(grid)) + 0.5) / max(len(grid), 1) * feature.count
    inside = np.cumsum(feature.counts[: len(feature.edges)])
    known = np.concatenate([[feature.min], feature.edges, grid, [feature.max]])
    upto = np.concatenate([[0.0], inside, places, [feature.count]])
    # A value that stands often is there twice, with the count below it and with it; np.interp takes the last.
    order = np.lexsort((upto, known))
    return np.asarray(np.interp(values, known[order], np.maximum.accumulate(upto[order])))


def _as_values(feature: Feature) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return values and counts: of a discrete feature its own, of a numeric one its quantiles."""
    if feature.kind == "discrete":
        count = len(feature.categories)
        return np.array(feature.categories, dtype=np.float64), np.array(feature.counts[:count])
    grid = np.array(feature.quantiles)
    steps = np.arange(len(grid) + 1) * feature.count // max(len(grid), 1)
    return grid, np.diff(steps)


def _comparable(baseline: BaselineData) -> dict[tuple[str, str], Feature]:
    """Return the features by source and name; a row's distance is measured in each baseline's own way."""
    features = [*baseline.column_features, *baseline.of_source("output")]
    return {(feature.source, feature.name): feature for feature in features}


def _paired(a: BaselineData, b: BaselineData) -> list[tuple[Feature, Feature]]:
    # What a kind learned itself is part of its features' meaning; one that learns nothing measures the same in both.
    alike = type(a.inputs) is type(b.inputs) and a.inputs is not None and not a.inputs.learns
    if a.inputs != b.inputs and not alike:
        raise BaselineError(
            f"the baselines describe {a.input_kind} and {b.input_kind}, each by what it learned itself; compare rows "
            "with Baseline.compare"
        )
    left, right = _comparable(a), _comparable(b)
    for one, other, has in ((left, right, "first"), (right, left, "second")):
        alone = ", ".join(f"{name} ({source})" for source, name in one if (source, name) not in other)
        if alone:
            raise BaselineError(
                f"only the {has} baseline has: {alone}; compare baselines of the same features"
            )
    if a.outputs is not None and a.outputs.learns and a.outputs != b.outputs:
        raise BaselineError(
            f"the outputs of both baselines are {a.outputs.kind}, each by what it learned itself; compare rows with "
            "Baseline.compare"
        )
    if (a.outputs and a.outputs.model) != (b.outputs and b.outputs.model):
        raise BaselineError("the two baselines have different classes; compare models of the same classes")
    for key, feature in left.items():
        kinds = {feature.kind, right[key].kind}
        if "categorical" in kinds and len(kinds) > 1:
            raise BaselineError(f"feature '{feature.name}' is text in one baseline and numbers in the other")
    return [(feature, right[key]) for key, feature in left.items()]


def _missing_ratio(feature: Feature) -> float:
    return feature.missing / max(feature.count + feature.missing, 1)
