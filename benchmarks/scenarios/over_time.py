"""What takes hours: traffic that strays by itself, drift that comes slowly, and a fault that comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Optional

import numpy as np

from . import changes as c
from . import populations as p
from .alerts import Firing, firing
from .catalogue import ORDERED, UNORDERED, Case, Scenario, generator
from .notifying import AT_ONCE
from .own import baseline_of
from .serving import Timeline, pieces, serve

MILLION = 1_000_000
SLOW_ROWS, SLOW_SIGMAS = 100_000, 0.5
HOUR, HOURS, FAULT_SECONDS = 3_600, 8, 180


@dataclass(frozen=True)
class Story:
    """A stretch of traffic, and what is asked of it.

    case: whose baseline and source it has. rows: gives all of them, of a generator. part: rows a flush. seconds: from
    one flush to the next. healthy: rows before the story, which are not counted. measure: makes a figure of the
    flushes at which drift is believed, or told. most: how large it may be; least: how small. seeds: how often it is
    played; the worst counts.
    """

    case: Case
    rows: Callable[[np.random.Generator], np.ndarray]
    part: int
    seconds: int
    measure: Callable[[list[bool]], Optional[float]]
    unit: str
    healthy: int = 0
    most: Optional[float] = None
    least: Optional[float] = None
    seeds: int = 1

    @property
    def key(self) -> str:
        """Its name in files."""
        return self.case.key

    def holds(self, figures: dict[str, Any]) -> bool:
        """Tell whether drift is believed, or not, as it should be; drift that is never found is too late."""
        value = figures["believed"]
        if value is None:
            return False
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


def episodes(flags: list[bool]) -> float:
    """Return how often something begins.

    >>> episodes([False, True, True, False, True])
    2.0
    """
    return float(sum(now and not before for before, now in pairwise([False, *flags])))


def first_row(part: int, healthy: int) -> Callable[[list[bool]], Optional[float]]:
    """Return what tells how many rows had come at the first flush that says so; None for never."""

    def row(flags: list[bool]) -> Optional[float]:
        # The first flush comes before any row.
        return next((place * part - healthy for place, flag in enumerate(flags) if flag), None)

    return row


def hours_told(flushes_an_hour: int) -> Callable[[list[bool]], float]:
    """Return what tells in which share of the hours something is said."""

    def told(flags: list[bool]) -> float:
        hours = [any(hour) for hour in (list(one) for one in pieces(np.array(flags[1:]), flushes_an_hour))]
        return float(np.mean(hours))

    return told


def _slow(rng: np.random.Generator) -> np.ndarray:
    rows = p.SIX.draw(rng, SLOW_ROWS)
    rows[:, p.SIX.place("load")] += np.linspace(0.0, SLOW_SIGMAS, SLOW_ROWS)
    return rows


def _recurring(column: str, change: c.OfColumn) -> Callable[[np.random.Generator], np.ndarray]:
    def rows(rng: np.random.Generator) -> np.ndarray:
        found = p.SIX.draw(rng, HOUR * HOURS)
        place = p.SIX.place(column)
        for start in range(0, len(found), HOUR):
            part = slice(start, start + FAULT_SECONDS)
            found[part, place] = change(found[part, place], rng)
        return found

    return rows


def _stories() -> Iterator[Story]:
    for window in (1_000, 10_000):
        yield Story(
            Case(
                Scenario("wandering", "a million rows of AR(1), ρ 0.9", "Over time", p.SENSORS),
                UNORDERED,
                window,
            ),
            lambda rng: p.SENSORS.draw(rng, MILLION),
            part=window // 4,
            seconds=30,
            measure=episodes,
            unit="episodes",
            most=5,
        )
    for kind in (ORDERED, UNORDERED):
        yield Story(
            Case(
                Scenario("slow", f"0 to {SLOW_SIGMAS} σ over {SLOW_ROWS:,} rows", "Over time", p.SIX),
                kind,
                10_000,
            ),
            _slow,
            part=1_000,
            seconds=30,
            measure=first_row(1_000, 10_000),
            unit="row of detection",
            healthy=10_000,
            most=40_000,
            seeds=5,
        )
    for name, title, column, change in (
        ("back-unit", "×100 in amount", "amount", c.times(100.0)),
        ("back-shift", "+3 σ in load", "load", c.plus(3.0)),
    ):
        for window in (1_000, 10_000):
            yield Story(
                Case(
                    Scenario(name, f"{title}, 3 minutes of each hour, a row a second", "Over time", p.SIX),
                    UNORDERED,
                    window,
                ),
                _recurring(column, change),
                part=60,
                seconds=60,
                measure=hours_told(HOUR // 60),
                unit="hours",
                # What the window is too large for is for the rules of the fleet.
                least=0.9 if window == 1_000 else None,
            )


STORIES = tuple(_stories())


def tell(story: Story, *, quick: bool = False, alerts: bool = True) -> dict[str, Any]:
    """Return the figures of a story, the worst of its seeds: what is believed, and what people are told."""
    seeds = 1 if quick else story.seeds
    baseline = baseline_of(story.case)

    def played(seed: int) -> Timeline:
        rows = story.rows(generator(story.key, seed))
        if quick and story.measure is episodes:
            rows = rows[: len(rows) // 5]
        before = story.case.healthy(seed, story.healthy) if story.healthy else rows[:0]
        batches = pieces(np.concatenate([before, rows]), story.part)
        return serve(story.case.scenario.source, baseline, story.case.window, batches, Timeline())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        timelines = dict(enumerate(pool.map(played, range(seeds))))
    found: dict[str, Any] = {"believed": _worst([story.measure(one.drifted()) for one in timelines.values()])}
    if alerts:
        told = firing({str(seed): one for seed, one in timelines.items()}, story.seconds)
        found["notified"] = _worst(
            [story.measure(_flags(told, seed, one)) for seed, one in timelines.items()]
        )
    return found | {"unit": story.unit}


def _flags(told: Firing, seed: int, timeline: Timeline) -> list[bool]:
    return [(str(seed), step) in told for step in range(timeline.steps)]


def _worst(values: list[Optional[float]]) -> Optional[float]:
    """Return the largest; None, for never, is larger than any."""
    return None if None in values else max(value for value in values if value is not None)
