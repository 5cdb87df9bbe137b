"""The scenarios, a row each: who sends what, what goes wrong with it, and what has to come of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Optional, Union

import numpy as np

from . import changes as c
from . import populations as p
from .changes import Change
from .populations import Population
from .streams import STREAMS, VANE, Stream

SEED = 20261126
# Training rows, in windows: enough to learn limits of the size that is judged.
TRAINING_WINDOWS = 30
ORDERED, UNORDERED = "time order", "no order"
BOTH = (ORDERED, UNORDERED)
LARGE = (1_000, 10_000)
SMALL_BASELINES = (100, 200, 500, 1_000)
SMALL_WINDOWS = (50, 100, 200, 1_000)
# How many windows of a size are judged.
WINDOWS = {10_000: 40, 200: 400, 100: 400, 50: 400}
MOST_WINDOWS = 200
WINDOWS_A_BASELINE = 100


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
STREAM_FOUND = (Wanted("first", at_least=0.95), *TOLD)
QUIET = (Wanted("flagged", at_most=0.01), Wanted("notified", at_most=0.0))
UNTOLD = (Wanted("notified", at_most=0.0),)


@dataclass(frozen=True)
class Scenario:
    """One kind of traffic.

    source: what training rows and windows are of, made or real. right: the columns that may be named first. kinds: of
    baselines, ORDERED and UNORDERED. training: rows; None for TRAINING_WINDOWS windows. baselines: how many are learned
    of rows of their own; the worst is reported. notified: whether it is played to the alerts.
    """

    name: str
    title: str
    group: str
    source: Union[Population, Stream]
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
        source = self.scenario.source
        if isinstance(source, Stream):
            return source.training
        return self.scenario.training or TRAINING_WINDOWS * self.window

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """What has to hold in this row."""
        return tuple(one for one in self.scenario.wanted if one.window in (None, self.window))

    @property
    def baseline(self) -> str:
        """The kind of baseline, in words."""
        small = self.kind == UNORDERED and self.scenario.training is not None
        return f"{self.training:,} rows" if small else self.kind

    def count(self, *, quick: bool = False) -> int:
        """Return how many windows are judged."""
        count = WINDOWS.get(self.window, MOST_WINDOWS)
        if isinstance(self.scenario.source, Stream):
            count = min(count, self.scenario.source.windows(self.window))
        if self.scenario.baselines > 1:
            count = min(count, WINDOWS_A_BASELINE)
        return max(count // 5, 1) if quick else count

    def reference(self, number: int = 0) -> np.ndarray:
        """Return the training rows of one of the scenario's baselines; the same for all scenarios of a source."""
        source = self.scenario.source
        if isinstance(source, Stream):
            return source.rows(0, self.training)
        return _drawn(source, self.training, number)

    def rows(self, number: int, rows: Optional[int] = None) -> np.ndarray:
        """Return one of the windows, or as many rows as are wanted from where it begins."""
        source, rows = self.scenario.source, rows or self.window
        rng = generator(source.name, self.scenario.name, self.window, number)
        if isinstance(source, Stream):
            return self.scenario.change(source.rows(self._start(source, number), rows), rng)
        return self.scenario.change(source.draw(rng, rows), rng)

    def healthy(self, number: int, rows: int) -> np.ndarray:
        """Return what came before the window."""
        source = self.scenario.source
        if isinstance(source, Stream):
            return source.rows(self._start(source, number) - rows, rows)
        return source.draw(generator(source.name, "healthy", self.window, number), rows)

    def _start(self, stream: Stream, number: int) -> int:
        """Return where a window begins: they are spread over what comes after the training data."""
        windows = stream.windows(self.window)
        return stream.training + self.window * (1 + number * windows // min(self.count(), windows))


def generator(*names: object) -> np.random.Generator:
    """Return the generator that goes by these names."""
    return np.random.default_rng([SEED, *(zlib.crc32(str(name).encode()) for name in names)])


@cache
def _drawn(population: Population, rows: int, number: int) -> np.ndarray:
    return population.draw(generator("training", population.name, rows, number), rows)


def _of(population: Union[Population, Stream], column: str, change: c.OfColumn) -> Change:
    return c.column(population.place(column), change)


MAST = "Met mast, every ten minutes, 22 months"
# What a file calls it, what the table does, and what it does to a column; {} is the column, or nothing.
GROSS: tuple[tuple[str, str, c.OfColumn], ...] = (
    ("sentinel{}-5%", "−999 in 5 %{}", c.some(0.05, c.set_to(-999.0))),
    ("sentinel{}-9%", "−999 in 9 %{}", c.some(0.09, c.set_to(-999.0))),
    ("unit{}", "×100 in 9 %{}", c.some(0.09, c.times(100.0))),
    ("top{}", "top 1 %{} ×100", c.top(0.01, 100.0)),
)


def _gross() -> Iterator[Scenario]:
    group = "A gross fault in few rows"
    for name, words, change in GROSS:
        for column in ("temperature", "amount"):
            called, told = name.format(f"-{column}"), words.format(f" of {column}")
            yield Scenario(called, told, group, p.SIX, _of(p.SIX, column, change), (column,), FOUND)
    for heavy in (p.CAUCHY, p.PARETO):
        column, title = heavy.columns[2], heavy.name.capitalize()
        yield Scenario(f"{heavy.name}-quiet", f"{title}: quiet", group, heavy, wanted=QUIET)
        for name, words, change in GROSS:
            called, told = f"{heavy.name}-{name.format('')}", f"{title}: {words.format('')}"
            yield Scenario(called, told, group, heavy, _of(heavy, column, change), (column,), FOUND)


def _moderate() -> Iterator[Scenario]:
    group = "Moderate shifts"
    yield Scenario("quiet", "quiet", group, p.SIX, wanted=QUIET)
    six: list[tuple[str, str, str, c.OfColumn, tuple[Wanted, ...]]] = [
        ("plus-0.1", "+0.1 σ", "load", c.plus(0.1), UNTOLD),
        ("plus-0.3", "+0.3 σ", "load", c.plus(0.3), SEEN),
        ("spread-0.8", "spread ×0.8", "load", c.spread(0.8), SEEN),
        ("spread-1.3", "spread ×1.3", "load", c.spread(1.3), SEEN),
        ("boolean-20%", "a boolean from 10 to 20 %", "flag", c.share_of_ones(0.2), SEEN),
        ("mixture", "10 % at +2 σ", "load", c.some(0.1, c.plus(2.0)), SEEN),
    ]
    for name, title, column, change, wanted in six:
        yield Scenario(name, title, group, p.SIX, _of(p.SIX, column, change), (column,), wanted)
    yield Scenario(
        "class-20%",
        "a predicted class from 10 to 20 %",
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
        ("missing-5%", "5 % missing", c.some(0.05, c.set_to(np.nan))),
        ("missing-9%", "9 % missing", c.some(0.09, c.set_to(np.nan))),
        ("stuck-25%", "stuck in 25 % of rows", c.some(0.25, c.set_to(0.3))),
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
        "small-learned",
        "quiet, the same as codes (`learn: 100`, worst of 8)",
        "Small baselines",
        p.SERVED,
        wanted=(Wanted("flagged", at_most=0.02),),
        kinds=(UNORDERED,),
        windows=SMALL_WINDOWS,
        training=100,
        baselines=8,
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
        wanted=(Wanted("flagged", at_most=0.05), Wanted("notified", at_most=0.1)),
        kinds=(ORDERED,),
        windows=(1_000,),
        training=100_000,
    )


def _streams() -> Iterator[Scenario]:
    for stream, title, window in (
        (STREAMS[0], "Wind site, hourly, 17 years", 1_000),
        (STREAMS[1], MAST, 1_000),
        (STREAMS[2], "Weather station, daily, 50 years", 365),
    ):
        temperature = stream.place("temperature")
        wind = "wind_speed" if "wind_speed" in stream.columns else "speed_80m"
        # The station is American.
        unit = c.affine(5 / 9, -160 / 9) if stream.name == "station" else c.affine(1.8, 32.0)
        faults: list[tuple[str, str, Change, tuple[str, ...]]] = [
            ("unit", "temperature in the other unit", c.column(temperature, unit), ("temperature",)),
            ("stuck", f"{wind} stuck", _of(stream, wind, c.stuck), (wind,)),
            (
                "swapped",
                "temperature and pressure swapped",
                c.swapped(temperature, stream.place("pressure")),
                ("temperature", "pressure"),
            ),
            (
                "alike",
                f"temperature and {wind} swapped",
                c.swapped(temperature, stream.place(wind)),
                ("temperature", wind),
            ),
        ]
        if "hour" in stream.columns:
            for hours in (1, 12):
                shift = _of(stream, "hour", c.turned(hours, 24))
                faults.append(
                    (f"hour+{hours}", f"the clock is {hours} h ahead", shift, ("hour", "row_distance"))
                )
        common = {"kinds": (ORDERED,), "windows": (window,), "group": title}
        yield Scenario(
            f"{stream.name}-quiet",
            "quiet",
            source=stream,
            wanted=(Wanted("flagged", at_most=0.05),),
            **common,
        )
        for name, words, change, right in faults:
            yield Scenario(
                f"{stream.name}-{name}",
                words,
                source=stream,
                change=change,
                right=right,
                wanted=STREAM_FOUND if name in ("unit", "stuck", "swapped") else (),
                **common,
            )


def _vane() -> Iterator[Scenario]:
    yield Scenario(
        "vane-stuck",
        "its vane stands still, as it did",
        MAST,
        VANE,
        right=("wind_direction",),
        wanted=STREAM_FOUND,
        kinds=(ORDERED,),
        windows=(1_000,),
    )


SCENARIOS = (*_gross(), *_moderate(), *_unordered(), *_small(), *_sensors(), *_streams(), *_vane())


def cases(scenarios: tuple[Scenario, ...] = SCENARIOS) -> tuple[Case, ...]:
    """Return the rows of the table, in order."""
    return tuple(
        Case(scenario, kind, window)
        for scenario in scenarios
        for kind in scenario.kinds
        for window in scenario.windows
    )
