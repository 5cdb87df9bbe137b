"""The verdict by segment: rows of one carrier, say, against the training rows of that carrier."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import Binning, assign
from ..baseline.schema import Feature, Segment, Segments
from .comparison import Comparison, Reference
from .statistics import benjamini_hochberg
from .verdict import FALSE_DISCOVERY_RATE, P_VALUE, PSI, DriftReport, FeatureDrift, evaluate
from .window import RollingWindow, WindowView

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
        self._binning = Binning(self.features)
        self.window = RollingWindow(self._binning, size)

    def update(self, rows: NDArray[np.float64]) -> None:
        self.rows_seen += len(rows)
        # Older ones would leave the window at once.
        judged = rows[-self.window.size :, self.columns]
        self.window.update(judged, self._binning.assign(judged))


class _Together(RollingWindow):
    """The windows of several segments side by side, as many rows in each."""

    def __init__(self, binning: Binning, windows: list[RollingWindow]) -> None:
        # Nothing is added to it: the segments' own windows hold the rows.
        self.binning = binning
        # From so many rows on a window is whole: limits are learned from windows of this size.
        self.size = min(windows[0].size, SEGMENT_WINDOW)
        self.samples = windows[0].samples
        self._windows = windows

    def view(self) -> WindowView:
        """Return the rows of all, (n, d of all), and their counts."""
        views = [window.view() for window in self._windows]
        width = self.binning.width
        counts = [np.pad(view.counts, ((0, 0), (0, width - view.counts.shape[1]))) for view in views]
        return WindowView(np.concatenate([view.rows for view in views], axis=1), np.concatenate(counts))


class _Group:
    """Segments that are compared in one step: NumPy's cost of a call is most of what a segment alone costs."""

    def __init__(self, judged: list[_Judged]) -> None:
        self._windows = [one.window for one in judged]
        self._binning = Binning([feature for one in judged for feature in one.features])
        self._reference = Reference(self._binning)

    def compared(self, pause: Callable[[], None]) -> Comparison:
        """Return the windows beside the training rows."""
        return Comparison(self._reference, _Together(self._binning, self._windows), pause)


class SegmentDetector:
    """Compares the last rows of each segment with the training rows of that segment.

    A row in a window takes 6 bytes a feature: 3.8 MB for 32 segments of 200 rows and 100 features.

    Args:
        segments: as the baseline has them.
        features: the input features of all rows, in the order of the columns.
        window: rows of each segment that are judged.
        floors: the smallest PSI that counts as drift, by feature.
        ignored: names of features that are not judged.
    """

    def __init__(
        self,
        segments: Segments,
        features: Sequence[Feature],
        *,
        window: int,
        floors: Mapping[str, float],
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
        some = [one for one in self._judged if one.window.samples >= min(FEWEST_ROWS, self.window)]
        comparisons = []
        for group in self._grouped(some):
            comparisons.append(group.compared(pause))
            pause()
        found = evaluate(comparisons, psi_floors=self._floors, pause=pause)
        pause()
        features: dict[str, dict[str, FeatureDrift]] = {one.name: {} for one in some}
        for drift in without_shared(list(found.features.values())):
            segment, _, name = drift.name.partition(BETWEEN)
            features[segment][name] = replace(drift, name=name)
        reports = {one.name: DriftReport(one.window.samples, features[one.name]) for one in some}
        return worst_first(reports)

    def _grouped(self, some: list[_Judged]) -> list[_Group]:
        """Return segments as few groups: whose windows are full together, and the others each alone."""
        full = [one for one in some if one.window.samples == self.window]
        parts = [[one] for one in some if one.window.samples < self.window]
        step = max(1, MOST_TOGETHER // max(1, *(len(one.columns) for one in full))) if full else 1
        parts += [full[start : start + step] for start in range(0, len(full), step)]
        by_names = {tuple(one.name for one in part): part for part in parts}
        self._groups = {
            names: self._groups.get(names) or _Group(part)
            for names, part in by_names.items()
            if part[0].columns
        }
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
