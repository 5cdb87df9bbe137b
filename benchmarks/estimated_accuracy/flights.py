"""The flight delay example, month by month: a model of winter that serves the rest of the year."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import torch

from examples.flight_delay.data import CLASSES, COLUMNS, LABEL, between, load_flights, split
from examples.flight_delay.train import rows_of, train
from torchvitals import Baseline

WINDOW = 1000
MONTHS = {
    "15 to 28 February": (date(2013, 2, 15), date(2013, 2, 28)),
    "March": (date(2013, 3, 1), date(2013, 3, 31)),
    "May": (date(2013, 5, 1), date(2013, 5, 31)),
    "July": (date(2013, 7, 1), date(2013, 7, 31)),
    "October": (date(2013, 10, 1), date(2013, 10, 31)),
    "December": (date(2013, 12, 1), date(2013, 12, 31)),
}


@dataclass(frozen=True)
class Month:
    """Windows of one month. estimated and truth: means over those that are stated, None without any."""

    name: str
    windows: int
    stated: int
    estimated: float | None
    truth: float | None
    truth_of_all: float


def months() -> Iterator[Month]:
    """Train on six weeks of winter, and yield what is said of other weeks, in windows of 1,000 flights."""
    year = load_flights()
    splits = split(year)
    model = train(splits.train)
    with torch.inference_mode():
        trained, labelled = (model(rows_of(frame)).numpy() for frame in (splits.train, splits.heldout))
        baseline = Baseline.fit(
            splits.train[COLUMNS], outputs=trained, class_names=list(CLASSES), ordered=True, windows=(WINDOW,)
        ).with_accuracy(labelled, splits.heldout[LABEL])
        for name, (first, last) in MONTHS.items():
            frame = between(year, first, last)
            scores = model(rows_of(frame)).numpy()
            right = scores.argmax(axis=1) == frame[LABEL].to_numpy()
            rows = rows_of(frame).numpy()
            starts = range(0, len(rows) - WINDOW + 1, WINDOW)
            values = [
                baseline.compare(rows[start : start + WINDOW], outputs=scores[start : start + WINDOW])
                for start in starts
            ]
            stated = [
                (report.estimated_accuracy, right[start : start + WINDOW].mean())
                for start, report in zip(starts, values, strict=True)
                if report.estimated_accuracy is not None
            ]
            means = np.mean(stated, axis=0).tolist() if stated else [None, None]
            yield Month(name, len(starts), len(stated), *means, float(right.mean()))
