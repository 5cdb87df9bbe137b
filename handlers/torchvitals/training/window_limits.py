"""Learning how far the training data's own windows stray."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrik

from ..baseline.pooling import is_wide
from ..baseline.schema import BaselineData, Feature
from ..baseline.variation import DEFAULT_WINDOWS, STRIDES_PER_WINDOW, shortfall, summarise
from ..drift.detector import DriftDetector
from ..drift.statistics import STATISTICS, ExceedanceRatio
from ..drift.verdict import FeatureDrift
from ..featurizers.identifiers import new_name
from ..featurizers.outputs import output_signals
from .segment_limits import with_segment_limits

B = TypeVar("B", bound=BaselineData)

# Rows that are at most so far apart are near each other, and the chance that independent ones are taken for clustered.
NEAR_ROWS, CHANCE_TOGETHER = 20, 1e-3


def with_window_limits(
    baseline: B,
    X: Any,  # noqa: N803
    *,
    outputs: Any = None,
    windows: Sequence[int] = DEFAULT_WINDOWS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> B:
    """Return the baseline with the variation of each window size that the rows suffice for.

    X, outputs: the training data, in the order of time. windows: sizes in rows; one that needs more rows is left
    out, and `variation.shortfall` says by how many. progress: called with windows done and in all.
    """
    rows = baseline.encode(X)
    spec = baseline.outputs
    signals = None if outputs is None or spec is None else output_signals(outputs, spec)
    samples = len(rows)
    sizes = [size for size in windows if not shortfall(samples, size)]
    total = sum(_strides(samples, size) for size in sizes)
    features, done = list(baseline.features), 0
    clustered = _clustered(baseline, rows, signals or {})
    # Of the training rows none is new, so their own windows do not tell how many will be.
    seen_before = set(map(new_name, baseline.identifiers))
    for size in sizes:
        evaluations: list[list[dict[str, float]]] = [[] for _ in features]
        monitor = DriftDetector(msgspec.structs.replace(baseline, segments=None), window=size)
        stride = size // STRIDES_PER_WINDOW
        for start in range(0, samples, stride):
            part = slice(start, start + stride)
            monitor.update_inputs(rows[part])
            if signals is not None:
                monitor.update_outputs({name: values[part] for name, values in signals.items()})
            if monitor.rows_seen < size or start + stride > samples:
                continue
            found = {(drift.source, drift.name): drift for drift in monitor.judge().features.values()}
            for place, feature in enumerate(features):
                drift = found[feature.source, feature.name]
                evaluations[place].append(learned_values(drift, clustered=feature_key(feature) in clustered))
            done += 1
            progress(done, total)
        features = [
            feature if feature.name in seen_before else _with(feature, size, values)
            for feature, values in zip(features, evaluations)
        ]
    baseline = with_segment_limits(baseline, rows, windows=windows)
    return msgspec.structs.replace(baseline, features=features).sealed()


def _with(feature: Feature, size: int, evaluations: list[dict[str, float]]) -> Feature:
    known = [variation for variation in feature.variation if variation.window != size]
    return msgspec.structs.replace(
        feature, variation=[*known, summarise(size, evaluations, pooled=is_wide(feature))]
    )


def learned_values(drift: FeatureDrift, *, clustered: bool) -> dict[str, float]:
    """Return the statistics that have limits, of one window.

    clustered: values that lie far out come together, so that nothing limits how many there may be.
    """
    return {
        one.name: math.nan if clustered and one.name == ExceedanceRatio.name else drift.values[one.name]
        for one in STATISTICS.learned
    }


def _clustered(
    baseline: BaselineData, rows: NDArray[np.float64], signals: Mapping[str, NDArray[np.float64]]
) -> set[tuple[str, str]]:
    """Return source and name of the features whose values that lie far out come together."""
    found: set[tuple[str, str]] = set()
    detector = DriftDetector(msgspec.structs.replace(baseline, segments=None))
    for source in detector.sources:
        reference = detector.reference(source)
        for place, feature in enumerate(reference.features):
            values = rows[:, place] if source == "input" else signals.get(feature.name)
            if values is not None and (
                come_together(values < reference.far_low[place])
                or come_together(values > reference.far_high[place])
            ):
                found.add(feature_key(feature))
    return found


def feature_key(feature: Feature) -> tuple[str, str]:
    """Return source and name."""
    return feature.source, feature.name


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


def _strides(samples: int, size: int) -> int:
    stride = size // STRIDES_PER_WINDOW
    return max(0, samples // stride - STRIDES_PER_WINDOW + 1)
