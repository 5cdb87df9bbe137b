"""Features of many categories in words: the largest, and a summary of the rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..baseline.pooling import is_wide
from ..baseline.schema import BaselineData, Feature
from ..training.difference import rebinned

LARGEST = 5


def summaries(baseline: BaselineData) -> Iterator[str]:
    """Yield a line for each feature of many categories: how many there are, how many came, and the largest."""
    for feature in filter(is_wide, baseline.features):
        counts = np.array(feature.counts[:-2])
        shares = counts / max(feature.count, 1)
        largest = [place for place in _order(counts) if counts[place]]
        named = ", ".join(f"{feature.categories[place]} {shares[place]:.1%}" for place in largest)
        yield (
            f"{feature.name}: {len(counts):,} categories, {int((counts > 0).sum()):,} of them seen; "
            f"the largest: {named or 'none'}; the others {1 - shares[largest].sum():.1%}"
        )


def changes(a: BaselineData, b: BaselineData) -> Iterator[str]:
    """Yield a line for each feature of many categories of A: those whose shares differ most in B."""
    others = {(feature.source, feature.name): feature for feature in b.features}
    for feature in filter(is_wide, a.features):
        other = others.get((feature.source, feature.name))
        if other is None:
            continue
        first, second = _shares(feature, feature), _shares(other, feature)
        moved = [place for place in _order(np.abs(second - first)) if first[place] != second[place]]
        named = ", ".join(
            f"{feature.categories[place]} {first[place]:.1%} to {second[place]:.1%}" for place in moved
        )
        yield f"{feature.name}: {len(first):,} categories; changed most, A to B: {named or 'none'}"


def _shares(feature: Feature, bins_of: Feature) -> NDArray[np.float64]:
    """Return each category's share, in the categories of another feature."""
    return rebinned(feature, bins_of)[:-2] / max(feature.count, 1)


def _order(values: NDArray[np.float64]) -> list[int]:
    """Return the places of the largest values, largest first."""
    places: list[int] = np.argsort(-values, kind="stable")[:LARGEST].tolist()
    return places
