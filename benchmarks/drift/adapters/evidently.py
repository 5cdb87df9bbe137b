"""Evidently: DataDriftPreset, and for verdicts alone the column tests that it calls."""

from __future__ import annotations

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset

from . import Data

CHECKED = 1  # windows of each data set whose verdicts by report and by column tests are compared


class Detector:
    def __init__(self, data: Data) -> None:
        self._columns = data.columns
        self._types = {
            name: ColumnType.Categorical if name in data.categorical else ColumnType.Numerical
            for name in data.columns
        }
        self._definition = DataDefinition(
            numerical_columns=[name for name in data.columns if name not in data.categorical],
            categorical_columns=data.categorical,
        )
        self._report = data.timed
        self._unchecked = 0 if data.timed else CHECKED
        self._frame = pd.DataFrame(data.reference, columns=data.columns)
        self._reference = Dataset.from_pandas(self._frame, data_definition=self._definition)
        self._present = {name: self._frame[name].dropna() for name in data.columns}

    def prepare(self, rows: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=self._columns)

    def evaluate(self, window: pd.DataFrame) -> list[str]:
        if self._report:
            return self._by_report(window)
        found = self._by_columns(window)
        if self._unchecked:
            self._unchecked -= 1
            reported = self._by_report(window)
            if set(found) != set(reported):
                raise AssertionError(f"column tests flag {found}, the report flags {reported}")
        return found

    def _by_report(self, window: pd.DataFrame) -> list[str]:
        current = Dataset.from_pandas(window, data_definition=self._definition)
        snapshot = Report([DataDriftPreset()], include_tests=True).run(
            current_data=current, reference_data=self._reference
        )
        result = snapshot.dict()
        columns = {m["id"]: m["config"]["column"] for m in result["metrics"] if "column" in m["config"]}
        return [
            columns[test["bound_test"]["metric_fingerprint"]]
            for test in result["tests"]
            if test["bound_test"]["metric_fingerprint"] in columns and test["status"].value == "FAIL"
        ]

    def _by_columns(self, window: pd.DataFrame) -> list[str]:
        scores = {}
        for name in self._columns:
            reference, current = self._present[name], window[name].dropna()
            test = get_stattest(reference, current, self._types[name], None)
            result = test(
                reference_data=reference,
                current_data=current,
                feature_type=self._types[name],
                threshold=None,
            )
            if result.drifted:
                scores[name] = result.drift_score / result.actual_threshold
        return sorted(scores, key=scores.__getitem__, reverse=True)
