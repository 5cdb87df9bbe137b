"""What may happen to models and their servers, and which alerts have to tell of it, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torchvitals.config import Objectives

from .world import DAY, HOUR, MINUTE, Host, Model, during, hosts

# When the trouble begins in the short stories, in seconds.
ONSET = 15 * MINUTE


@dataclass(frozen=True, eq=False)
class Scenario:
    """One row of the table.

    models: makes them, with the labels that tell the scenario apart. tells: the alerts that must fire, and the latest
    minute after the onset; no other alert may. onset: in seconds. most: how often one of them may begin to fire.
    """

    name: str
    models: Callable[..., list[Model]]
    tells: Mapping[str, float] = field(default_factory=dict)
    onset: float = ONSET
    most: int = 1


def one(**what: object) -> Callable[..., list[Model]]:
    """Return a model on one host of which something is said."""
    return lambda **labels: [Model(host, **what) for host in hosts(1, **labels)]  # type: ignore[arg-type]


def many(count: int, **what: object) -> Callable[..., list[Model]]:
    """Return a model on several hosts of which the same is said."""
    return lambda **labels: [Model(host, **what) for host in hosts(count, **labels)]  # type: ignore[arg-type]


def one_of(count: int, **what: object) -> Callable[..., list[Model]]:
    """Return a model on several hosts, of the first of which something is said."""

    def models(**labels: str) -> list[Model]:
        first, *others = hosts(count, **labels)
        return [Model(first, **what), *map(Model, others)]  # type: ignore[arg-type]

    return models


def lost(count: int, of: int, what: str) -> Callable[..., list[Model]]:
    """Return a model on hosts, some of which Prometheus no longer reaches (up) or finds (known)."""

    def models(**labels: str) -> list[Model]:
        everyone = hosts(of, **labels)
        for host in everyone[:count]:
            setattr(host, what, during(ONSET, 0.0, otherwise=1.0))
        return list(map(Model, everyone))

    return models


def with_host(what: Mapping[str, object], **of_model: object) -> Callable[..., list[Model]]:
    """Return a model on one host of which something is said, and of the model too."""

    def models(**labels: str) -> list[Model]:
        return [Model(Host("ts-0", labels=labels, **what), **of_model)]  # type: ignore[arg-type]

    return models


def canary(errors: float, stable: float = 0.001) -> Callable[..., list[Model]]:
    """Return a stable version and a new one with a twentieth of the traffic that fails more."""

    def models(**labels: str) -> list[Model]:
        (host,) = hosts(1, **labels)
        return [
            Model(host, rate=19.0, errors=stable),
            Model(host, version="2.0", rate=1.0, errors=during(ONSET, errors, otherwise=stable)),
        ]

    return models


ERRORS = {"ModelErrorRateHigh": 3.0, "ModelErrorBudgetBurnFast": 5.0, "ModelErrorBudgetBurnSlow": 20.0}
UNANSWERED = {"ModelUnanswered": 3.0, "ModelErrorBudgetBurnFast": 5.0, "ModelErrorBudgetBurnSlow": 20.0}

DRIFT = {"ModelInputDrift": 3.0, "ModelInputChangedModelHealthy": 8.0}

# Half an hour each, scraped every 15 s.
SHORT = (
    Scenario("all is well", one()),
    Scenario(
        "no worker is alive: each answer is a 503",
        one(unanswered=during(ONSET, 1.0), alive=during(0, 1.0, end=ONSET)),
        UNANSWERED,
    ),
    Scenario(
        "the handler dies at each request",
        one(unanswered=during(ONSET, 1.0), restarts=lambda time: max(0.0, (time - ONSET) // 30)),
        {**UNANSWERED, "ModelWorkersRestarting": 3.0},
    ),
    Scenario(
        "a new version cannot be loaded",
        one(unanswered=during(ONSET, 1.0), reports=during(0, 1.0, end=ONSET)),
        {"ModelUnanswered": 3.0, "TorchServeMetricsAbsent": 21.0},
    ),
    Scenario(
        "a worker ends and cannot be loaded again: requests wait without an answer",
        one(hanging=during(ONSET, 1.0), alive=during(0, 1.0, end=ONSET)),
        {
            **UNANSWERED,
            "ModelUnanswered": 5.0,
            "ModelErrorBudgetBurnFast": 7.0,
            "ModelErrorBudgetBurnSlow": 22.0,
        },
    ),
    Scenario(
        "a tenth of the requests find the queue full",
        one(unanswered=during(ONSET, 0.1), queue=during(ONSET, 4.0)),
        {**UNANSWERED, "ModelLatencyP95High": 3.0, "ModelUnanswered": 5.0, "ModelErrorBudgetBurnFast": 8.0},
    ),
    Scenario("requests wait 8 s in the queue", one(queue=during(ONSET, 8.1)), {"ModelLatencyP95High": 4.0}),
    Scenario("calls take 2 s", one(seconds=during(ONSET, 2.0)), {"ModelLatencyP95High": 4.0}),
    Scenario(
        "TorchServe answers 5xx for a model that nothing monitors",
        with_host({"errors": during(ONSET, 5.0)}),
        {"TorchServeErrorRateHigh": 3.5},
    ),
    Scenario("half of all requests fail", one(errors=during(ONSET, 0.5)), ERRORS),
    Scenario(
        "half of all requests fail, on 50 servers that have one a minute",
        many(50, rate=1 / 60, errors=during(ONSET, 0.5)),
        {"ModelErrorRateHigh": 4.0, "ModelErrorBudgetBurnFast": 6.0},
    ),
    Scenario(
        "one of 20 servers fails a tenth of its requests",
        one_of(20, errors=during(ONSET, 0.1)),
        {"ModelServerErrorRateHigh": 8.0},
    ),
    Scenario(
        "one of four servers, with little of the traffic, is slow",
        one_of(4, rate=0.3, seconds=during(ONSET, 2.0)),
        {"ModelServerLatencyP95High": 8.0},
    ),
    Scenario("one of four servers is lost", lost(1, 4, "up"), {"TorchServeServerDown": 3.0}),
    Scenario("all four servers are lost", lost(4, 4, "up"), {"TorchServeDown": 2.0}),
    Scenario("one of four servers is drained", one_of(4, rate=during(0, 10.0, end=ONSET))),
    Scenario("one of four servers is taken away", lost(1, 4, "known")),
    Scenario("all servers are taken away, or no longer found", lost(3, 3, "known"), {"ModelGone": 11.0}),
    Scenario(
        "a canary with 5 % of the traffic fails all of it",
        canary(1.0),
        {**ERRORS, "ModelVersionErrorsHigh": 4.0, "ModelErrorBudgetBurnFast": 12.0},
    ),
    Scenario(
        "a canary fails 3 %, the stable version 0.1 %",
        canary(0.03),
        {"ModelVersionErrorsHigh": 12.0},
    ),
    Scenario("5 errors at once", one(rate=1 / 3, errors=during(ONSET, 1.0, end=ONSET + 15))),
    Scenario("2 slow calls of 20", one(rate=1 / 15, slow=during(ONSET, 1.0, end=ONSET + 30))),
    Scenario(
        "60 % of the calls take longer than their objective, and less than the limit of p95",
        one(slow=during(ONSET, 0.6), slow_seconds=0.3, objectives=Objectives(latency_seconds=0.25)),
        {"ModelLatencyBudgetBurnFast": 14.0, "ModelLatencyBudgetBurnSlow": 20.0},
    ),
    Scenario(
        "a call hangs on the only server",
        one(stuck=lambda time: max(0.0, time - ONSET)),
        {"ModelRequestStuck": 2.0},
    ),
    Scenario(
        "a call hangs on one of four servers",
        one_of(4, stuck=lambda time: max(0.0, time - ONSET)),
        {"ModelServerRequestStuck": 4.0},
    ),
    Scenario("a feature drifts", one(drifted=during(ONSET, 1.0)), DRIFT),
    Scenario(
        "a feature drifts on four servers",
        many(4, rate=0.5, drifted=during(ONSET, 1.0)),
        DRIFT,
    ),
    Scenario(
        "a feature drifts, and the clock of its server is 31 s behind",
        with_host({"skew": -31.0}, drifted=during(ONSET, 1.0)),
        {**DRIFT, "ServerClockSkewed": 0.0},
    ),
    Scenario(
        "a feature drifts, the clock is 40 s ahead, and no request comes",
        with_host({"skew": 40.0}, rate=0.0, drifted=during(ONSET, 1.0)),
        {**DRIFT, "ServerClockSkewed": 0.0},
    ),
    Scenario(
        "a feature drifts, and a scrape fails every four minutes",
        with_host(
            {"up": lambda time: float(time < ONSET or (time - ONSET) % 240 != 60)}, drifted=during(ONSET, 1.0)
        ),
        DRIFT,
    ),
    Scenario(
        "half of all requests fail, and a scrape fails every minute",
        with_host({"up": lambda time: float(time < ONSET or time % 60 != 0)}, errors=during(ONSET, 0.5)),
        {**ERRORS, "ModelErrorRateHigh": 4.0},
    ),
    Scenario(
        "the monitor of a model that answers writes nothing",
        one(alive=during(0, 1.0, end=ONSET)),
        {"ModelMonitorStalled": 6.0},
    ),
)

# Four to seven hours, scraped every minute.
HOURS = (
    Scenario(
        "errors for 5 minutes of every 15, for four hours",
        one(errors=lambda time: 0.5 * (ONSET <= time < ONSET + 4 * HOUR and (time - ONSET) % 900 < 300)),
        {"ModelErrorRateHigh": 4.0, "ModelErrorBudgetBurnFast": 8.0, "ModelErrorBudgetBurnSlow": 45.0},
    ),
    Scenario(
        "4 % of the requests fail, for six hours",
        one(errors=during(HOUR, 0.04)),
        {"ModelErrorBudgetBurnFast": 30.0, "ModelErrorBudgetBurnSlow": 45.0},
        onset=HOUR,
    ),
    Scenario("one request in a thousand fails, for six hours", one(errors=0.001)),
)

FAULT = 26 * HOUR
NEEDED = {"ModelInputDrift": 20.0, "ModelRetrainNeeded": 7 * 60.0}
HELD = {"ModelInputDrift": 20.0, "ModelRetrainHeld": 7 * 60.0}


def slowly(begin: float, per_day: float = 0.03) -> Callable[[float], float]:
    """Return a PSI that grows from day to day."""
    return lambda time: 0.02 + max(0.0, time - begin) / DAY * per_day


def two_versions(old: Mapping[str, object], new: Mapping[str, object]) -> Callable[..., list[Model]]:
    """Return two versions on one host."""

    def models(**labels: str) -> list[Model]:
        (host,) = hosts(1, **labels)
        return [Model(host, **old), Model(host, version="2.0", **new)]  # type: ignore[arg-type]

    return models


# Two to three days, scraped every two minutes: only what decides on retraining is asked for.
DAYS = (
    Scenario(
        "drift comes slowly and stays", one(drifted=during(FAULT, 1.0), psi=slowly(0)), NEEDED, onset=FAULT
    ),
    Scenario("drift comes at once and is left alone", one(drifted=during(FAULT, 1.0)), HELD, onset=FAULT),
    Scenario(
        "drift comes slowly, and nobody asks for ten hours of the night",
        one(
            drifted=during(FAULT, 1.0),
            psi=slowly(0),
            rate=lambda time: 0.0 if FAULT + 2 * HOUR <= time < FAULT + 12 * HOUR else 10.0,
        ),
        {"ModelInputDrift": 20.0, "ModelRetrainNeeded": 20 * 60.0},
        onset=FAULT,
    ),
    Scenario(
        "the night before a jump is over has no traffic",
        one(
            drifted=during(FAULT, 1.0),
            rate=lambda time: 0.0 if FAULT + 2 * HOUR <= time < FAULT + 12 * HOUR else 10.0,
        ),
        {"ModelInputDrift": 20.0, "ModelRetrainHeld": 20 * 60.0},
        onset=FAULT,
    ),
    Scenario(
        "drift of an old version that is kept warm",
        two_versions({"rate": 0.1, "drifted": during(FAULT, 1.0), "psi": slowly(0)}, {}),
        {"ModelInputDrift": 20.0},
        onset=FAULT,
    ),
    Scenario(
        "a version that drifts since it came",
        two_versions(
            {"rate": during(0, 10.0, end=FAULT)},
            {"served": during(FAULT, 1.0), "drifted": during(FAULT, 1.0)},
        ),
        {"ModelInputDrift": 20.0, "ModelRetrainHeld": 25 * 60.0},
        onset=FAULT,
    ),
    Scenario(
        "drift in staging",
        lambda **labels: [
            Model(host, drifted=during(FAULT, 1.0), psi=slowly(0))
            for host in hosts(1, env="staging", **labels)
        ],
        {"ModelInputDrift": 20.0},
        onset=FAULT,
    ),
    Scenario(
        "drift comes slowly, and Prometheus has nothing of ten minutes",
        with_host(
            {"known": lambda time: float(not FAULT + 3 * HOUR <= time < FAULT + 3 * HOUR + 600)},
            drifted=during(FAULT, 1.0),
            psi=slowly(0),
        ),
        NEEDED,
        onset=FAULT,
        most=2,
    ),
)
