"""What training rows and healthy traffic are drawn from; by NumPy and SciPy alone, so that every tool can draw it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

Draw = Callable[[np.random.Generator, int], np.ndarray]
RHO = 0.9
CLASSES = 5
# A share of 10 % for the class that a change doubles.
CLASS_SHARES = (0.1, 0.3, 0.25, 0.2, 0.15)


@dataclass(frozen=True)
class Population:
    """Rows of one kind of model.

    columns: their names. draw: gives (n, columns) of a generator and n, in the order of time; NaN is missing.
    categorical: columns whose numbers are codes. texts: those of them that training data has as texts. classes: of the
    model that answers, whose predicted class is the last column; 0 where no outputs are drawn.
    """

    name: str
    columns: tuple[str, ...]
    draw: Draw
    categorical: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    classes: int = 0

    def place(self, column: str) -> int:
        """Return where a column is."""
        return self.columns.index(column)


def zipf(rng: np.random.Generator, rows: int, values: int) -> np.ndarray:
    """Return codes 0 to values − 1, of which the k-th comes with a probability in proportion to 1 / k."""
    shares = 1.0 / np.arange(1, values + 1)
    return rng.choice(values, size=rows, p=shares / shares.sum()).astype(float)


def autocorrelated(rng: np.random.Generator, rows: int, columns: int, rho: float = RHO) -> np.ndarray:
    """Return (rows, columns) of independent AR(1) series with mean 0 and std 1."""
    steps = rng.normal(size=(rows, columns))
    steps[1:] *= np.sqrt(1 - rho**2)
    found: np.ndarray = lfilter([1.0], [1.0, -rho], steps, axis=0)
    return found


def _six(rng: np.random.Generator, rows: int) -> np.ndarray:
    return np.column_stack(
        [
            rng.normal(15.0, 8.0, rows),
            rng.normal(0.0, 1.0, rows),
            rng.lognormal(3.0, 1.0, rows),
            rng.beta(2.0, 5.0, rows),
            rng.random(rows) < 0.1,
            zipf(rng, rows, 8),
        ]
    ).astype(float)


def _classified(rng: np.random.Generator, rows: int) -> np.ndarray:
    return np.column_stack([_six(rng, rows), rng.choice(CLASSES, size=rows, p=CLASS_SHARES)])


def _heavy(tail: Draw) -> Draw:
    def draw(rng: np.random.Generator, rows: int) -> np.ndarray:
        return np.column_stack([tail(rng, rows) for _ in range(6)])

    return draw


def _sensors(rng: np.random.Generator, rows: int) -> np.ndarray:
    return autocorrelated(rng, rows, 6)


# How long the sensor stands still at a time, in rows, and how much of the time.
STANDING_ROWS, STANDING_SHARE = 2_500, 0.3


def _standing(rng: np.random.Generator, rows: int) -> np.ndarray:
    found = _sensors(rng, rows)
    stretches = np.arange(0, rows, STANDING_ROWS)
    for start in stretches[rng.random(len(stretches)) < STANDING_SHARE]:
        found[start : start + STANDING_ROWS, 0] = found[start, 0]
    return found


def _poisson(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.poisson(np.geomspace(0.2, 40.0, 10), size=(rows, 10)).astype(float)


def _mixed(rng: np.random.Generator, rows: int) -> np.ndarray:
    def zero_inflated(share: float, values: np.ndarray) -> np.ndarray:
        return np.where(rng.random(rows) < share, 0.0, values)

    return np.column_stack(
        [
            zipf(rng, rows, 200),
            zipf(rng, rows, 1000),
            zero_inflated(0.95, rng.exponential(1.0, rows)),
            zero_inflated(0.6, rng.lognormal(0.0, 1.0, rows)),
            rng.normal(size=rows),
            rng.lognormal(size=rows),
            rng.integers(0, 4, rows),
            rng.random(rows) < 0.02,
            np.where(rng.random(rows) < 0.03, np.nan, rng.uniform(size=rows)),
            rng.poisson(3.0, rows),
        ]
    ).astype(float)


SIX = Population(
    "six",
    ("temperature", "load", "amount", "humidity", "flag", "region"),
    _six,
    categorical=("flag", "region"),
)
CLASSIFIED = Population(
    "classified",
    (*SIX.columns, "predicted_class"),
    _classified,
    categorical=(*SIX.categorical, "predicted_class"),
    classes=CLASSES,
)
CAUCHY = Population(
    "cauchy",
    tuple(f"cauchy_{place}" for place in range(1, 7)),
    _heavy(lambda rng, rows: rng.standard_cauchy(rows)),
)
PARETO = Population(
    "pareto",
    tuple(f"pareto_{place}" for place in range(1, 7)),
    _heavy(lambda rng, rows: 1.0 + rng.pareto(1.2, rows)),
)
SENSORS = Population("sensors", tuple(f"sensor_{place}" for place in range(1, 7)), _sensors)
STANDING = Population("standing", SENSORS.columns, _standing)
POISSON = Population("poisson", tuple(f"count_{place}" for place in range(1, 11)), _poisson)
MIXED = Population(
    "mixed",
    (
        "zipf_200", "zipf_1000", "zero_95", "zero_60", "normal", "lognormal", "few_valued", "boolean", "missing_3",
        "poisson",
    ),
    _mixed,
    categorical=("zipf_200", "zipf_1000", "few_valued", "boolean"),
    texts=("zipf_200", "zipf_1000"),
)  # fmt: skip
# The same as a model is given them, and as `learn` sees them: codes in the place of texts.
SERVED = replace(MIXED, name="served", texts=())
