"""The rolling drift monitor: the same code under a server, in a notebook, and in a batch job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .baseline import Baseline, Source, at_model_precision
from .signals import output_signals
from .verdict import PSI_FLOOR, Comparison, DriftReport, Reference, evaluate
from .window import RollingWindow


class DriftMonitor:
    """The last `window` rows against a baseline."""

    def __init__(self, baseline: Baseline, *, window: int = 1000, psi_floor: float = PSI_FLOOR) -> None:
        if window < 1:
            raise ValueError(f"window is {window}; give a number of rows, 1 or more")
        self.baseline = baseline
        self.psi_floor = psi_floor
        self.windows: dict[Source, RollingWindow] = {}
        self._references: dict[Source, Reference] = {}
        sources: tuple[Source, ...] = ("input", "output")
        for source in sources:
            features = baseline.of_source(source)
            if features:
                self.windows[source] = RollingWindow(features, window)
                self._references[source] = Reference(features, self.windows[source])

    def update(self, X: Any, outputs: Any = None) -> None:  # noqa: N803
        """Add rows, newest last: X as (n, d) array or DataFrame, outputs as (n, classes) or (n,).

        Raises BaselineError when their width is not the baseline's.
        """
        self.update_inputs(self.baseline.encode(X))
        if outputs is not None and self.baseline.outputs is not None:
            self.update_outputs(output_signals(np.asarray(outputs), self.baseline.outputs))

    def update_inputs(self, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        """Add encoded (n, d) rows; return their bin counts, (d, B)."""
        return self.windows["input"].update(rows)

    def update_outputs(self, signals: dict[str, NDArray[np.float64]]) -> NDArray[np.int64]:
        """Add output features by name, each (n,); return their bin counts, (k, B)."""
        features = self.baseline.of_source("output")
        rows = np.column_stack([at_model_precision(signals[feature.name]) for feature in features])
        return self.windows["output"].update(rows)

    def reference(self, source: Source) -> Reference:
        """Return the baseline's side of the comparison, for one source."""
        return self._references[source]

    def report(self, pause: Callable[[], None] = lambda: None) -> DriftReport:
        """Compare the window with the baseline now."""
        comparisons = []
        for source, window in self.windows.items():
            if window.samples:
                comparisons.append(Comparison(self._references[source], window))
                pause()
        return evaluate(comparisons, psi_floor=self.psi_floor, pause=pause)
