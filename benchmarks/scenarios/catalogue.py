"""The scenarios, a row each: who sends what, what goes wrong with it, and what has to come of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Optional

import numpy as np

from . import changes as c
from . import populations as p
from .changes import Change
from .populations import Population

SEED = 20261126
# Training rows, in windows: enough to learn limits of the size that is judged.
TRAINING_WINDOWS = 30
ORDERED, UNORDERED = "time order", "no order"
BOTH = (ORDERED, UNORDERED)
LARGE = (1_000, 10_000)
SMALL_BASELINES = (100, 200, 500, 1_000)
SMALL_WINDOWS = (50, 100, 200, 1_000)
# How many windows of a size are judged.
WINDOWS = {10_000: 40}
MOST_WINDOWS = 200


@dataclass(frozen=True)
class Wanted:
    """What has to hold: a measure of a row of the table, and its least or largest share.

    measure: `flagged`, `first` (flagged, with the right column named first) or `notified`. window: the size that it is
    asked of; None for each.
    """

    measure: str
    at_least: Optional[float] = None
    at_most: Optional[float] = None
    window: Optional[int] = None

    def holds(self, share: float) -> bool:
        """Tell whether a share is what is wanted."""
        return (self.at_least is None or share >= self.at_least) and (
            self.at_most is None or share <= self.at_most
        )


# Few windows of a gross fault may be missed; of a moderate shift a few more.
FOUND = (Wanted("first", at_least=0.99), Wanted("notified", at_least=0.99))
SEEN = (Wanted("flagged", at_least=0.95, window=10_000),)
TOLD = (Wanted("notified", at_least=0.95),)
QUIET = (Wanted("flagged", at_most=0.01), Wanted("notified", at_most=0.0))
UNTOLD = (Wanted("notified", at_most=0.0),)


@dataclass(frozen=True)
class Scenario:
    """One kind of traffic.

    right: the columns that may be named first. kinds: of baselines, ORDERED and UNORDERED. training: rows; None for
    TRAINING_WINDOWS windows. baselines: how many are learned of rows of their own; the worst is reported.
    """

    name: str
    title: str
    group: str
    population: Population
    change: Change = c.nothing
    right: tuple[str, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    kinds: tuple[str, ...] = BOTH
    windows: tuple[int, ...] = LARGE
    training: Optional[int] = None
    baselines: int = 1
    notified: bool = True


@dataclass(frozen=True)
class Case:
    """One row of the table: a scenario, a kind of baseline and a window."""

    scenario: Scenario
    kind: str
    window: int

    @property
    def key(self) -> str:
        """Its name in files."""
        return f"{self.scenario.name}/{self.kind}/{self.window}"

    @property
    def training(self) -> int:
        """Rows that a baseline is learned of."""
        return self.scenario.training or TRAINING_WINDOWS * self.window

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """What has to hold in this row."""
        return tuple(one for one in self.scenario.wanted if one.window in (None, self.window))

    @property
    def baseline(self) -> str:
        """The kind of baseline, in words."""
        return self.kind if self.scenario.training is None else f"{self.training:,} rows"

    def reference(self, number: int = 0) -> np.ndarray:
        """Return the training rows of one of the scenario's baselines; the same for all scenarios of a population."""
        return _reference(self.scenario.population, self.training, number)

    def rows(self, number: int, rows: Optional[int] = None) -> np.ndarray:
        """Return one of the windows, or as many rows of what they are cut from."""
        rng = _generator(self.scenario.population.name, self.scenario.name, self.window, number)
        drawn = self.scenario.population.draw(rng, rows or self.window)
        return self.scenario.change(drawn, rng)

    def healthy(self, number: int, rows: int) -> np.ndarray:
        """Return rows before anything goes wrong."""
        rng = _generator(self.scenario.population.name, "healthy", self.window, number)
        return self.scenario.population.draw(rng, rows)


def windows_of(size: int, *, quick: bool = False) -> int:
    """Return how many windows of a size are judged."""
    count = WINDOWS.get(size, MOST_WINDOWS)
    return count // 5 if quick else count


def _generator(*names: object) -> np.random.Generator:
    return np.random.default_rng([SEED, *(zlib.crc32(str(name).encode()) for name in names)])


@cache
def _reference(population: Population, rows: int, number: int) -> np.ndarray:
    return population.draw(_generator("training", population.name, rows, number), rows)


def _of(population: Population, column: str, change: c.OfColumn) -> Change:
    return c.column(population.place(column), change)


def _gross() -> Iterator[Scenario]:
    group = "A gross fault in few rows"
    six = p.SIX
    for share in (0.05, 0.09):
        for column in ("temperature", "amount"):
            yield Scenario(
                f"sentinel-{column}-{share:.0%}",
                f"−999 in {share:.0%} of {column}",
                group,
                six,
                _of(six, column, c.some(share, c.set_to(-999.0))),
                (column,),
                FOUND,
            )
    for column in ("temperature", "amount"):
        yield Scenario(
            f"unit-{column}",
            f"×100 in 9% of {column}",
            group,
            six,
            _of(six, column, c.some(0.09, c.times(100.0))),
            (column,),
            FOUND,
        )
    for column in ("temperature", "amount"):
        yield Scenario(
            f"top-{column}",
            f"top 1% of {column} ×100",
            group,
            six,
            _of(six, column, c.top(0.01, 100.0)),
            (column,),
            FOUND,
        )
    for heavy in (p.CAUCHY, p.PARETO):
        column, title = heavy.columns[2], heavy.name.capitalize()
        yield Scenario(f"{heavy.name}-quiet", f"{title}: quiet", group, heavy, wanted=QUIET)
        faults = {
            "sentinel-5%": ("−999 in 5%", c.some(0.05, c.set_to(-999.0))),
            "sentinel-9%": ("−999 in 9%", c.some(0.09, c.set_to(-999.0))),
            "unit": ("×100 in 9%", c.some(0.09, c.times(100.0))),
            "top": ("top 1% ×100", c.top(0.01, 100.0)),
        }
        for name, (words, change) in faults.items():
            yield Scenario(
                f"{heavy.name}-{name}",
                f"{title}: {words}",
                group,
                heavy,
                _of(heavy, column, change),
                (column,),
                FOUND,
            )


def _moderate() -> Iterator[Scenario]:
    group = "Moderate shifts"
    yield Scenario("quiet", "quiet", group, p.SIX, wanted=QUIET)
    six: list[tuple[str, str, str, c.OfColumn, tuple[Wanted, ...]]] = [
        ("plus-0.1", "+0.1 σ", "load", c.plus(0.1), UNTOLD),
        ("plus-0.3", "+0.3 σ", "load", c.plus(0.3), SEEN),
        ("spread-0.8", "spread ×0.8", "load", c.spread(0.8), SEEN),
        ("spread-1.3", "spread ×1.3", "load", c.spread(1.3), SEEN),
        ("boolean-20%", "a boolean from 10 to 20%", "flag", c.share_of_ones(0.2), SEEN),
        ("mixture", "10% at +2 σ", "load", c.some(0.1, c.plus(2.0)), SEEN),
    ]
    for name, title, column, change, wanted in six:
        yield Scenario(name, title, group, p.SIX, _of(p.SIX, column, change), (column,), wanted)
    yield Scenario(
        "class-20%",
        "a predicted class from 10 to 20%",
        group,
        p.CLASSIFIED,
        _of(p.CLASSIFIED, "predicted_class", c.share_of_class(0, 0.2, p.CLASS_SHARES)),
        ("predicted_class",),
        SEEN,
    )


def _unordered() -> Iterator[Scenario]:
    group = "Without time order"
    faults: list[tuple[str, str, c.OfColumn]] = [
        ("plus-0.9", "+0.9 σ", c.plus(0.9)),
        ("spread-1.5", "spread ×1.5", c.spread(1.5)),
        ("missing-5%", "5% missing", c.some(0.05, c.set_to(np.nan))),
        ("missing-9%", "9% missing", c.some(0.09, c.set_to(np.nan))),
        ("stuck-25%", "stuck in 25% of rows", c.some(0.25, c.set_to(0.3))),
    ]
    for name, title, change in faults:
        yield Scenario(
            name, title, group, p.SIX, _of(p.SIX, "load", change), ("load",), TOLD, kinds=(UNORDERED,)
        )


def _small() -> Iterator[Scenario]:
    for rows in SMALL_BASELINES:
        yield Scenario(
            f"small-{rows}",
            "quiet, ten mixed columns (worst of 8 baselines)",
            "Small baselines",
            p.MIXED,
            wanted=(Wanted("flagged", at_most=0.02),),
            kinds=(UNORDERED,),
            windows=SMALL_WINDOWS,
            training=rows,
            baselines=8,
            notified=False,
        )
    yield Scenario(
        "poisson",
        "quiet, ten Poisson columns",
        "Values never seen",
        p.POISSON,
        wanted=(Wanted("flagged", at_most=0.015),),
        kinds=(UNORDERED,),
        windows=(50, 100, 200),
        training=10_000,
        baselines=4,
        notified=False,
    )


def _sensors() -> Iterator[Scenario]:
    group = "Sensors in time order (AR(1), ρ 0.9)"
    stuck = _of(p.SENSORS, "sensor_1", c.stuck)
    yield Scenario("sensors-quiet", "quiet", group, p.SENSORS, wanted=QUIET, kinds=(ORDERED,))
    yield Scenario(
        "sensors-stuck",
        "one stands still for the whole window",
        group,
        p.SENSORS,
        stuck,
        ("sensor_1",),
        FOUND,
        kinds=(ORDERED,),
    )
    yield Scenario(
        "standing-quiet",
        "one stands still, as it did at times in training",
        group,
        p.STANDING,
        stuck,
        # A value at which it never stood in training is news.
        wanted=(Wanted("flagged", at_most=0.05), Wanted("notified", at_most=0.05)),
        kinds=(ORDERED,),
        windows=(1_000,),
        training=100_000,
    )


SCENARIOS = (*_gross(), *_moderate(), *_unordered(), *_small(), *_sensors())


def cases(scenarios: tuple[Scenario, ...] = SCENARIOS) -> tuple[Case, ...]:
    """Return the rows of the table, in order."""
    return tuple(
        Case(scenario, kind, window)
        for scenario in scenarios
        for kind in scenario.kinds
        for window in scenario.windows
    )
