"""The data sets: made ones with and without drift, and real flights in their natural order."""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pandas as pd

from examples.flight_delay.data import COLUMNS, between, load_flights

from .adapters import Data

SEED = 20261122
BASELINE_ROWS = 10_000
QUIET_WINDOWS = 500
QUIET_SIZES = (1000, 100)
DRIFT_SEEDS = 50
WINDOW, STRIDE = 1000, 250
TIMED = {10: 100, 100: 20}  # columns: windows

NAMES = [
    "normal_1",
    "normal_2",
    "normal_3",
    "normal_4",
    "normal_5",
    "lognormal",
    "few_valued",
    "zero_inflated",
    "boolean",
    "missing_3",
]
CATEGORICAL = ["few_valued", "boolean"]

# A feature of the row as a whole, which TorchVitals adds to the columns.
WHOLE_ROW = "row_distance"
# What happens, and which names of a flagged feature are right. A turned correlation changes no column by itself.
DRIFTS = {
    "shift": ("normal_3",),
    "scale": ("normal_3",),
    "missing": ("normal_3",),
    "unseen": ("few_valued",),
    "correlation": ("normal_1", "normal_2", WHOLE_ROW),
}
CORRELATION = 0.8

BASELINE_PERIOD = (date(2013, 1, 1), date(2013, 2, 14))
PERIODS = {
    "february": (date(2013, 2, 15), date(2013, 2, 28)),
    "march": (date(2013, 3, 1), date(2013, 3, 31)),
    "july": (date(2013, 7, 1), date(2013, 7, 31)),
}


def draw(rng: np.random.Generator, rows: int, correlation: float = 0.0) -> np.ndarray:
    """Return rows of the ten columns NAMES; `correlation` is that of the first two, whose marginals it leaves alone."""
    columns = [
        *(rng.normal(size=rows) for _ in range(5)),
        rng.lognormal(size=rows),
        rng.integers(0, 4, rows),
        np.where(rng.random(rows) < 0.95, 0.0, rng.exponential(size=rows)),
        rng.random(rows) < 0.02,
        np.where(rng.random(rows) < 0.03, np.nan, rng.uniform(size=rows)),
    ]
    columns[1] = correlation * columns[0] + np.sqrt(1 - correlation**2) * columns[1]
    return np.column_stack([np.asarray(column, dtype=float) for column in columns])


def drift(kind: str, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rows with one column changed, or with the correlation of two turned, as DRIFTS says."""
    changed = rows.copy()
    column = changed[:, NAMES.index(DRIFTS[kind][0])]
    few = rng.random(len(rows)) < 0.05
    if kind == "shift":
        column += 0.5
    elif kind == "scale":
        column *= 1.5
    elif kind == "missing":
        column[few] = np.nan
    elif kind == "correlation":
        column *= -1  # its distribution is symmetric
    else:
        column[few] = 4.0  # the values are 0 to 3
    return changed


def quiet(baseline: np.ndarray, size: int, windows: int) -> Data:
    """Independent windows without drift."""
    rng = np.random.default_rng([SEED, size])
    return _made(f"quiet_{size}", baseline, np.stack([draw(rng, size) for _ in range(windows)]))


def correlation_of(kind: str) -> float:
    """Return the correlation of the first two columns before the drift."""
    return CORRELATION if kind == "correlation" else 0.0


def drifting(baseline: np.ndarray, kind: str, seeds: int) -> Data:
    """For each seed a stream that drifts: its window 250, 500, 750 and 1,000 rows after the start."""
    windows = []
    for seed in range(seeds):
        rng = np.random.default_rng([SEED, list(DRIFTS).index(kind), seed])
        before, after = (draw(rng, WINDOW, correlation_of(kind)) for _ in range(2))
        after = drift(kind, after, rng)
        stream = np.concatenate([before, after])
        windows += [stream[end - WINDOW : end] for end in range(WINDOW + STRIDE, 2 * WINDOW + 1, STRIDE)]
    return _made(f"drift_{kind}", baseline, np.stack(windows))


def flights(year: pd.DataFrame, period: str) -> Data:
    """Windows of consecutive flights, in the order of departure."""
    rows = between(year, *PERIODS[period])[COLUMNS].to_numpy(dtype=float)
    starts = range(0, len(rows) - WINDOW + 1, STRIDE)
    return Data(
        name=f"flights_{period}",
        columns=list(COLUMNS),
        categorical=[],
        ordered=True,
        timed=False,
        reference=between(year, *BASELINE_PERIOD)[COLUMNS].to_numpy(dtype=float),
        windows=np.stack([rows[start : start + WINDOW] for start in starts]),
    )


def timed(columns: int, windows: int) -> Data:
    """Windows for CPU time: the ten columns, as often as needed."""
    rng = np.random.default_rng([SEED, columns])
    repeat = columns // len(NAMES)

    def wide(rows: int) -> np.ndarray:
        return np.column_stack([draw(rng, rows) for _ in range(repeat)])

    return Data(
        name=f"cpu_{columns}",
        columns=[f"{name}_{copy}" for copy in range(repeat) for name in NAMES],
        categorical=[f"{name}_{copy}" for copy in range(repeat) for name in CATEGORICAL],
        ordered=False,
        timed=True,
        reference=wide(BASELINE_ROWS),
        windows=np.stack([wide(WINDOW) for _ in range(windows)]),
    )


DATA_SETS = (
    *(f"quiet_{size}" for size in QUIET_SIZES),
    *(f"drift_{kind}" for kind in DRIFTS),
    *(f"flights_{period}" for period in PERIODS),
    *(f"cpu_{columns}" for columns in TIMED),
)


def made_baseline(kind: str = "") -> np.ndarray:
    """Return the baseline of the made data, as it is before a kind of drift."""
    return draw(np.random.default_rng(SEED), BASELINE_ROWS, correlation_of(kind))


def make(name: str) -> Data:
    """Return one of DATA_SETS."""
    family, which = name.split("_")
    if family == "quiet":
        return quiet(made_baseline(), int(which), QUIET_WINDOWS)
    if family == "drift":
        return drifting(made_baseline(which), which, DRIFT_SEEDS)
    if family == "flights":
        return flights(_year(), which)
    return timed(int(which), TIMED[int(which)])


@cache
def _year() -> pd.DataFrame:
    return load_flights()


def _made(name: str, baseline: np.ndarray, windows: np.ndarray) -> Data:
    return Data(
        name=name,
        columns=NAMES,
        categorical=CATEGORICAL,
        ordered=False,
        timed=False,
        reference=baseline,
        windows=windows,
    )
