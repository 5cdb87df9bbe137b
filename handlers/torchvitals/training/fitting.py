"""What the values of a column make: a feature."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import Accuracy
from ..baseline.binning import assign
from ..baseline.file import SCHEMA
from ..baseline.schema import BaselineData, Feature, Segments, Source
from ..featurizers import Featurizer
from ..featurizers.columns import at_model_precision
from ..featurizers.identifiers import Identifier
from ..featurizers.outputs import Outputs
from ..featurizers.row_distance import RowDistance

NUMERIC_BINS = 10
MAX_DISCRETE_VALUES = 20
RARE_SHARE, MAX_RARE = 0.005, 0.01
# A value that stands for so much of a column shows where its bin changes.
COMMON_SHARE = 0.002
MAX_CATEGORIES = 50
QUANTILE_POINTS = 200


def new_baseline(
    features: list[Feature],
    outputs: Optional[Outputs],
    *,
    samples: int,
    name: str,
    version: str,
    inputs: Optional[Featurizer] = None,
    rows: Optional[RowDistance] = None,
    accuracy: Optional[Accuracy] = None,
    identifiers: Optional[Mapping[str, Identifier]] = None,
    segments: Optional[Segments] = None,
) -> BaselineData:
    """Return a baseline that is created now, sealed."""
    return BaselineData(
        schema=SCHEMA,
        name=name,
        version=version,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        samples=samples,
        features=features,
        outputs=outputs,
        inputs=inputs,
        rows=rows,
        accuracy=accuracy,
        identifiers=dict(identifiers or {}),
        segments=segments,
    ).sealed()


def fit_feature(column: NDArray[Any], *, name: str, source: Source) -> Feature:
    """Describe one column of numbers, (n,)."""
    numbers = at_model_precision(column)
    present = numbers[~np.isnan(numbers)]
    finite = np.sort(present[np.isfinite(present)])
    distinct, counts = np.unique(present, return_counts=True)
    values = few_values(distinct, counts)
    bare = Feature(
        name=name,
        source=source,
        kind="numeric" if values is None else "discrete",
        count=len(present),
        missing=len(numbers) - len(present),
        mean=float(finite.mean()) if len(finite) else 0.0,
        std=float(finite.std()) if len(finite) else 0.0,
        min=float(finite[0]) if len(finite) else 0.0,
        max=float(finite[-1]) if len(finite) else 0.0,
        edges=_edges(finite) if values is None else [],
        categories=[*(values or [])],
        counts=[],
        quantiles=_quantile_grid(finite),
    )
    return _counted(bare, numbers)


def few_values(distinct: NDArray[np.float64], counts: NDArray[np.int64]) -> Optional[list[float]]:
    """Return the values of a few-valued column, or None for one that is better cut into ranges.

    distinct, counts: (k,) its values without NaN, ascending, and how often each stands.
    Few and each of them common: the counts of rare values (rain in hundredths of an inch) jump by chance.
    """
    present = int(counts.sum())
    rare = counts[counts < RARE_SHARE * present].sum()
    few = len(distinct) <= MAX_DISCRETE_VALUES and len(distinct) * 10 <= max(present, 20)
    return distinct.tolist() if few and rare <= MAX_RARE * present and np.isfinite(distinct).all() else None


def _counted(feature: Feature, numbers: NDArray[np.float64]) -> Feature:
    counts = np.bincount(assign(feature, numbers), minlength=feature.bins)
    return msgspec.structs.replace(feature, counts=counts.tolist())


def categorical_feature(
    by_text: Mapping[str, int],
    *,
    count: int,
    missing: int,
    name: str,
    source: Source,
    categories: Optional[list[str]] = None,
) -> Feature:
    """Describe a column of texts from how often each stands.

    `categories` names the bins where they are known, else the most frequent get one. count: values present; those
    that no bin takes are counted as `other`.
    """
    frequent = sorted(by_text, key=lambda text: (-by_text[text], text))[:MAX_CATEGORIES]
    kept = categories or sorted(frequent)
    seen = [by_text.get(text, 0) for text in kept]
    return Feature(
        name=name,
        source=source,
        kind="categorical",
        count=count,
        missing=missing,
        mean=0.0,
        std=0.0,
        min=0.0,
        max=0.0,
        edges=[],
        categories=[*kept],
        counts=[*seen, count - sum(seen), missing],
        quantiles=[],
    )


def _edges(finite: NDArray[np.float64]) -> list[float]:
    """Interior edges of bins of equal mass; ties make fewer, wider bins."""
    if not len(finite):
        return []
    positions = np.arange(1, NUMERIC_BINS) * len(finite) // NUMERIC_BINS
    edges = np.unique(finite[np.maximum(positions - 1, 0)])
    edges = edges[edges < finite[-1]]
    after = np.searchsorted(finite, edges, side="right")
    return apart(edges, finite[after], after - np.searchsorted(finite, edges), len(finite))


def apart(
    edges: NDArray[np.float64], following: NDArray[np.float64], weights: NDArray[Any], count: int
) -> list[float]:
    """Return edges with those that are common values moved halfway to the next value.

    A type of fewer digits rounds a value to one side or the other of an edge that it is; no rounding takes a value
    beyond the middle without making it equal to its neighbour.

    edges: (e,) values. following: (e,) the next larger value of each. weights: (e,) how often each stands, of `count`
    values.
    """
    common = (weights > 1) & (weights >= COMMON_SHARE * count)
    moved: list[float] = np.where(common, edges + (following - edges) / 2, edges).tolist()
    return moved


def _quantile_grid(finite: NDArray[np.float64]) -> list[float]:
    """Return the mean of each of K equal slices of the sorted values."""
    if not len(finite):
        return []
    points = min(QUANTILE_POINTS, len(finite))
    slices = np.array_split(finite, points)
    return [float(part.mean()) for part in slices]
