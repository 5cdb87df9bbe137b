"""What the alerts tell of each scenario: when each begins to fire, and how often; and what is wrong with that."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stack.promtool import PROMTOOL, Player

from .catalogue import DAYS, HOURS, SHORT, Scenario
from .world import World

MINUTE = 60


@dataclass(frozen=True, eq=False)
class Batch:
    """Scenarios that are watched for the same time, each in a cluster of its own of the same Prometheus.

    minutes: of the story. step: seconds from one scrape to the next. every: seconds from one time that is asked about
    to the next. alerts: those that are asked for.
    """

    name: str
    scenarios: tuple[Scenario, ...]
    minutes: int
    step: int
    every: int
    alerts: str = ".+"


LARGE = tuple(one for one in SHORT if "50 servers" in one.name)
BATCHES = (
    Batch("minutes", tuple(one for one in SHORT if one not in LARGE), minutes=40, step=15, every=30),
    Batch("50 servers", LARGE, minutes=24, step=15, every=60),
    Batch("hours", HOURS, minutes=7 * 60, step=60, every=60),
    Batch("days", DAYS, minutes=53 * 60, step=120, every=600, alerts="ModelRetrain.+|ModelInputDrift"),
)
# What a batch for another player than promtool may hold: the time that one takes grows with the servers.
MOST_SERVERS = 4


def one_an_alert() -> Batch:
    """Return the first story of minutes and of few servers that tells of each alert."""
    known: set[str] = set()
    chosen = []
    for one in BATCHES[0].scenarios:
        servers = {id(model.host) for model in one.models(cluster="")}
        if len(servers) <= MOST_SERVERS and not known.issuperset(one.tells):
            known.update(one.tells)
            chosen.append(one)
    return replace(BATCHES[0], name="one an alert", scenarios=tuple(chosen))


ONE_AN_ALERT = one_an_alert()


@dataclass(frozen=True)
class Told:
    """Of an alert: minutes after the onset when it fires first, and how often it begins to fire."""

    minutes: float
    times: int


@functools.cache
def told(batch: Batch, player: Player = PROMTOOL) -> dict[str, dict[str, Told]]:
    """Return what is told, by the name of the scenario and the alert."""
    clusters = {one.name: f"c{number}" for number, one in enumerate(batch.scenarios)}
    models = [model for one in batch.scenarios for model in one.models(cluster=clusters[one.name])]
    world = World(models, minutes=batch.minutes, step=batch.step)
    firing = world.firing(alerts=batch.alerts, every=batch.every, player=player)
    unknown = {one["alertname"] for alerts in firing.values() for one in alerts if "cluster" not in one}
    assert not unknown, f"{unknown} fire, and do not say in which cluster"
    return {
        one.name: _of(
            one,
            {
                time: {a["alertname"] for a in alerts if a["cluster"] == clusters[one.name]}
                for time, alerts in firing.items()
            },
        )
        for one in batch.scenarios
    }


def wrong(scenario: Scenario, found: dict[str, Told]) -> list[str]:
    """Say what is told and should not be, or should be and is not, comes late or comes again."""
    due = scenario.tells
    return [
        *(f"{alert} is silent" for alert in due if alert not in found),
        *(f"{alert} tells" for alert in found if alert not in due),
        *(
            f"{alert} tells after {one.minutes:g} minutes, not {due[alert]:g}"
            for alert, one in found.items()
            if alert in due and one.minutes > due[alert]
        ),
        *(f"{alert} begins {one.times} times" for alert, one in found.items() if one.times > scenario.most),
    ]


def _of(scenario: Scenario, firing: dict[int, set[str]]) -> dict[str, Told]:
    first: dict[str, float] = {}
    times: dict[str, int] = {}
    for alert, time in _begins(firing):
        first.setdefault(alert, (time - scenario.onset) / MINUTE)
        times[alert] = times.get(alert, 0) + 1
    return {alert: Told(first[alert], times[alert]) for alert in first}


def _begins(firing: dict[int, set[str]]) -> Iterator[tuple[str, int]]:
    """Yield each time that an alert fires and did not before."""
    before: set[str] = set()
    for time, alerts in sorted(firing.items()):
        for alert in alerts - before:
            yield alert, time
        before = alerts
