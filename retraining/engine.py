"""Decides what each notification, and each word of a person, leads to."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from .config import AnyAction, Config
from .environments import Environment, ambiguity, excluded, shown
from .loading import missing
from .metrics import Metrics
from .runner import Runner
from .store import FAILED, UNDER_WAY, Episode, Store, Verdict, Word, now
from .webhook import Alert, Notification, Request, requests

SHOWN = "%Y-%m-%d %H:%M:%S UTC"
# Episodes that a word can be said of. What has not succeeded may be tried again, and a "no" taken back.
TO_CONFIRM = ("held", "declined", "rejected", *FAILED)
TO_REJECT = ("held", "queued")
BY_LABEL = Word("confirmed", "a label of the alert")
log = logging.getLogger("retraining")


class NotWaitingError(Exception):
    """No episode, or more than one, is what a word can be said of."""


class QueueFullError(Exception):
    """No more retrainings may wait."""


@dataclass(frozen=True)
class Ruling:
    """What a request leads to. again: a decision that takes its turn again, in the place of a new one."""

    verdict: Verdict
    reason: str
    again: str | None = None


class Engine:
    """Runs in one event loop; all decisions are made there, so that no two are made at once."""

    def __init__(self, config: Config, store: Store, metrics: Metrics) -> None:
        self.config = config
        self.store = store
        self.metrics = metrics
        self.runner = Runner(config, store, metrics)

    def start(self) -> None:
        """Go on with what an earlier run of the service left unfinished; raise sqlite3.Error."""
        self.metrics.begin(self.config.models)
        for name in self.config.models:
            succeeded = self.store.last_success(name)
            if succeeded:
                self.metrics.last_success.labels(name).set(succeeded.timestamp())
        self._forget()
        self.runner.start()

    async def stop(self) -> None:
        """Stop waiting for actions. Programs run on, and the next start finds them."""
        await self.runner.stop()

    def faults(self) -> list[str]:
        """Return what keeps the service from deciding, or from carrying decisions through."""
        found = missing(self.config) + self.runner.faults
        try:
            self.store.check()
        except sqlite3.Error as error:
            found.append(str(error))
        return list(dict.fromkeys(found))

    def measure(self) -> None:
        """Bring the metrics up to date that say how things stand."""
        faults = self.faults()
        self.metrics.healthy.set(not faults)
        self.metrics.writable.set(self.store.fault is None)
        self.metrics.store_errors(self.store.faults)
        try:
            self.metrics.queued.set(self.store.count("queued"))
            stale = self.config.stale_after
            for gauge, states in ((self.metrics.held, ("held",)), (self.metrics.failed, FAILED)):
                counts = self.store.count_by_model(*states, stale_seconds=stale)
                for name in self.config.models:
                    gauge.labels(name).set(counts.get(name, 0))
        except sqlite3.Error as error:
            log.error("the record of decisions cannot be read: %s", error)

    # Alerts

    def take(self, notification: Notification) -> list[dict[str, str]]:
        """Decide, write the decisions, and start what they ask for.

        Raises UnknownPayloadError and sqlite3.Error; then nothing is written or started.
        """
        asked = [part for request in requests(notification) for part in self._parts(request)]
        decided: list[tuple[Request, Ruling, str]] = []
        with self.store.transaction():
            for request in asked:
                others = [other.environment for other in asked if self._competes(other, request)]
                ruling = self._decide(request, others)
                decided.append((request, ruling, self._write(request, ruling)))
        for request, ruling, identifier in decided:
            log.info("%s: %s %s: %s", identifier, request.model_name, ruling.verdict, ruling.reason)
            label = self.metrics.label(request.model_name, self.config)
            self.metrics.decisions.labels(label, ruling.verdict).inc()
        if decided:
            self.runner.fill()
            self._forget()
        return [
            {
                "decision": identifier,
                "model_name": request.model_name,
                "verdict": ruling.verdict,
                "reason": ruling.reason,
            }
            for request, ruling, identifier in decided
        ]

    def _parts(self, request: Request) -> Iterator[Request]:
        """Part the alerts that may retrain from those that may not."""
        parts: dict[bool, list[Alert]] = {True: [], False: []}
        for alert in request.alerts:
            parts[self._excluded(request.model_name, alert.labels) is None].append(alert)
        for alerts in parts.values():
            if alerts:
                yield replace(request, alerts=tuple(alerts))

    def _excluded(self, model_name: str, labels: dict[str, str]) -> str | None:
        return excluded(labels, self.config.only_of(model_name)) if model_name in self.config.models else None

    def _competes(self, other: Request, request: Request) -> bool:
        same = other.model_name == request.model_name
        return same and self._excluded(other.model_name, other.alerts[0].labels) is None

    def _decide(self, request: Request, others: Iterable[Environment]) -> Ruling:
        name = request.model_name
        if name not in self.config.models:
            return Ruling("unknown_model", "the configuration has no such model")
        if outside := self._excluded(name, request.alerts[0].labels):
            return Ruling("ignored", outside)
        known = [*others, *self.store.environments(name)]
        if unclear := ambiguity(request.environment, known, self.config.only_of(name)):
            return Ruling("ambiguous", unclear)
        again = None
        episode = self.store.episode(request, stale_seconds=self.config.stale_after)
        if episode is not None:
            self.store.sent_again(request)
            dealt_with = self._dealt_with(request, episode)
            if dealt_with:
                return Ruling("duplicate", dealt_with)
            again = episode.decision if episode.state == "held" else None
        return self._begin(request, again)

    def _dealt_with(self, request: Request, episode: Episode) -> str | None:
        """Return why an alert, sent again, is no news; None where it is."""
        checked = self.config.models[request.model_name].check is not None
        if episode.state == "dropped":
            return None
        if episode.state == "held":
            again = request.confirmed or checked
            return None if again else f"{episode.decision} waits for a person's word"
        if episode.state == "declined":
            return f"a person rejected {episode.decision}"
        takes_word = request.needs_word and not checked and episode.word is None
        if episode.state == "queued" and takes_word and not self.runner.has(episode.decision):
            self.store.hold(episode.decision, "the data jumped while it was queued")
            return f"{episode.decision} waits for a person's word: the data jumped while it was queued"
        return f"these alerts were dealt with by {episode.decision}"

    def _begin(self, request: Request, again: str | None) -> Ruling:
        """Rule on alerts that nothing has dealt with; again: their decision, which is held."""
        model = self.config.models[request.model_name]
        if request.needs_word and model.check is None:
            return Ruling("held", f"the data jumped: {model.action} waits for a person's word")
        running = self.store.under_way(request.model_name, request.environment)
        if running:
            return Ruling("busy", f"the action of {running} is under way")
        ended = self.store.last_end(request.model_name, request.environment)
        if ended and now() < ended + timedelta(seconds=model.cooldown):
            until = ended + timedelta(seconds=model.cooldown)
            return Ruling(
                "cooldown", f"the last action ended {ended:{SHOWN}}; cooldown until {until:{SHOWN}}"
            )
        checks = model.check is not None and not request.confirmed
        if self._dry_run(request.model_name):
            first = "its data would have been checked, and " if checks else ""
            return Ruling("dry_run", f"dry run: {first}{model.action} would have been started")
        if self._full():
            return Ruling("queue_full", self._queue_full)
        if again and not request.confirmed:
            return Ruling("duplicate", f"{again} is checked again", again)
        first = "its data are checked, then " if checks else ""
        return Ruling("accepted", f"{first}{model.action} is started", again)

    def _write(self, request: Request, ruling: Ruling) -> str:
        word = BY_LABEL if request.confirmed and ruling.verdict == "accepted" else None
        if ruling.again:
            self.store.queue_again(ruling.again, self._action(request.model_name), word)
            return ruling.again
        acts = ruling.verdict in ("accepted", "held")
        action = self._action(request.model_name) if acts else None
        return self.store.add(request, ruling.verdict, ruling.reason, action=action, word=word)

    # Words of a person

    def say(
        self, model_name: str, word: Word, *, model_version: str | None, environment: Environment
    ) -> dict[str, Any]:
        """Confirm or reject the one episode of a model that is meant, and return what came of it.

        model_version, environment: tell it from others. Raises NotWaitingError, QueueFullError and sqlite3.Error; then
        nothing is written or started.
        """
        episode = self._meant(model_name, word, model_version, environment)
        with self.store.transaction():
            deal = self._reject if word.word == "rejected" else self._confirm
            decision, state = deal(episode, word)
        log.info("%s: %s by %r: %r", decision, word.word, word.by, word.why)
        self.runner.fill()
        return {
            "decision": decision,
            "model_name": episode.model_name,
            "model_version": episode.model_version,
            "environment": episode.environment,
            "state": state,
        }

    def _meant(
        self, model_name: str, word: Word, model_version: str | None, environment: Environment
    ) -> Episode:
        states = TO_CONFIRM if word.word == "confirmed" else TO_REJECT
        asked = [
            episode
            for episode in self.store.live(model_name, stale_seconds=self.config.stale_after)
            if model_version in (None, episode.model_version)
            and all(episode.environment.get(name) == value for name, value in environment.items())
        ]
        meant = [
            episode for episode in asked if episode.state in states and not self.runner.has(episode.decision)
        ]
        # Where one waits, others that ended are not meant.
        meant = [episode for episode in meant if episode.state == "held"] or meant
        if len(meant) == 1:
            if outside := self._excluded(model_name, meant[0].labels):
                raise NotWaitingError(f"{meant[0].decision} cannot be {word.word}: {outside}")
            return meant[0]
        if meant:
            raise NotWaitingError(
                f"{len(meant)} retrainings of {model_name} wait for a word; say which, by version and environment: "
                + "; ".join(map(_described, meant))
            )
        there = "; ".join(map(_described, asked)) or "no alert of it asks for retraining"
        raise NotWaitingError(f"no retraining of {model_name} can be {word.word}: {there}")

    def _confirm(self, episode: Episode, word: Word) -> tuple[str, str]:
        if self._dry_run(episode.model_name):
            name = self.config.models[episode.model_name].action
            self.store.end(episode.decision, "dry_run", f"dry run: {name} would have been started", word)
            return episode.decision, "dry_run"
        if self._full():
            raise QueueFullError(self._queue_full)
        action = self._action(episode.model_name)
        if episode.state in ("held", "declined"):
            self.store.queue_again(episode.decision, action, word)
            return episode.decision, "queued"
        request = self.store.request(episode.decision)
        reason = f"a person asked for it after {episode.decision} {episode.state}"
        return self.store.add(request, "accepted", reason, action=action, word=word), "queued"

    def _reject(self, episode: Episode, word: Word) -> tuple[str, str]:
        self.store.end(episode.decision, "declined", word.why, word)
        return episode.decision, "declined"

    # What both need

    def _action(self, model_name: str) -> tuple[str, AnyAction]:
        return self.config.models[model_name].action, self.config.action_of(model_name)

    def _dry_run(self, model_name: str) -> bool:
        return self.config.dry_run or self.config.models[model_name].dry_run

    def _full(self) -> bool:
        return self.store.count(*UNDER_WAY) >= self.config.at_once + self.config.queue

    @property
    def _queue_full(self) -> str:
        return (
            f"{self.store.count('queued')} retrainings wait, and queue: {self.config.queue} is the most that may; "
            "send it again later"
        )

    def _forget(self) -> None:
        try:
            forgotten = self.store.forget(older_than_seconds=self.config.keep_decisions)
        except sqlite3.Error as error:
            log.error("old decisions are kept: %s", error)
            return
        for identifier in forgotten:
            shutil.rmtree(self.config.state_directory / "tries" / identifier, ignore_errors=True)


def _described(episode: Episode) -> str:
    state = {"held": "waits"}.get(episode.state or "", episode.state or "was a dry run")
    return f"version {episode.model_version} ({shown(episode.environment)}) {state}"
