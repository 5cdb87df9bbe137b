"""TorchVitals: the drift monitor that the handler runs, a whole window at a time."""

from __future__ import annotations

import numpy as np

from torchvitals import Baseline, DriftMonitor

from . import Data


class Detector:
    def __init__(self, data: Data) -> None:
        baseline = Baseline.fit(
            data.reference, feature_names=data.columns, ordered=data.ordered, windows=(data.window,)
        )
        self._monitor = DriftMonitor(baseline, window=data.window)

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def evaluate(self, window: np.ndarray) -> list[str]:
        self._monitor.update(window)
        return [name for name, drift in self._monitor.report().features.items() if drift.drifted]
