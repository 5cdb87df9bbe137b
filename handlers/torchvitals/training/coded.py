"""Categories that a model is given as codes."""

from __future__ import annotations

from typing import Optional

import msgspec

from ..baseline.schema import Feature
from ..featurizers.codes import Codes


def with_codes(feature: Feature, codes: Optional[Codes]) -> Feature:
    """Return a feature of texts with what served numbers stand for; texts without a code count as `other`.

    A model cannot be given a text that has no code of its own, so it is served as whatever else has none.
    """
    if not codes or feature.kind != "categorical":
        return feature
    coded = set(codes.values())
    kept = [(text, count) for text, count in zip(feature.categories, feature.counts) if text in coded]
    seen = [count for _, count in kept]
    return msgspec.structs.replace(
        feature,
        categories=[text for text, _ in kept],
        counts=[*seen, feature.count - sum(seen), feature.missing],
        codes=codes,
    )
