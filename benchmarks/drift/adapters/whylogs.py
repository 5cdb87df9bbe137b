"""whylogs: profiles and their drift scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import whylogs as why
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from . import Data


class Detector:
    def __init__(self, data: Data) -> None:
        self._columns = data.columns
        self._categorical = data.categorical
        self._reference = why.log(self.prepare(data.reference)).view()

    def prepare(self, rows: np.ndarray) -> pd.DataFrame:
        frame = pd.DataFrame(rows, columns=self._columns)
        for name in self._categorical:  # chi-square is its default for texts alone
            frame[name] = frame[name].astype(int).astype(str)
        return frame

    def evaluate(self, window: pd.DataFrame) -> list[str]:
        scores = calculate_drift_scores(
            target_view=why.log(window).view(), reference_view=self._reference, with_thresholds=True
        )
        drifted = {
            name: score["pvalue"]
            for name, score in scores.items()
            if score and score["drift_category"] == "DRIFT"
        }
        return sorted(drifted, key=drifted.__getitem__)
