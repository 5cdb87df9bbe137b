"""alibi-detect: the Kolmogorov-Smirnov detector."""

from __future__ import annotations

import numpy as np
from alibi_detect.cd import KSDrift

from . import Data


class Detector:
    def __init__(self, data: Data) -> None:
        self._columns = data.columns
        self._drift = KSDrift(data.reference)

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def evaluate(self, window: np.ndarray) -> list[str]:
        found = self._drift.predict(window)["data"]
        p_values = found["p_val"]
        order = np.argsort(p_values, kind="stable")  # no p-value sorts last
        return [self._columns[place] for place in order if p_values[place] < found["threshold"]]
