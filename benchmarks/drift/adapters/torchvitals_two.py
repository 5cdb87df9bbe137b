"""TorchVitals with two windows, as `window: [250, 1000]` configures it: the last quarter is judged on its own too."""

from __future__ import annotations

import numpy as np

from torchvitals import Baseline, DriftMonitor

from . import Data


class Detector:
    def __init__(self, data: Data) -> None:
        self._sizes = (data.window // 4, data.window)
        baseline = Baseline.fit(
            data.reference, feature_names=data.columns, ordered=data.ordered, windows=self._sizes
        )
        self._monitor = DriftMonitor(baseline, window=self._sizes)

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def evaluate(self, window: np.ndarray) -> list[str]:
        self._monitor.update(window)
        names: dict[str, None] = {}  # in order, the larger window's first
        for size in reversed(self._sizes):
            report = self._monitor.report(window=size)
            names.update(dict.fromkeys(name for name, drift in report.features.items() if drift.drifted))
        return list(names)
