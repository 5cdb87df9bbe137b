"""The verdict of this project, window by window, through what its users call."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from torchvitals import Baseline, DriftMonitor

from .catalogue import ORDERED, Case, windows_of
from .populations import Population

# Of a model's score for the class that it predicts, and how far it strays from row to row.
CONFIDENCE, JITTER = 0.8, 0.05


def inputs(population: Population, rows: np.ndarray) -> Any:
    """Return what a model is given for the rows: an array, or a table where training data has texts."""
    columns = len(population.columns) - (population.classes > 0)
    if not population.texts:
        return rows[:, :columns]
    frame = pd.DataFrame(rows[:, :columns], columns=list(population.columns[:columns]))
    for name in population.texts:
        frame[name] = "v" + frame[name].astype(int).astype(str)
    return frame


def outputs(population: Population, rows: np.ndarray) -> Any:
    """Return the probabilities (n, classes) that a model gives for the rows; None where it gives none."""
    if not population.classes:
        return None
    predicted = rows[:, -1].astype(int)
    # The first column is a number that belongs to the row, and nothing to the class.
    confidence = CONFIDENCE + JITTER * np.sin(1e3 * rows[:, 0])
    scores = np.repeat(((1 - confidence) / (population.classes - 1))[:, None], population.classes, axis=1)
    scores[np.arange(len(rows)), predicted] = confidence
    return scores


def baseline_of(case: Case, number: int = 0) -> Baseline:
    """Return one of a case's baselines."""
    return _baseline(case.scenario.population, case.training, case.kind, case.window, number, case)


# Cases that follow each other share a baseline.
@lru_cache(maxsize=16)
def _fitted(key: tuple[Any, ...]) -> list[Baseline]:
    return []


def _baseline(
    population: Population, training: int, kind: str, window: int, number: int, case: Case
) -> Baseline:
    known = _fitted((population.name, training, kind, window if kind == ORDERED else 0, number))
    if not known:
        rows = case.reference(number)
        given = inputs(population, rows)
        names = None if isinstance(given, pd.DataFrame) else list(population.columns[: given.shape[1]])
        known.append(
            Baseline.fit(
                given,
                feature_names=names,
                outputs=outputs(population, rows),
                ordered=kind == ORDERED,
                windows=(window,),
            )
        )
    return known[0]


def verdicts(case: Case, number: int = 0, *, quick: bool = False) -> Iterator[list[str]]:
    """Yield the drifted features of each window, worst first."""
    population = case.scenario.population
    monitor = DriftMonitor(baseline_of(case, number), window=case.window)
    for place in range(windows_of(case.window, quick=quick)):
        rows = case.rows(place)
        monitor.update(inputs(population, rows), outputs=outputs(population, rows))
        yield [name for name, drift in monitor.report().features.items() if drift.drifted]


def judge(case: Case, *, quick: bool = False) -> dict[str, float]:
    """Return the figures of a case; of several baselines those of the worst."""
    found = [
        figures(list(verdicts(case, number, quick=quick)), set(case.scenario.right))
        for number in range(case.scenario.baselines)
    ]
    worst = max if not case.scenario.right else min
    return worst(found, key=lambda one: one["flagged"])


def figures(flagged: list[list[str]], right: set[str]) -> dict[str, float]:
    """Return shares of windows: any feature flagged, and the right column named first.

    A feature of the row as a whole comes after the columns that explain it, so whatever stands first was named.
    """
    return {
        "windows": len(flagged),
        "flagged": float(np.mean([bool(names) for names in flagged])),
        "first": float(np.mean([bool(names) and names[0] in right for names in flagged])),
    }
