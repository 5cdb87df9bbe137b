"""Which bins a feature of categories or few values is compared in, where they are not its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from .schema import Feature

# A feature with more categories is compared in so many bins, and one each for values never seen and missing ones.
# In nearly empty bins a window of 1,000 rows differs from any baseline: PSI by about bins / rows.
MOST_BINS = 64
# A value that fewer training rows have is compared as one never seen: what comes so rarely is as good as unknown, and
# a bin of its own would have chance alone move it.
LEAST_ROWS = 10
# Of a segment's training rows: values that have less share a bin.
RARE_SHARE = 0.03


@dataclass(frozen=True)
class Pooling:
    """How a feature's own bins are pooled.

    places: (feature.bins,), the pooled bin of each bin; as in the feature, the last two are those of values never seen
    and of missing ones. counts: (B,) the baseline's. labels: a short text a pooled bin, no two the same, made so that
    sorting keeps the order.
    """

    places: NDArray[np.intp]
    counts: NDArray[np.float64]
    labels: list[str]


def is_wide(feature: Feature) -> bool:
    """Tell whether a feature has so many categories that they are pooled."""
    return feature.kind == "categorical" and len(feature.categories) > MOST_BINS


def pooling_of(feature: Feature) -> Optional[Pooling]:
    """Return how a feature's bins are pooled; None where it is compared in its own."""
    if feature.kind == "numeric":
        return None
    if is_wide(feature):
        return pooled(feature)
    if all(count >= LEAST_ROWS for count in feature.counts[:-2]):
        return None
    return _without_rare(feature)


def rare_together(feature: Feature) -> Optional[Pooling]:
    """Return how a segment's bins are pooled: as those of all rows, and values that are rare in it share a bin.

    A window of 200 rows says little of a bin in which five are expected, and many such bins look like drift together.
    """
    pooling = pooling_of(feature)
    if feature.kind == "numeric":
        return pooling
    counts = np.array(feature.counts if pooling is None else pooling.counts, dtype=np.float64)
    labels = feature.bin_labels if pooling is None else pooling.labels
    places = _together(counts)
    return Pooling(
        places=places if pooling is None else places[pooling.places],
        counts=np.bincount(places, weights=counts).astype(np.float64),
        labels=[
            ", ".join(labels[bin_] for bin_ in np.flatnonzero(places == place))
            for place in range(places[-1] + 1)
        ],
    )


def _together(counts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return where each bin of values goes, (B,): rare ones together, the rest of them with those never seen."""
    enough = RARE_SHARE * max(float(counts.sum()), 1.0)
    places = np.zeros(len(counts), dtype=np.intp)
    number, waiting, held = 0, [], 0.0
    for bin_, count in enumerate(counts[:-2].tolist()):
        if count >= enough:
            places[bin_], number = number, number + 1
            continue
        waiting.append(bin_)
        held += count
        if held >= enough:
            places[waiting], number = number, number + 1
            waiting, held = [], 0.0
    places[[*waiting, len(counts) - 2]] = number
    places[-1] = number + 1
    return places


def _without_rare(feature: Feature) -> Pooling:
    """Return the bins of a feature, with rare values among those never seen."""
    counts = np.array(feature.counts, dtype=np.float64)
    common = np.flatnonzero(counts[:-2] >= LEAST_ROWS)
    places = np.full(len(counts), len(common), dtype=np.intp)
    places[common] = np.arange(len(common))
    places[-1] = len(common) + 1
    labels = feature.bin_labels
    return Pooling(
        places=places,
        counts=np.bincount(places, weights=counts, minlength=len(common) + 2).astype(np.float64),
        labels=[*(labels[place] for place in common), "other", "missing"],
    )


def pooled(feature: Feature) -> Pooling:
    """Return the bins of a wide feature: of about equal mass, by the baseline alone.

    A category that holds more than its part has a bin to itself. The others are taken together in their own order,
    which says nothing of how often they came: by their counts, those that chance made frequent would come together,
    and no window would be as frequent again.

    Of an input of which only the values seen are known, a window always has some that are new. The baseline's share of
    those is its share of values that came once: each was new to all the other rows (Good, 1953).
    """
    counts = np.array(feature.counts, dtype=np.float64)
    own, never, missing = counts[:-2], counts[-2], counts[-1]
    if feature.source == "input" and own.all():
        never += (own == 1).sum()
        own = np.where(own == 1, 0.0, own)
    most = max(min(MOST_BINS, int(own.sum()) // LEAST_ROWS), 1)
    bins = _equal_parts(_without_noise(own), most)
    number = int(bins.max()) + 1
    # The first and the last category of each bin.
    order = np.argsort(bins, kind="stable")
    ends = np.searchsorted(bins[order], np.arange(number + 1))
    labels = [_label(feature, int(order[low]), int(order[high - 1])) for low, high in zip(ends, ends[1:])]
    return Pooling(
        places=np.concatenate([bins, [number, number + 1]]),
        counts=np.array([*np.bincount(bins, weights=own, minlength=number), never, missing]),
        labels=[*labels, "other", "missing"],
    )


def _without_noise(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return counts drawn to their mean by the part of their variance that chance explains (Poisson)."""
    mean, variance = max(counts.mean(), 1e-300), counts.var()
    kept = 1 - mean / variance if variance > mean else 0.0
    return np.asarray(mean + kept * (counts - mean))


def _equal_parts(masses: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return a bin for each category: large ones first by place, alone; the rest by place in parts of equal mass.

    most: how many bins there are at most.
    """
    largest = np.argsort(-masses, kind="stable")[:most]
    remaining = masses.sum() - np.concatenate([[0.0], np.cumsum(masses[largest[:-1]])])
    part = remaining / (most - np.arange(len(largest)))
    alone = np.zeros(len(masses), dtype=np.bool_)
    # Each that is left out makes the parts of the others smaller, so the first that is no larger than one ends it.
    alone[largest[: int(np.argmin((masses[largest] > 1.5 * part) & (masses[largest] > 0)))]] = True
    rest = np.where(alone, 0.0, masses)
    middles = np.cumsum(rest) - rest / 2
    parts = most - int(alone.sum())
    part_of = np.minimum(middles / max(rest.sum(), 1e-300) * parts, parts - 1).astype(np.intp)
    # Bins in the order of their first category.
    mark = np.where(alone, parts + np.arange(len(masses)), part_of)
    _, first, bins = np.unique(mark, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.intp)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[bins.reshape(-1)])


def _label(feature: Feature, first: int, last: int) -> str:
    """Return the label of some of a feature's categories: place and text of one, else the range of their places."""
    digits = len(str(len(feature.categories) - 1))
    if first == last:
        return f"{first:0{digits}d} {feature.categories[first]}"
    return f"{first:0{digits}d}..{last:0{digits}d}"
