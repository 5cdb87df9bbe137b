"""Learning how far the windows of segments stray in the training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import BaselineData, Feature, Segment
from ..baseline.variation import MIN_WINDOWS, STRIDES_PER_WINDOW, summarise
from ..drift.detector import DriftDetector
from ..drift.segments import SEGMENT_WINDOW, SegmentDetector
from .far_out import learned_values

B = TypeVar("B", bound=BaselineData)

# Rows of all segments between two looks at them.
ROWS_AT_ONCE = 1_000

Evaluations = dict[str, list[dict[str, float]]]


def with_segment_limits(baseline: B, rows: NDArray[np.float64], *, windows: Sequence[int]) -> B:
    """Return the baseline with the variation of each segment's features, as far as the rows suffice.

    A segment with too few windows has the limits of all segments together, so that none is judged by chance alone.

    Args:
        baseline: with segments, or without.
        rows: (n, d) input features in the order of time, as `BaselineData.encode` returns them.
        windows: rows of the windows that the model is watched with.
    """
    if baseline.segments is None or not baseline.segments.judged:
        return baseline
    size = min([SEGMENT_WINDOW, *windows])
    detector = DriftDetector(baseline, window=size)
    if detector.segments is None:
        return baseline
    found = _evaluations(detector, detector.segments, rows)
    together: Evaluations = {}
    for evaluations in found.values():
        for feature, values in evaluations.items():
            together.setdefault(feature, []).extend(values)

    def of(feature: Feature, own: Evaluations) -> Feature:
        some = own.get(feature.name, [])
        some = some if len(some) >= MIN_WINDOWS else together.get(feature.name, [])
        known = [] if len(some) < MIN_WINDOWS else [summarise(size, some)]
        return msgspec.structs.replace(feature, variation=known)

    def limited(segment: Segment, name: str) -> Segment:
        own = found.get(name, {})
        return msgspec.structs.replace(segment, features=[of(feature, own) for feature in segment.features])

    segments = [limited(segment, baseline.segments.name(segment)) for segment in baseline.segments.segments]
    return msgspec.structs.replace(
        baseline, segments=msgspec.structs.replace(baseline.segments, segments=segments)
    )


def _evaluations(
    detector: DriftDetector, segments: SegmentDetector, rows: NDArray[np.float64]
) -> dict[str, Evaluations]:
    """Return by segment and feature what the learned statistics are in whole windows, a quarter of one apart."""
    found: dict[str, Evaluations] = {}
    looked: dict[str, int] = {}
    for start in range(0, len(rows), ROWS_AT_ONCE):
        detector.update_inputs(rows[start : start + ROWS_AT_ONCE])
        seen = segments.rows_seen()
        for name, report in segments.report().items():
            news = seen[name] - looked.get(name, 0)
            if report.samples < segments.window or news < segments.window // STRIDES_PER_WINDOW:
                continue
            looked[name] = seen[name]
            for drift in report.features.values():
                # Rows of one segment are too few to tell whether those that lie far out come together.
                values = learned_values(drift, clustered=True)
                found.setdefault(name, {}).setdefault(drift.name, []).append(values)
    return found
