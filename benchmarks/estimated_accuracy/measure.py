"""Estimates beside the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

import numpy as np

from .data import Case
from .shifts import served

# How far a stated estimate may be from the truth.
TOLERANCE = 0.06


@dataclass(frozen=True)
class Estimate:
    """What was said of one window, and what was true. value: None where it was withheld, for a reason."""

    data: str
    model: str
    kind: str
    shift: str
    truth: float
    value: Optional[float]
    low: Optional[float]
    high: Optional[float]
    withheld: Optional[str]
    labelled: float

    @property
    def error(self) -> Optional[float]:
        """How far a stated estimate is from the truth."""
        return None if self.value is None else abs(self.value - self.truth)

    @property
    def wrong(self) -> bool:
        """Whether it is stated and too far from the truth."""
        return self.error is not None and self.error > TOLERANCE


def measured(case: Case, rng: np.random.Generator) -> Iterator[Estimate]:
    """Yield what the baseline of a case says of each window."""
    assert case.baseline.accuracy is not None
    for window in served(case, rng):
        scores = case.model.predict_proba(window.rows)
        found = case.baseline.compare(case.shape(window.rows), outputs=scores).accuracy_estimate
        assert found is not None
        truth = float((scores.argmax(axis=1) == window.labels).mean())
        yield Estimate(
            case.data, case.model_name, window.kind, window.name, truth,
            found.value, found.low, found.high, found.withheld, case.baseline.accuracy.ratio,
        )  # fmt: skip
