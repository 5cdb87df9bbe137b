"""Servers and models whose series follow from what goes on there: requests, errors, queues, restarts, drift.

A scenario says what differs from health, and since when; everything that the rules read is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Union

from stack.promtool import PROMTOOL, Player, fed, found, groups_of, written
from torchvitals.config import Objectives, Thresholds

# A value, or what it is at a time in seconds.
Signal = Union[float, Callable[[float], float]]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ALERTING = 'ALERTS{alertstate="firing", alertname!="Watchdog", alertname=~"%s"}'
PSI_QUIET, PSI_DRIFTED = 0.02, 0.8


def at(signal: Signal, time: float) -> float:
    """Return what a signal is at a time."""
    return signal(time) if callable(signal) else signal


def during(begin: float, value: Signal, *, end: float = float("inf"), otherwise: Signal = 0.0) -> Signal:
    """Return a signal that is `value` from `begin` to `end`, in seconds, and something else before and after."""
    return lambda time: at(value if begin <= time < end else otherwise, time)


@dataclass
class Host:
    """One TorchServe.

    up: whether Prometheus reaches it; 0 is a failed scrape. known: whether discovery has it. skew: seconds its clock is
    ahead. errors: answers a second with 5xx beside those of its models.
    """

    name: str
    up: Signal = 1.0
    known: Signal = 1.0
    skew: float = 0.0
    errors: Signal = 0.0
    labels: dict[str, str] = field(default_factory=dict)

    def there(self, time: float) -> bool:
        """Tell whether a scrape brings its series."""
        return bool(at(self.up, time) and at(self.known, time))


@dataclass
class Model:
    """A version of a model on a host. Rates are requests a second; the rest as `Host` and the signals say.

    rate: requests that TorchServe takes. errors: share of them that the handler fails. unanswered: share that nobody
    sees, which TorchServe answers with 5xx. hanging: share that waits for a worker without an answer. seconds: what a
    call takes. slow, slow_seconds: a share of calls that takes longer. queue: seconds that a request waits. alive:
    whether its monitor writes. restarts: starts of its worker so far. drifted: whether a feature has. psi: of that
    feature. served: whether it is there at all. reports: whether TorchServe's page has series of its monitor, which it
    does not before the first one. stuck: age of a call that does not end.
    """

    host: Host
    name: str = "fraud"
    version: str = "1.0"
    rate: Signal = 10.0
    errors: Signal = 0.0
    unanswered: Signal = 0.0
    hanging: Signal = 0.0
    seconds: Signal = 0.03
    slow: Signal = 0.0
    slow_seconds: float = 2.0
    queue: Signal = 0.0
    alive: Signal = 1.0
    restarts: Signal = 0.0
    drifted: Signal = 0.0
    psi: Signal | None = None
    served: Signal = 1.0
    reports: Signal = 1.0
    stuck: Signal = 0.0
    objectives: Objectives = field(default_factory=Objectives)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def asked(self, time: float) -> float:
        """Return the requests a second that TorchServe takes for it."""
        return at(self.rate, time) * at(self.served, time)

    def seen(self, time: float) -> float:
        """Return the share of them that a handler sees."""
        return 1 - at(self.unanswered, time) - at(self.hanging, time)


@dataclass
class World:
    """Hosts and models, and how long they are watched.

    minutes: of the story. step: seconds from one scrape to the next, and from one turn of the rules to the next.
    """

    models: list[Model]
    minutes: float = 30.0
    step: int = 15
    idle_hosts: list[Host] = field(default_factory=list)

    @property
    def times(self) -> list[int]:
        """Of the scrapes, in seconds."""
        return list(range(0, round(self.minutes * MINUTE) + 1, self.step))

    def series(self) -> Iterator[dict[str, str]]:
        """Yield all series as promtool reads them."""
        hosts = {id(model.host): model.host for model in self.models} | {
            id(one): one for one in self.idle_hosts
        }
        for host in hosts.values():
            yield from self._of_host(host, [model for model in self.models if model.host is host])
        for model in self.models:
            yield from self._of_model(model)

    def _values(self, host: Host, value: Callable[[float], float | None]) -> str:
        return written([value(time) if host.there(time) else None for time in self.times])

    def _counter(self, host: Host, rate: Callable[[float], float], shown: Signal = 1.0) -> str:
        """Return a counter: what happened in each step, added up."""
        totals = list(accumulate(rate(time) * self.step for time in self.times))
        return written(
            [
                total if host.there(time) and at(shown, time) else None
                for time, total in zip(self.times, totals)
            ]
        )

    def _of_host(self, host: Host, models: Sequence[Model]) -> Iterator[dict[str, str]]:
        own = {"job": "torchserve", "instance": f"{host.name}:8082", **host.labels}
        up = written([at(host.up, time) if at(host.known, time) else None for time in self.times])
        yield series("up", own, up)
        yield series("scrape_samples_scraped", own, up)
        level = {**own, "Level": "Host", "Hostname": host.name}

        def failed(time: float) -> float:
            return at(host.errors, time) + sum(
                at(model.rate, time) * share(model, time) for model in models if at(model.served, time)
            )

        def share(model: Model, time: float) -> float:
            unanswered = at(model.unanswered, time)
            return unanswered + (1 - unanswered) * at(model.errors, time)

        def answered(time: float) -> float:
            asked = sum(
                at(model.rate, time) * (1 - at(model.hanging, time))
                for model in models
                if at(model.served, time)
            )
            return asked + at(host.errors, time) - failed(time)

        yield series("Requests2XX", level, self._counter(host, answered))
        yield series("Requests5XX", level, self._counter(host, failed))
        for name in dict.fromkeys(model.name for model in models):
            yield from self._of_front(host, name, [model for model in models if model.name == name])

    def _of_front(self, host: Host, name: str, versions: Sequence[Model]) -> Iterator[dict[str, str]]:
        """Yield what TorchServe itself counts of a model, which is of all its versions."""
        front = {
            "job": "torchserve",
            "instance": f"{host.name}:8082",
            **host.labels,
            "model_name": name,
            "model_version": "default",
            "hostname": host.name,
        }

        def queued(model: Model, time: float) -> float:
            return 1e6 * at(model.queue, time)

        def taken(model: Model, time: float) -> float:
            return queued(model, time) + 1e6 * at(model.seconds, time)

        def spent(microseconds: Callable[[Model, float], float]) -> Callable[[float], float]:
            return lambda time: sum(
                model.asked(time) * model.seen(time) * microseconds(model, time) for model in versions
            )

        asked = self._counter(host, lambda time: sum(model.asked(time) for model in versions))
        yield series("ts_inference_requests_total", front, asked)
        yield series("ts_queue_latency_microseconds", front, self._counter(host, spent(queued)))
        yield series("ts_inference_latency_microseconds", front, self._counter(host, spent(taken)))

    def _of_model(self, model: Model) -> Iterator[dict[str, str]]:
        host = model.host
        target = {"job": "torchserve", "instance": f"{host.name}:8082", **host.labels}
        own = {**target, "Hostname": host.name, "model_name": model.name, "model_version": model.version}
        worker = {**own, "worker": "9000"}

        def there(value: Signal) -> Callable[[float], float | None]:
            return lambda time: (
                at(value, time) if at(model.served, time) and at(model.reports, time) else None
            )

        def rate(*shares: Callable[[float], float]) -> Callable[[float], float]:
            def now(time: float) -> float:
                product = model.asked(time)
                for share in shares:
                    product *= share(time)
                return product

            return now

        def noted(time: float) -> float:
            return model.seen(time) * bool(at(model.alive, time))

        def good(time: float) -> float:
            return 1 - at(model.errors, time)

        def bad(time: float) -> float:
            return at(model.errors, time)

        load = {
            **target,
            "WorkerName": f"W-9000-{model.name}_{model.version}",
            "Level": "Host",
            "Hostname": host.name,
        }
        yield series("WorkerLoadTime", load, self._values(host, lambda time: 3000 + at(model.restarts, time)))
        for outcome, part in (("ok", good), ("error", bad)):
            totals = self._counter(host, rate(noted, part), model.reports)
            yield series("model_requests_total", {**own, "outcome": outcome}, totals)
        yield from self._durations(model, own, rate(noted))
        beats = list(accumulate(float(bool(at(model.alive, time))) for time in self.times))
        beat = dict(zip(self.times, beats))
        yield series(
            "model_window_evaluated_timestamp_seconds",
            worker,
            self._values(host, there(lambda time: (beat[round(time)] - 1) * self.step + host.skew)),
        )
        yield from self._gauges(model, own, worker, there)

    def _gauges(
        self,
        model: Model,
        own: dict[str, str],
        worker: dict[str, str],
        there: Callable[[Signal], Callable[[float], float | None]],
    ) -> Iterator[dict[str, str]]:
        host = model.host
        feature = {**worker, "source": "input", "feature": "amount", "window": "1000"}
        for signal, limit in model.thresholds.exported().items():
            yield series("model_threshold", {**own, "signal": signal}, self._values(host, there(limit)))
        for objective, ratio in model.objectives.exported(model.thresholds).items():
            yield series(
                "model_objective_ratio", {**own, "objective": objective}, self._values(host, there(ratio))
            )
        yield series("model_inflight_seconds", worker, self._values(host, there(model.stuck)))
        psi = (
            model.psi
            if model.psi is not None
            else (lambda time: PSI_DRIFTED if at(model.drifted, time) else PSI_QUIET)
        )
        yield series("model_feature_drifted", feature, self._values(host, there(model.drifted)))
        yield series("model_feature_psi", feature, self._values(host, there(psi)))
        yield series("model_feature_kl_divergence", feature, self._values(host, there(psi)))
        output = {**worker, "source": "output", "feature": "confidence", "window": "1000"}
        yield series("model_feature_drifted", output, self._values(host, there(0.0)))
        yield series("model_feature_psi", output, self._values(host, there(PSI_QUIET)))
        info = {**own, "baseline_version": "1", "baseline_sha256": "a"}
        yield series("model_baseline_info", info, self._values(host, there(1.0)))
        rss = {**worker, "device": "host", "kind": "rss"}
        yield series("model_memory_bytes", rss, self._values(host, there(1e9)))

    def _durations(
        self, model: Model, own: dict[str, str], rate: Callable[[float], float]
    ) -> Iterator[dict[str, str]]:
        stage = {**own, "stage": "handle", "clock": "host"}

        def within(bound: float) -> Callable[[float], float]:
            def now(time: float) -> float:
                slow = at(model.slow, time)
                return rate(time) * (
                    (1 - slow) * (at(model.seconds, time) <= bound) + slow * (model.slow_seconds <= bound)
                )

            return now

        for bound in BUCKETS:
            yield series(
                "model_stage_duration_seconds_bucket",
                {**stage, "le": str(bound)},
                self._counter(model.host, within(bound)),
            )
        yield series(
            "model_stage_duration_seconds_bucket", {**stage, "le": "+Inf"}, self._counter(model.host, rate)
        )
        yield series("model_stage_duration_seconds_count", stage, self._counter(model.host, rate))
        promised = model.objectives.latency_seconds
        if promised is not None:

            def slow(time: float) -> float:
                return rate(time) - within(promised)(time)

            yield series("model_slow_requests_total", own, self._counter(model.host, slow))

    def firing(
        self, *, alerts: str = ".+", every: int = 60, player: Player = PROMTOOL
    ) -> dict[int, list[dict[str, str]]]:
        """Return the labels of the alerts that fire, by time in seconds.

        alerts: a regular expression of those that are asked for. every: seconds from one time to the next. player:
        what plays the series to the rules.
        """
        played = list(self.series())
        return found(
            [played],
            ALERTING % alerts,
            range(0, self.times[-1] + 1, max(every, self.step)),
            groups=fed(groups_of(alerts), {one["series"].split("{")[0] for one in played}),
            sample_seconds=self.step,
            evaluation_seconds=self.step,
            player=player,
        )


def series(name: str, labels: dict[str, str], values: str) -> dict[str, str]:
    """Return a series as promtool reads it."""
    text = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return {"series": f"{name}{{{text}}}", "values": values}


def hosts(count: int, **labels: str) -> list[Host]:
    """Return hosts that are well."""
    return [Host(f"ts-{number}", labels=labels) for number in range(count)]
