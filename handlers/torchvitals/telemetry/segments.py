"""The verdict by segment becomes a few series: the worst, by name."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace

from ..drift.hysteresis import Hysteresis
from ..drift.segments import SegmentDetector, worst_first
from ..drift.verdict import PSI, DriftReport
from . import catalogue as m
from .publisher import Publisher

# Of what drifted, as much is named at a time.
MOST_NAMED = 5
# TorchServe keeps each series until it ends, so in a worker's life there are no more than these.
MOST_SERIES = 100
# Features of segments that are judged in a flush on average, 50 microseconds each; of more, in every second, third, ...
JUDGED_A_FLUSH = 256

# A segment and a feature.
Place = tuple[str, str]

logger = logging.getLogger(__name__)


class SegmentTelemetry:
    """Judges the segments of one worker, and says which drifted.

    Args:
        detector: has the segments' windows.
        worker: value of the label `worker`.
    """

    def __init__(self, detector: SegmentDetector, *, worker: str) -> None:
        self._detector = detector
        self._worker = worker
        self._hysteresis = Hysteresis(detector.window)
        self._flushes_apart = math.ceil(detector.features / JUDGED_A_FLUSH)
        self._flushes = 0
        # What has a series, those that are over included.
        self._named: dict[Place, None] = {}
        self.reports: dict[str, DriftReport] = {}

    def start(self, publisher: Publisher) -> None:
        """Make the series exist."""
        publisher.set(m.DRIFTED_SEGMENTS, (self._worker,), 0)
        publisher.set(m.JUDGED_SEGMENTS, (self._worker,), 0)

    def evaluate(self, pause: Callable[[], None]) -> None:
        """Judge the segments, unless they are so many that this flush may do without.

        pause: called between pieces of work.
        """
        self._flushes += 1
        if (self._flushes - 1) % self._flushes_apart:
            return
        seen = self._detector.rows_seen()
        found = self._detector.report(pause)
        believed: set[object] = set()
        for segment, report in found.items():
            places = {name: (segment, name) for name in report.features}
            drifted = {places[name] for name, drift in report.features.items() if drift.drifted}
            believed = {*self._hysteresis.update(places.values(), drifted, seen[segment])}
        self.reports = worst_first(
            {
                segment: replace(
                    report,
                    features={
                        name: replace(drift, drifted=(segment, name) in believed)
                        for name, drift in report.features.items()
                    },
                )
                for segment, report in found.items()
            }
        )

    def publish(self, publisher: Publisher) -> None:
        """Send how many segments drifted, and how far the worst of their features lie."""
        publisher.set(m.JUDGED_SEGMENTS, (self._worker,), len(self.reports))
        publisher.set(
            m.DRIFTED_SEGMENTS, (self._worker,), sum(report.drifted for report in self.reports.values())
        )
        worst = self._worst()
        for place in worst:
            if place not in self._named and len(self._named) < MOST_SERIES:
                self._named[place] = None
                if len(self._named) == MOST_SERIES:
                    logger.warning(
                        "%d pairs of a segment and a feature drifted so far; further ones are counted "
                        "(model_drifted_segments) and not named",
                        MOST_SERIES,
                    )
        for place in self._named:
            publisher.set(m.SEGMENT_DRIFT, (*place, self._worker), worst.get(place, 0.0))

    def _worst(self) -> dict[Place, float]:
        """Return the PSI of the worst: of each segment that drifted the worst feature, then the second one."""
        places: list[tuple[int, float, Place]] = []
        for segment, report in self.reports.items():
            sizes = {name: drift.values[PSI] for name, drift in report.features.items() if drift.drifted}
            ranked = sorted(sizes, key=lambda name: -sizes[name])
            places += [(rank, -sizes[name], (segment, name)) for rank, name in enumerate(ranked)]
        return {place: -size for _, size, place in sorted(places)[:MOST_NAMED]}
