"""The verdict by segment: rows of one carrier, say, against the training rows of that carrier."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import Binning, assign
from ..baseline.pooling import rare_together
from ..baseline.schema import Feature, Segment, Segments
from .comparison import Comparison, Reference
from .floors import Floors
from .statistics import benjamini_hochberg
from .verdict import FALSE_DISCOVERY_RATE, P_VALUE, PSI, DriftReport, FeatureDrift, evaluate
from .window import RollingWindow

# Rows of a segment that are judged: the last of them, or fewer where the model's own window is smaller. A partner with
# 3 % of the traffic has as many in 6,700 rows.
SEGMENT_WINDOW = 200
# Fewer say little of a segment.
FEWEST_ROWS = 50
# What moves in all segments is not a segment's own: it must lie so many times as far off as in the median of others.
TIMES_OTHERS = 2.0
NOT_JUDGED = -1
# Columns of segments that are compared in one step, between two pauses.
MOST_TOGETHER = 256
# Stands between a segment's name and a feature's, in neither of which it is.
BETWEEN = "\x00"


class Segmenter:
    """Tells which of the judged segments rows belong to.

    segments: as the baseline has them. features: the input features, in the order of the columns.
    """

    def __init__(self, segments: Segments, features: Sequence[Feature]) -> None:
        places = {feature.name: place for place, feature in enumerate(features)}
        self._columns = [(places[name], features[places[name]]) for name in segments.columns]
        judged = segments.judged
        rest = next((place for place, one in enumerate(judged) if not one.values), NOT_JUDGED)
        # Of each combination of the columns' bins.
        self._numbers = np.full([feature.bins for _, feature in self._columns], rest, dtype=np.intp)
        for number, segment in [(NOT_JUDGED, one) for one in segments.segments] + [*enumerate(judged)]:
            if segment.values:
                bins = [
                    feature.categories.index(value)
                    for (_, feature), value in zip(self._columns, segment.values)
                ]
                self._numbers[tuple(bins)] = number

    def of(self, rows: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the place of each row's segment among those that are judged, (n,), or NOT_JUDGED.

        rows: (n, d) input features as `BaselineData.encode` returns them.
        """
        bins = [assign(feature, rows[:, place]) for place, feature in self._columns]
        return np.asarray(self._numbers[tuple(bins)])


class _Judged:
    """One segment: its name, its features, and the last of its rows.

    features: the input features of all rows. columns: the places of those that are judged.
    """

    def __init__(
        self, name: str, segment: Segment, features: Sequence[Feature], size: int, ignored: Collection[str]
    ) -> None:
        own = {feature.name: feature for feature in segment.features if feature.name not in ignored}
        self.name = name
        self.rows_seen = 0
        self.columns = [place for place, feature in enumerate(features) if feature.name in own]
        # Judged beside those of all other segments, so each has a name of its own.
        self.features = [
            msgspec.structs.replace(own[features[place].name], name=f"{name}{BETWEEN}{features[place].name}")
            for place in self.columns
        ]
        self._size = size
        self._rows = np.empty((size, len(self.columns)), dtype=np.float32)

    @property
    def samples(self) -> int:
        """How many of its rows are judged: of few, as many as are a multiple of FEWEST_ROWS.

        The law of chance is computed for each number of rows, and kept.
        """
        held = min(self.rows_seen, self._size)
        return held if held >= self.whole else held // FEWEST_ROWS * FEWEST_ROWS

    def update(self, rows: NDArray[np.float64]) -> None:
        """Add rows, newest last; the oldest leave where they do not fit."""
        self.rows_seen += len(rows)
        kept = rows[-self._size :, self.columns]
        places = np.arange(self.rows_seen - len(kept), self.rows_seen) % self._size
        self._rows[places] = kept

    @property
    def whole(self) -> int:
        """From how many rows on all that it takes is there."""
        return min(SEGMENT_WINDOW, self._size)

    def latest(self) -> NDArray[np.float32]:
        """Return the rows that are judged, (samples, d), newest last."""
        return self._rows[np.arange(self.rows_seen - self.samples, self.rows_seen) % self._size]


class _Group:
    """Segments that are compared in one step: NumPy's cost of a call is most of what a segment alone costs."""

    def __init__(self, judged: list[_Judged]) -> None:
        self._judged = judged
        self._binning = Binning([feature for one in judged for feature in one.features], rare_together)
        self._reference = Reference(self._binning)

    def compared(self, pause: Callable[[], None]) -> Comparison:
        """Return the last rows beside the training rows."""
        rows = np.concatenate([one.latest() for one in self._judged], axis=1).astype(np.float64)
        pause()
        # Limits are learned from windows of SEGMENT_WINDOW rows, so that fewer are no whole one.
        window = RollingWindow(self._binning, max(len(rows), self._judged[0].whole))
        window.update(rows, self._binning.assign(rows))
        pause()
        return Comparison(self._reference, window, pause)


class SegmentDetector:
    """Compares the last rows of each segment with the training rows of that segment.

    A row takes 4 bytes a feature: 2.6 MB for 32 segments of 200 rows and 100 features.

    Args:
        segments: as the baseline has them.
        features: the input features of all rows, in the order of the columns.
        window: rows of each segment that are judged.
        floors: the smallest change that counts as drift, by feature.
        ignored: names of features that are not judged.
    """

    def __init__(
        self,
        segments: Segments,
        features: Sequence[Feature],
        *,
        window: int,
        floors: Mapping[str, Floors],
        ignored: Collection[str] = (),
    ) -> None:
        self.window = window
        self._segmenter = Segmenter(segments, features)
        self._judged = [
            _Judged(segments.name(segment), segment, features, window, ignored) for segment in segments.judged
        ]
        self._floors = {
            feature.name: floors[feature.name.partition(BETWEEN)[2]]
            for one in self._judged
            for feature in one.features
        }
        self._groups: dict[tuple[str, ...], _Group] = {}

    @property
    def features(self) -> int:
        """How many features are judged, those of all segments together."""
        return len(self._floors)

    def rows_seen(self) -> dict[str, int]:
        """Return how many rows of each segment came so far, by name."""
        return {one.name: one.rows_seen for one in self._judged}

    def update(self, rows: NDArray[np.float64], pause: Callable[[], None] = lambda: None) -> None:
        """Add rows.

        Args:
            rows: (n, d) input features as `BaselineData.encode` returns them, newest last.
            pause: called between pieces of work.
        """
        segments = self._segmenter.of(rows)
        order = np.argsort(segments, kind="stable")
        ends = np.searchsorted(segments[order], np.arange(len(self._judged) + 1))
        for number in np.flatnonzero(np.diff(ends)):
            places = order[ends[number] : ends[number + 1]]
            self._judged[number].update(rows[places])
            pause()

    def report(self, pause: Callable[[], None] = lambda: None) -> dict[str, DriftReport]:
        """Judge all segments together; return the report of each that has rows enough, the worst first.

        pause: called between pieces of work.
        """
        some = [one for one in self._judged if one.samples]
        comparisons = []
        for group in self._grouped(some):
            comparisons.append(group.compared(pause))
            pause()
        found = evaluate(comparisons, floors=self._floors, pause=pause)
        pause()
        features: dict[str, dict[str, FeatureDrift]] = {one.name: {} for one in some}
        for drift in without_shared(list(found.features.values())):
            segment, _, name = drift.name.partition(BETWEEN)
            features[segment][name] = replace(drift, name=name)
        reports = {one.name: DriftReport(one.samples, features[one.name]) for one in some}
        return worst_first(reports)

    def _grouped(self, some: list[_Judged]) -> list[_Group]:
        """Return segments as few groups, of as many rows in each segment."""
        by_samples: dict[int, list[_Judged]] = {}
        for one in some:
            if one.columns:
                by_samples.setdefault(one.samples, []).append(one)
        parts = []
        for alike in by_samples.values():
            step = max(1, MOST_TOGETHER // max(len(one.columns) for one in alike))
            parts += [alike[start : start + step] for start in range(0, len(alike), step)]
        by_names = {tuple(one.name for one in part): part for part in parts}
        self._groups = {names: self._groups.get(names) or _Group(part) for names, part in by_names.items()}
        return list(self._groups.values())


def without_shared(drifts: list[FeatureDrift]) -> list[FeatureDrift]:
    """Return the features of segments, of which those that moved alike in the others have not drifted.

    Many that moved in all segments would make chance in one of them look significant: the others are judged by
    themselves again (Benjamini-Hochberg).
    """
    by_name: dict[str, list[float]] = {}
    for drift in drifts:
        by_name.setdefault(_feature(drift), []).append(drift.values[PSI])

    def is_shared(drift: FeatureDrift) -> bool:
        others = [*by_name[_feature(drift)]]
        others.remove(drift.values[PSI])
        return bool(others) and drift.values[PSI] < TIMES_OTHERS * float(np.median(others))

    own = [not (drift.drifted and is_shared(drift)) for drift in drifts]
    p_values = np.array([drift.values[P_VALUE] for drift in drifts])
    significant = np.zeros(len(drifts), dtype=np.bool_)
    significant[own] = benjamini_hochberg(p_values[own], FALSE_DISCOVERY_RATE)
    return [
        replace(drift, drifted=False) if drift.drifted and not still else drift
        for drift, still in zip(drifts, significant)
    ]


def _feature(drift: FeatureDrift) -> str:
    return drift.name.partition(BETWEEN)[2]


def worst_first(reports: Mapping[str, DriftReport]) -> dict[str, DriftReport]:
    """Return reports by segment: those that drifted first, then by the largest PSI of what drifted, or of all."""

    def place(name: str) -> tuple[bool, float]:
        features = reports[name].features.values()
        worst = max(
            (drift.values[PSI] for drift in features if drift.drifted == reports[name].drifted), default=0.0
        )
        return not reports[name].drifted, -worst

    return {name: reports[name] for name in sorted(reports, key=place)}
