"""What the values of a column make: a feature."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Optional, TypedDict

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import Accuracy
from ..baseline.binning import assign
from ..baseline.file import SCHEMA
from ..baseline.schema import BaselineData, Feature, Segments, Source
from ..featurizers import Featurizer
from ..featurizers.columns import at_model_precision
from ..featurizers.familiarity import Familiarity
from ..featurizers.identifiers import Identifier
from ..featurizers.outputs import Outputs
from ..featurizers.row_distance import RowDistance

NUMERIC_BINS = 10
# Of each tail these shares have a bin of their own, so that a fault in few rows is not lost among ordinary large
# values; as long as so many rows make one.
TAILS = (0.001, 0.01)
TAIL_ROWS = 25
MAX_DISCRETE_VALUES = 20
RARE_SHARE, MAX_RARE = 0.005, 0.01
# A value that stands for so much of a column shows where its bin changes.
COMMON_SHARE = 0.002
MAX_CATEGORIES = 50
QUANTILE_POINTS = 400
# In so many points more the first and the last of those are described: all that is far away is there.
TAIL_POINTS = 50


class Grids(TypedDict):
    """The fields of a feature that tell its quantiles."""

    quantiles: list[float]
    low_tail: list[float]
    high_tail: list[float]


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
    familiarity: Optional[Familiarity] = None,
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
        familiarity=familiarity,
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
        infinite=infinities(int((present == -np.inf).sum()), int((present == np.inf).sum())),
        **_quantile_grids(finite),
    )
    return _counted(bare, numbers)


def infinities(below: int, above: int) -> list[int]:
    """Return a feature's `infinite`."""
    return [below, above] if below or above else []


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
    """Interior edges of bins of equal mass and of the tails; ties make fewer, wider bins."""
    if not len(finite):
        return []
    edges = np.unique(finite[edge_positions(len(finite))])
    edges = edges[edges < finite[-1]]
    after = np.searchsorted(finite, edges, side="right")
    return apart(edges, finite[after], after - np.searchsorted(finite, edges), len(finite))


def edge_positions(count: int) -> NDArray[np.int64]:
    """Return the places, from 0, of the interior edges among so many values in order."""
    positions = [place * count // NUMERIC_BINS for place in range(1, NUMERIC_BINS)]
    for rows in (int(share * count) for share in TAILS):
        if rows >= TAIL_ROWS:
            positions += [rows, count - rows]
    return np.maximum(np.sort(np.array(positions, dtype=np.int64)) - 1, 0)


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


def _quantile_grids(finite: NDArray[np.float64]) -> Grids:
    """Return the quantiles of sorted values, and those of both tails."""
    if not len(finite):
        return Grids(quantiles=[], low_tail=[], high_tail=[])
    slices = np.split(finite, slice_borders(len(finite), QUANTILE_POINTS)[1:-1])
    return Grids(quantiles=_means(slices), low_tail=_tail(slices[0]), high_tail=_tail(slices[-1]))


def _tail(values: NDArray[np.float64]) -> list[float]:
    return _means(np.split(values, slice_borders(len(values), TAIL_POINTS)[1:-1])) if len(values) > 1 else []


def slice_borders(count: int, most: int) -> NDArray[np.int64]:
    """Return the borders of slices of so many values, as equal as can be, at most `most`, none of them empty."""
    number = min(most, count)
    return np.arange(number + 1) * count // number


def _means(parts: list[NDArray[np.float64]]) -> list[float]:
    return [float(part.mean()) for part in parts]
