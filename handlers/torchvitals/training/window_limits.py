"""Learning how far the training data's own windows stray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from ..baseline.pooling import is_wide
from ..baseline.schema import BaselineData, Feature
from ..baseline.variation import DEFAULT_WINDOWS, STRIDES_PER_WINDOW, shortfall, summarise
from ..drift.detector import DriftDetector
from ..featurizers.identifiers import new_name
from ..featurizers.outputs import output_signals
from .far_out import clustered_features, learned_values
from .segment_limits import with_segment_limits

B = TypeVar("B", bound=BaselineData)


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
    clustered = clustered_features(baseline, rows, signals or {})
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
                key = feature.source, feature.name
                evaluations[place].append(learned_values(found[key], clustered=key in clustered))
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


def _strides(samples: int, size: int) -> int:
    stride = size // STRIDES_PER_WINDOW
    return max(0, samples // stride - STRIDES_PER_WINDOW + 1)
