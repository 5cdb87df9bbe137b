"""The verdict of this project, window by window, through what its users call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Union

import numpy as np
import pandas as pd

from torchvitals import Baseline, DriftMonitor

from .catalogue import ORDERED, Case
from .populations import Population
from .shares import shares, worst
from .streams import Stream

Source = Union[Population, Stream]
# Of a model's score for the class that it predicts, and how far it strays from row to row.
CONFIDENCE, JITTER = 0.8, 0.05
MOST_BASELINES = 16


def inputs(source: Source, rows: np.ndarray) -> Any:
    """Return what a model is given for the rows: an array, or a table where training data has texts."""
    columns = len(source.columns) - (source.classes > 0)
    if not source.texts:
        return rows[:, :columns]
    frame = pd.DataFrame(rows[:, :columns], columns=list(source.columns[:columns]))
    for name in source.texts:
        frame[name] = "v" + frame[name].astype(int).astype(str)
    return frame


def outputs(source: Source, rows: np.ndarray) -> Any:
    """Return the probabilities (n, classes) that a model gives for the rows; None where it gives none."""
    if not source.classes:
        return None
    predicted = rows[:, -1].astype(int)
    # The first column is a number that belongs to the row, and nothing to the class.
    confidence = CONFIDENCE + JITTER * np.sin(1e3 * rows[:, 0])
    scores = np.repeat(((1 - confidence) / (source.classes - 1))[:, None], source.classes, axis=1)
    scores[np.arange(len(rows)), predicted] = confidence
    return scores


# The latest baselines by what makes them: cases that follow each other share them.
_baselines: dict[tuple[Any, ...], Baseline] = {}


def baseline_of(case: Case, number: int = 0) -> Baseline:
    """Return one of a case's baselines."""
    limits = case.window if case.kind == ORDERED else None
    key = (case.scenario.source.name, case.training, limits, number)
    found = _baselines.get(key)
    if found is None:
        found = _fitted(case, number)
        if len(_baselines) >= MOST_BASELINES:
            _baselines.clear()
        _baselines[key] = found
    return found


def _fitted(case: Case, number: int) -> Baseline:
    source, rows = case.scenario.source, case.reference(number)
    given = inputs(source, rows)
    return Baseline.fit(
        given,
        feature_names=None if isinstance(given, pd.DataFrame) else list(source.columns[: given.shape[1]]),
        outputs=outputs(source, rows),
        ordered=case.kind == ORDERED,
        windows=(case.window,),
    )


def verdicts(case: Case, number: int = 0, *, quick: bool = False) -> Iterator[list[str]]:
    """Yield the drifted features of each window, worst first."""
    source = case.scenario.source
    monitor = DriftMonitor(baseline_of(case, number), window=case.window)
    for place in range(case.count(quick=quick)):
        rows = case.rows(place)
        monitor.update(inputs(source, rows), outputs=outputs(source, rows))
        yield [name for name, drift in monitor.report().features.items() if drift.drifted]


def judge(case: Case, *, quick: bool = False) -> dict[str, Any]:
    """Return the figures of a case; of several baselines those of the worst."""
    right = case.scenario.right
    numbers = range(case.scenario.baselines)
    return worst([shares(list(verdicts(case, number, quick=quick)), right) for number in numbers], right)
