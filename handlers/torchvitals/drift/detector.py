"""The rolling drift monitor: the same code under a server, in a notebook, and in a batch job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import ExpectedAccuracy
from ..baseline.binning import Binning
from ..baseline.schema import BaselineData, Source
from ..featurizers.columns import at_model_precision
from ..featurizers.outputs import output_signals
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from .comparison import Comparison, Reference
from .verdict import PSI_FLOOR, DriftReport, evaluate
from .window import RollingWindow

CONFIDENCE = "confidence"
SOURCES: tuple[Source, ...] = ("input", "output")


class DriftDetector:
    """The last rows against a baseline, in one window or several.

    psi_floor: the smallest PSI that counts as drift; psi_floors: by feature, where it is another. ignored: source and
    name of features that are not judged.
    """

    def __init__(
        self,
        baseline: BaselineData,
        *,
        window: Union[int, Sequence[int]] = 1000,
        psi_floor: float = PSI_FLOOR,
        psi_floors: Optional[Mapping[str, float]] = None,
        ignored: Collection[tuple[str, str]] = (),
    ) -> None:
        self.sizes = sorted({window} if isinstance(window, int) else set(window))
        if not self.sizes or self.sizes[0] < 1:
            raise ValueError(f"window is {window}; give a number of rows, 1 or more, or several")
        self.baseline = baseline
        self.ignored = frozenset(ignored)
        self._floors = {**{feature.name: psi_floor for feature in baseline.features}, **(psi_floors or {})}
        self._expected = None if baseline.accuracy is None else ExpectedAccuracy(baseline.accuracy)
        self.rows_seen = 0
        self._places = {feature.name: place for place, feature in enumerate(baseline.column_features)}
        self._binnings = {source: Binning(baseline.of_source(source)) for source in SOURCES}
        self._references = {source: Reference(binning) for source, binning in self._binnings.items()}
        self._windows = {
            source: {size: RollingWindow(binning, size) for size in self.sizes}
            for source, binning in self._binnings.items()
        }

    @property
    def sources(self) -> list[Source]:
        """The sources that the baseline describes."""
        return [source for source in SOURCES if self._binnings[source].features]

    def update(self, X: Any, outputs: Any = None) -> None:  # noqa: N803
        """Add rows, newest last: X and outputs as in `Baseline.fit`.

        Raises BaselineError when their width is not the baseline's.
        """
        self.update_inputs(self.baseline.encode(X))
        if outputs is not None and self.baseline.outputs is not None:
            self.update_outputs(output_signals(np.asarray(outputs), self.baseline.outputs))

    def update_inputs(self, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        """Add encoded (n, d) rows; return their bin counts, (d, B)."""
        self.rows_seen += len(rows)
        return self._add("input", rows)

    def update_outputs(self, signals: dict[str, NDArray[np.float64]]) -> NDArray[np.int64]:
        """Add output features by name, each (n,); return their bin counts, (k, B)."""
        features = self._binnings["output"].features
        rows = np.column_stack([at_model_precision(signals[feature.name]) for feature in features])
        return self._add("output", rows)

    def reference(self, source: Source) -> Reference:
        """Return the baseline's side of the comparison, for one source."""
        return self._references[source]

    def report(
        self, *, window: Optional[int] = None, pause: Callable[[], None] = lambda: None
    ) -> DriftReport:
        """Compare a window with the baseline now; the smallest of several, unless named."""
        size = self.sizes[0] if window is None else window
        comparisons = []
        for source in self.sources:
            if self._windows[source][size].samples:
                comparisons.append(Comparison(self._references[source], self._windows[source][size], pause))
                pause()
        report = evaluate(comparisons, psi_floors=self._floors, ignored=self.ignored, pause=pause)
        pause()
        shares = self._row_shares(size, pause)
        pause()
        return replace(report, estimated_accuracy=self._estimated_accuracy(size), row_shares=shares)

    def _row_shares(self, size: int, pause: Callable[[], None]) -> dict[str, float]:
        distance, window = self.baseline.rows, self._windows["input"][size]
        if distance is None or ("input", ROW_DISTANCE) in self.ignored or not window.samples:
            return {}
        places = [self._places[name] for name in distance.columns]
        # A column that goes with a moved one shortens the distance: its term is negative, and the others' exceed 1.
        parts = np.maximum(distance.shares(window.view().rows[:, places], pause=pause), 0.0)
        shares = dict(zip(distance.columns, (parts / max(parts.sum(), 1.0)).tolist()))
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def _estimated_accuracy(self, size: int) -> Optional[float]:
        names = [feature.name for feature in self._binnings["output"].features]
        if self._expected is None or CONFIDENCE not in names:
            return None
        view = self._windows["output"][size].view()
        return self._expected.of(view.rows[:, names.index(CONFIDENCE)])

    def _add(self, source: Source, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        binning = self._binnings[source]
        index = binning.assign(rows)
        for window in self._windows[source].values():
            window.update(rows, index)
        return binning.count(index)
