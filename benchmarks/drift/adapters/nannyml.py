"""NannyML: the univariate drift calculator, a chunk at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from nannyml import UnivariateDriftCalculator

from . import Data

METHOD = "jensen_shannon"


class Detector:
    def __init__(self, data: Data) -> None:
        self._columns = data.columns
        self._calculator = UnivariateDriftCalculator(
            column_names=data.columns, treat_as_categorical=data.categorical, chunk_size=data.window
        ).fit(self.prepare(data.reference))

    def prepare(self, rows: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=self._columns)

    def evaluate(self, window: pd.DataFrame) -> list[str]:
        last = self._calculator.calculate(window).filter(period="analysis").to_df().iloc[-1]
        excess = {
            name: last[name, METHOD, "value"] / last[name, METHOD, "upper_threshold"]
            for name in self._columns
            if last[name, METHOD, "alert"]
        }
        return sorted(excess, key=excess.__getitem__, reverse=True)
