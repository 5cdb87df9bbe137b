"""Detects drift: the same code under a server, in a notebook, and in a batch job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import AccuracyEstimate
from ..baseline.binning import Binning
from ..baseline.known_values import KnownValues
from ..baseline.schema import BaselineData, Source
from ..featurizers.columns import at_model_precision
from ..featurizers.identifiers import new_name
from ..featurizers.outputs import output_signals
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from .comparison import Comparison, Reference
from .floors import Floors, psi_alone
from .performance import PerformanceEstimator
from .segments import SEGMENT_WINDOW, SegmentDetector
from .verdict import DriftReport, evaluate
from .window import RollingWindow

DEFAULT_FLOORS = Floors()
SOURCES: tuple[Source, ...] = ("input", "output")


class DriftDetector:
    """Compares the last rows with a baseline, in one window or several.

    Args:
        baseline: what training data looked like.
        window: rows in a window; several sizes are judged each on its own.
        floors: the smallest change that counts as drift.
        feature_floors: the same by name of the feature, where it differs.
        psi_floor: the smallest PSI that counts as drift, and the only floor.
        psi_floors: the same by name of the feature.
        ignored: source (`input` or `output`) and name of features that are not judged.
        segment_window: rows of each segment that are judged, where the baseline has segments.

    Raises:
        ValueError: no window is given, or one has no rows.
    """

    def __init__(
        self,
        baseline: BaselineData,
        *,
        window: Union[int, Sequence[int]] = 1000,
        floors: Floors = DEFAULT_FLOORS,
        feature_floors: Optional[Mapping[str, Floors]] = None,
        psi_floor: Optional[float] = None,
        psi_floors: Optional[Mapping[str, float]] = None,
        ignored: Collection[tuple[str, str]] = (),
        segment_window: int = SEGMENT_WINDOW,
    ) -> None:
        self.sizes = sorted({window} if isinstance(window, int) else set(window))
        if not self.sizes or self.sizes[0] < 1:
            raise ValueError(f"window is {window}; give one or more numbers of rows, each 1 or larger")
        self.baseline = baseline
        self.ignored = frozenset(ignored)
        if psi_floor is not None:
            floors = psi_alone(psi_floor)
        self._floors = {feature.name: floors for feature in baseline.features}
        self._floors.update({name: psi_alone(floor) for name, floor in (psi_floors or {}).items()})
        self._floors.update(feature_floors or {})
        self._performance = PerformanceEstimator.of(baseline)
        self._rows_seen: dict[Source, int] = dict.fromkeys(SOURCES, 0)
        self._places = {feature.name: place for place, feature in enumerate(baseline.column_features)}
        self._binnings = {source: Binning(baseline.of_source(source)) for source in SOURCES}
        self._references = {source: Reference(binning) for source, binning in self._binnings.items()}
        outputs = enumerate(baseline.of_source("output"))
        self._known_outputs = {
            place: KnownValues(feature.categories) for place, feature in outputs if feature.kind == "discrete"
        }
        self._windows = {
            source: {size: RollingWindow(binning, size) for size in self.sizes}
            for source, binning in self._binnings.items()
        }
        self.segments = self._segments_of(baseline, min(segment_window, self.sizes[0]))

    @property
    def sources(self) -> list[Source]:
        """The sources that the baseline describes, inputs first."""
        return [source for source in SOURCES if self._binnings[source].features]

    @property
    def rows_seen(self) -> int:
        """Rows of inputs so far."""
        return self._rows_seen["input"]

    def rows_seen_of(self, source: Source) -> int:
        """Return how many rows of one source came so far; inputs may be sampled where outputs are not."""
        return self._rows_seen[source]

    def update(self, X: Any, outputs: Any = None) -> None:  # noqa: N803
        """Add rows, newest last.

        Args:
            X: what the model was given, as in `Baseline.fit`.
            outputs: what it answered, as in `Baseline.fit`; left out where the baseline describes none.

        Raises:
            BaselineError: the rows have another width, or lack a column that the baseline has.
        """
        self.update_inputs(self.baseline.encode(X))
        if outputs is not None and self.baseline.outputs is not None:
            self.update_outputs(output_signals(outputs, self.baseline.outputs))

    def update_inputs(
        self, rows: NDArray[np.float64], pause: Callable[[], None] = lambda: None
    ) -> NDArray[np.int64]:
        """Add inputs that are encoded already.

        Args:
            rows: (n, d) input features as `BaselineData.encode` returns them, newest last.
            pause: called between pieces of work.

        Returns:
            Their counts in the baseline's bins, (d, B).
        """
        counts = self._add("input", rows)
        if self.segments is not None:
            pause()
            self.segments.update(rows, pause)
        return counts

    def update_outputs(self, signals: dict[str, NDArray[np.float64]]) -> NDArray[np.int64]:
        """Add output features.

        Args:
            signals: by name, each (n,), newest last; those that the baseline does not have are left out.

        Returns:
            Their counts in the baseline's bins, (k, B).
        """
        features = self._binnings["output"].features
        if not features:
            return self._binnings["output"].count(np.empty((0, 0), dtype=np.int16))
        rows = np.column_stack([at_model_precision(signals[feature.name]) for feature in features])
        for place, known in self._known_outputs.items():
            rows[:, place] = known.snapped(rows[:, place])
        return self._add("output", rows)

    def ignore(self, features: Collection[tuple[str, str]]) -> None:
        """Judge features no more; `features` as `ignored`. Segments that are told apart by one of them end."""
        self.ignored |= frozenset(features)
        known = [] if self.baseline.segments is None else self.baseline.segments.columns
        if self.segments is not None:
            told_apart = not any(("input", name) in features for name in known)
            self.segments = self._segments_of(self.baseline, self.segments.window) if told_apart else None

    def reference(self, source: Source) -> Reference:
        """Return the baseline's side of the comparison for one source."""
        return self._references[source]

    def report(
        self, *, window: Optional[int] = None, pause: Callable[[], None] = lambda: None
    ) -> DriftReport:
        """Compare a window, and the last rows of each segment, with the baseline as they are now.

        Args:
            window: its size, one of `sizes`; the smallest where it is left out.
            pause: called between pieces of work, so that a request need not wait for all of them.

        Raises:
            ValueError: there is no window of this size.
        """
        report = self.judge(window=window, pause=pause)
        return report if self.segments is None else replace(report, segments=self.segments.report(pause))

    def judge(self, *, window: Optional[int] = None, pause: Callable[[], None] = lambda: None) -> DriftReport:
        """Compare a window with the baseline, all rows together; otherwise as `report`."""
        size = self.sizes[0] if window is None else window
        if size not in self.sizes:
            raise ValueError(
                f"there is no window of {size} rows; there are {', '.join(map(str, self.sizes))}"
            )
        comparisons = []
        for source in self.sources:
            windows = self._windows[source]
            if windows[size].samples:
                longest = windows[self.sizes[-1]]
                comparisons.append(Comparison(self._references[source], windows[size], pause, longest))
                pause()
        report = evaluate(comparisons, floors=self._floors, ignored=self.ignored, pause=pause)
        pause()
        report = self._without_fewer_new(report, size)
        shares = self._row_shares(size, pause)
        pause()
        estimate = self._accuracy_estimate(size, quiet=self._is_quiet(report, size), pause=pause)
        return replace(report, accuracy_estimate=estimate, row_shares=shares)

    def _segments_of(self, baseline: BaselineData, window: int) -> Optional[SegmentDetector]:
        if baseline.segments is None or not baseline.segments.judged:
            return None
        return SegmentDetector(
            baseline.segments,
            baseline.of_source("input"),
            window=window,
            floors=self._floors,
            ignored=[name for source, name in self.ignored if source == "input"],
        )

    def _without_fewer_new(self, report: DriftReport, size: int) -> DriftReport:
        """Return the report in which identifiers do not drift because more of them than in training are known.

        Rows of training are all known when they are served again.
        """
        features = dict(report.features)
        for column in self.baseline.identifiers:
            drift = features.get(new_name(column))
            if drift is not None and drift.drifted and self._mean("input", new_name(column), size) <= 0:
                features[drift.name] = replace(drift, drifted=False)
        return replace(report, features=features)

    def _mean(self, source: Source, name: str, size: int) -> float:
        """Return how far a window's mean of a feature lies above the baseline's."""
        names = [feature.name for feature in self._binnings[source].features]
        place = names.index(name)
        values = self._windows[source][size].view().rows[:, place]
        present = values[np.isfinite(values)]
        mean = self._binnings[source].features[place].mean
        return float(present.mean()) - mean if len(present) else 0.0

    def _row_shares(self, size: int, pause: Callable[[], None]) -> dict[str, float]:
        distance, window = self.baseline.rows, self._windows["input"][size]
        if distance is None or ("input", ROW_DISTANCE) in self.ignored or not window.samples:
            return {}
        places = [self._places[name] for name in distance.columns]
        # A column that moved along with its neighbours shortens the distance: its part is negative, and the others'
        # add up to more than 1.
        parts = np.maximum(distance.shares(window.view().rows[:, places], pause=pause), 0.0)
        shares = dict(zip(distance.columns, (parts / max(parts.sum(), 1.0)).tolist()))
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def _is_quiet(self, report: DriftReport, size: int) -> bool:
        """Tell whether a window is known to stray no farther than training windows of its size in the order of time."""
        ordered = any(one.window == size for feature in self.baseline.features for one in feature.variation)
        return ordered and report.samples >= size and not report.drifted

    def _accuracy_estimate(
        self, size: int, *, quiet: bool, pause: Callable[[], None]
    ) -> Optional[AccuracyEstimate]:
        if self._performance is None:
            return None
        inputs, outputs = (self._windows[source][size].view().rows for source in SOURCES)
        return self._performance.estimate(inputs, outputs, ignored=self.ignored, quiet=quiet, pause=pause)

    def _add(self, source: Source, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        self._rows_seen[source] += len(rows)
        binning = self._binnings[source]
        index = binning.assign(rows)
        for window in self._windows[source].values():
            window.update(rows, index)
        return binning.count(index)
