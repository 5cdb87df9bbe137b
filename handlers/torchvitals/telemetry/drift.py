"""Inputs and outputs become drift series."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import are_places
from ..baseline.rounding import ROUNDINGS
from ..baseline.schema import BaselineData, Feature, Source
from ..drift.detector import DriftDetector
from ..drift.hysteresis import Hysteresis
from ..drift.sight import blind_spots, unjudged_windows
from ..drift.statistics import STATISTICS
from ..drift.verdict import DriftReport, FeatureDrift, thresholds
from ..errors import BaselineError, one_line
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from . import catalogue as m
from .estimated_accuracy import publish_estimate
from .publisher import Publisher
from .segments import SegmentTelemetry

# A feature's place in the baseline, the feature, and the labels of its bins.
Exported = tuple[int, Feature, list[str]]
# A number of rows, and why they cannot be compared.
Unread = tuple[int, str]
# Columns whose part in the distance of unusual rows is told.
TELLING = 10

logger = logging.getLogger(__name__)


class DriftTelemetry:
    """Keeps the windows of one worker and counts what passed through them.

    Args:
        detector: has the windows and the baseline.
        worker: value of the label `worker`.
        max_features: input features with series of their own, in the baseline's order; the row's distance comes on top.
        detailed_features: where more features than that have series, those that never drifted have those of the main
            statistics alone; None for no such limit.
    """

    def __init__(
        self,
        detector: DriftDetector,
        *,
        worker: str,
        max_features: int,
        detailed_features: Optional[int] = None,
    ) -> None:
        self._detector = detector
        self._hysteresis = {size: Hysteresis(size) for size in detector.sizes}
        self._worker = worker
        self._gauges = [
            (m.feature_gauge(statistic.name), statistic.name, statistic.main) for statistic in STATISTICS
        ]
        # Features with series of their own, and their bins' labels; all the others count in the verdict and the ratio.
        self._exported: dict[Source, list[Exported]] = {}
        for source in detector.sources:
            binning = detector.reference(source).binning
            places = [
                row
                for row, feature in enumerate(binning.features)
                if (source, feature.name) not in detector.ignored
            ]
            if source == "input":
                places = _most_telling(binning.features, places, max_features)
            self._exported[source] = [(row, binning.features[row], binning.labels(row)) for row in places]
        self._shown = {(source, f.name) for source, rows in self._exported.items() for _, f, _ in rows}
        # Those with series of all statistics. A series stays once it is there, so that they only become more.
        few = detailed_features is None or len(self._shown) <= detailed_features
        self._detailed: set[tuple[str, str]] = set(self._shown) if few else set()
        self._telling: set[str] = set()
        self._observed: dict[Source, NDArray[np.int64]] = {}
        self._invalid: Counter[tuple[str, str]] = Counter()
        self._ranges = _Ranges(detector.baseline.column_features, detector.reference("input").binning.sizes)
        # Features of texts that numbers are served in the place of, without it being known which stands for which.
        self._unread = frozenset(
            name for name in detector.baseline.unreadable_codes if ("input", name) not in detector.ignored
        )
        self._segments = self._segments_of(detector)
        # Whether there is a window of a size that the baseline has limits for, where it has limits at all.
        self.judges_windows = len(unjudged_windows(detector.baseline, detector.sizes)) < len(detector.sizes)
        self._stale = False
        self._reports: dict[int, DriftReport] = {}

    @property
    def report(self) -> Optional[DriftReport]:
        """The latest verdict on the smallest window; None before the first rows."""
        return self._reports.get(self._detector.sizes[0])

    @property
    def baseline(self) -> BaselineData:
        """What the windows are compared with."""
        return self._detector.baseline

    def judges(self, source: Source) -> bool:
        """Tell whether inputs or outputs are compared with the baseline."""
        return source in self._detector.sources

    def start(self, publisher: Publisher) -> None:
        """Publish what the baseline says, and make every counter's series exist."""
        self._start_baseline(publisher)
        if self._segments is not None:
            self._segments.start(publisher)
        publisher.increase(m.INPUT_INVALID, ("all", "bad_shape"), 0)
        for _, feature, _ in self._exported.get("input", ()):
            for reason in () if feature.name == ROW_DISTANCE else _reasons(feature):
                publisher.increase(m.INPUT_INVALID, (feature.name, reason), 0)

    def _start_baseline(self, publisher: Publisher) -> None:
        baseline = self.baseline
        if self._unread:
            logger.warning(
                "columns are left out of drift if the model is given numbers: %s", baseline.codes_advice
            )
        for line in blind_spots(baseline, self._detector.sizes):
            logger.warning(
                "baseline '%s' version %s: %s", one_line(baseline.name), one_line(baseline.version), line
            )
        publisher.set(m.BASELINE_INFO, (baseline.version, baseline.sha256[:12]), 1)
        publisher.set(m.BASELINE_CREATED, (), baseline.created_timestamp)
        publisher.set(m.BASELINE_SAMPLES, (), baseline.samples)
        if baseline.accuracy is not None:
            publisher.set(m.BASELINE_ACCURACY, (), baseline.accuracy.ratio)
        for source, exported in self._exported.items():
            shares = self._detector.reference(source).shares
            for row, feature, bin_labels in exported:
                for column, label in enumerate(bin_labels):
                    publisher.set(
                        m.BASELINE_BIN_RATIO, (source, feature.name, label), float(shares[row, column])
                    )
                    publisher.increase(m.OBSERVATIONS, (source, feature.name, label), 0)
                for size in self._detector.sizes:
                    for statistic, limit in thresholds(feature, size).items():
                        publisher.set(m.DRIFT_THRESHOLD, (source, feature.name, statistic, str(size)), limit)

    def add_inputs(self, values: NDArray[Any], pause: Callable[[], None] = lambda: None) -> list[Unread]:
        """Take in inputs; those of another width than the baseline's are counted.

        Args:
            values: (n, d) rows, a column for each input feature; more axes are flattened.
            pause: called between pieces of work.

        Returns:
            How many of them cannot be compared, or not in all columns, each time with what to do about it.

        Raises:
            BaselineError: they cannot be compared with the baseline.
        """
        try:
            rows, unread = self._encoded(values)
        except BaselineError:
            self._invalid["all", "bad_shape"] += len(values)
            raise
        unread += self._set_aside(values)
        pause()
        counts = self._detector.update_inputs(rows, pause)
        self._count("input", counts)
        pause()
        self._invalid.update(self._ranges.outside(rows, counts))
        return unread

    def _segments_of(self, detector: DriftDetector) -> Optional[SegmentTelemetry]:
        return None if detector.segments is None else SegmentTelemetry(detector.segments, worker=self._worker)

    def _encoded(self, values: NDArray[Any]) -> tuple[NDArray[np.float64], list[Unread]]:
        """Return the rows that can be compared, and what of the others cannot. Raises BaselineError where none can."""
        try:
            return self.baseline.encode_rows(values), []
        except BaselineError:
            if values.dtype.kind != "O" or len(values) == 1:
                raise
        # One row of objects must not take those of other requests along.
        rows, reason = [], ""
        for row in values:
            try:
                rows.append(self.baseline.encode_rows(row[None]))
            except BaselineError as error:
                reason = str(error)
        lost = len(values) - len(rows)
        if not rows:
            raise BaselineError(reason)
        self._invalid["all", "bad_shape"] += lost
        return np.concatenate(rows), [(lost, reason)]

    def _set_aside(self, values: NDArray[Any]) -> list[Unread]:
        """Leave out what rows of numbers say of texts whose codes are not known; the other columns are judged."""
        if not self._unread or values.dtype.kind not in "biuf":
            return []
        keys: set[tuple[str, str]] = {("input", name) for name in self._unread}
        if not keys <= self._detector.ignored:
            self._detector.ignore(keys)
            self._segments = self._segments_of(self._detector)
            self._shown -= keys
            self._exported["input"] = [
                exported for exported in self._exported["input"] if exported[1].name not in self._unread
            ]
        return [(len(values), self.baseline.codes_advice)]

    def add_outputs(self, signals: dict[str, NDArray[np.float64]]) -> None:
        """Take in outputs; they are left out where the baseline describes none.

        Args:
            signals: output features by name, each (n,).
        """
        if "output" in self._detector.sources:
            self._count("output", self._detector.update_outputs(signals))

    def evaluate(self, pause: Callable[[], None]) -> None:
        """Judge the windows, if rows came since the last time.

        Args:
            pause: called between pieces of work.
        """
        if not self._stale:
            return
        for size in self._detector.sizes:
            report = self._detector.judge(window=size, pause=pause)
            steady = self._believed(size, report)
            features = {
                name: drift
                if drift.drifted == (_key(drift) in steady)
                else replace(drift, drifted=not drift.drifted)
                for name, drift in report.features.items()
            }
            self._reports[size] = replace(report, features=features)
            pause()
        if self._segments is not None:
            self._segments.evaluate(pause)
            smallest = self._detector.sizes[0]
            self._reports[smallest] = replace(self._reports[smallest], segments=self._segments.reports)
        self._stale = False

    def _believed(self, size: int, report: DriftReport) -> set[Hashable]:
        """Return the features whose drift holds. Each source waits for rows of its own."""
        hysteresis = self._hysteresis[size]
        believed: set[Hashable] = set()
        for source in self._detector.sources:
            judged = [drift for drift in report.features.values() if drift.source == source]
            drifted = {_key(drift) for drift in judged if drift.drifted}
            believed = hysteresis.update(map(_key, judged), drifted, self._detector.rows_seen_of(source))
        return believed

    def publish(self, publisher: Publisher) -> None:
        """Send what the counters grew by since the last time, and the latest verdict of each window."""
        # Taken before they are sent: nothing is sent twice, whatever goes wrong.
        observed, self._observed = self._observed, {}
        invalid, self._invalid = self._invalid, Counter()
        for source, counts in observed.items():
            for row, feature, bin_labels in self._exported[source]:
                for column in np.flatnonzero(counts[row]):
                    labels = (source, feature.name, bin_labels[column])
                    publisher.increase(m.OBSERVATIONS, labels, int(counts[row, column]))
        for (name, reason), amount in invalid.items():
            if amount and (name == "all" or ("input", name) in self._shown):
                publisher.increase(m.INPUT_INVALID, (name, reason), amount)
        for size, report in self._reports.items():
            self._publish_report(str(size), report, publisher)
        if self._segments is not None:
            self._segments.publish(publisher)

    def _publish_report(self, window: str, report: DriftReport, publisher: Publisher) -> None:
        for drift in report.features.values():
            if _key(drift) in self._shown:
                if drift.drifted:
                    self._detailed.add(_key(drift))
                labels = (drift.source, drift.name, window, self._worker)
                values = drift.values
                detailed = _key(drift) in self._detailed
                for metric, statistic, main in self._gauges:
                    if (main or detailed) and not math.isnan(values[statistic]):
                        publisher.set(metric, labels, values[statistic])
                publisher.set(m.DRIFTED, labels, float(drift.drifted))
        if ("input", ROW_DISTANCE) in self._detailed:
            # What makes rows unusual need not be unusual by itself.
            self._telling.update(list(report.row_shares)[:TELLING])
        for name, share in report.row_shares.items():
            if ("input", name) in self._shown and (
                name in self._telling or ("input", name) in self._detailed
            ):
                publisher.set(m.ROW_SHARE, ("input", name, window, self._worker), share)
        publisher.set(m.DRIFTED_RATIO, (window, self._worker), report.drifted_ratio)
        publisher.set(m.WINDOW_SAMPLES, (window, self._worker), report.samples)
        if report.accuracy_estimate is not None:
            publish_estimate(report.accuracy_estimate, (window, self._worker), publisher)

    def _count(self, source: Source, counts: NDArray[np.int64]) -> None:
        self._observed[source] = self._observed.get(source, 0) + counts
        self._stale = True


def _key(drift: FeatureDrift) -> tuple[str, str]:
    return drift.source, drift.name


def _most_telling(features: list[Feature], places: list[int], most: int) -> list[int]:
    """Return the first `most` places and the row's distance's, which speaks for those that are left out."""
    return places[:most] + [place for place in places[most:] if features[place].name == ROW_DISTANCE]


class _Ranges:
    """What the training data held, to find values that they never did.

    features: the columns'. sizes: (d,) or longer, in how many bins each is compared.
    """

    def __init__(self, features: list[Feature], sizes: NDArray[np.intp]) -> None:
        self._features = features
        self._sizes = sizes
        numeric = [feature.kind == "numeric" for feature in features]
        self._low = np.array([f.min if known else -np.inf for f, known in zip(features, numeric)])
        self._high = np.array([f.max if known else np.inf for f, known in zip(features, numeric)])
        self._few = [
            (column, feature) for column, feature in enumerate(features) if feature.kind != "numeric"
        ]

    def outside(self, rows: NDArray[np.float64], binned: NDArray[np.int64]) -> Counter[tuple[str, str]]:
        """Count the values of (n, d) rows, of which the first columns are the features, by feature and reason.

        binned: (d, B) their counts by bin.
        """
        rows = rows[:, : len(self._features)]
        infinite: NDArray[np.bool_] = np.isinf(rows)
        found: Counter[tuple[str, str]] = Counter()
        for reason, flags in (
            ("missing", np.isnan(rows)),
            ("infinite", infinite),
            ("below_range", self._beyond(rows, rows < self._low, self._low) & ~infinite),
            ("above_range", self._beyond(rows, rows > self._high, self._high) & ~infinite),
        ):
            counts = flags.sum(axis=0)
            for index in np.flatnonzero(counts):
                found[self._features[index].name, reason] += int(counts[index])
        for column, feature in self._few:
            # Rare values are in the bin of those never seen too.
            if binned[column, self._sizes[column] - 2]:
                values = rows[:, column]
                if feature.kind == "discrete":
                    known = np.isin(values, np.asarray(feature.categories, dtype=np.float64))
                else:
                    known = are_places(values, len(feature.categories))
                found[feature.name, "unseen_category"] += int((~known & np.isfinite(values)).sum())
        return found

    def _beyond(
        self, rows: NDArray[np.float64], flags: NDArray[np.bool_], limit: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return the flags without values that a type of two bytes makes of the limit."""
        if not flags.any():
            return flags
        finite = np.where(np.isfinite(limit), limit, 0.0)
        for rounded in ROUNDINGS.values():
            flags = flags & (rows != rounded(finite))
        return flags


def _reasons(feature: Feature) -> tuple[str, ...]:
    if feature.kind == "numeric":
        return ("missing", "infinite", "below_range", "above_range")
    return ("missing", "infinite", "unseen_category")
