"""Carries decisions through: so many at once, the others in a queue, each checked and tried to its end."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from . import command, http
from .config import Check, CommandAction, Config
from .environments import excluded
from .metrics import Metrics
from .outcome import Outcome
from .store import UNDER_WAY, Decision, Store, now

MOST_INTERRUPTIONS = 1
AGAIN_SECONDS = 1.0  # until something that the disk did not take is written again
TICK_SECONDS = 5.0
log = logging.getLogger("retraining")
Result = TypeVar("Result")


@dataclass
class Running:
    """One decision that is being carried through."""

    scope: tuple[str, str]
    task: asyncio.Task[None] = field(init=False)
    fault: str | None = None  # why it does not get on


class Runner:
    """Runs in one event loop."""

    def __init__(self, config: Config, store: Store, metrics: Metrics) -> None:
        self._config = config
        self._store = store
        self._metrics = metrics
        self._running: dict[str, Running] = {}
        self._broken: dict[str, str] = {}  # decisions that only a restart may go on with, and why
        self._ticker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go on with what an earlier run of the service left unfinished; raise sqlite3.Error."""
        for identifier in self._store.begun():
            log.warning("%s: found unfinished; going on with it", identifier)
            self._launch(self._store.decision(identifier))
        self.fill()
        self._ticker = asyncio.get_running_loop().create_task(self._tick())

    async def stop(self) -> None:
        """Stop waiting for actions. Programs run on, and the next start finds them."""
        tasks = [running.task for running in self._running.values()]
        tasks += [self._ticker] if self._ticker else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def faults(self) -> list[str]:
        """What keeps decisions from being carried through."""
        return list(self._broken.values()) + [
            running.fault for running in self._running.values() if running.fault
        ]

    def has(self, identifier: str) -> bool:
        """Tell whether a decision is being carried through."""
        return identifier in self._running

    def fill(self) -> None:
        """Start what waits, in its order, as far as there is room; what cannot be written now is left for later."""
        try:
            self._drop_stale()
            for identifier in self._store.queue():
                if len(self._running) >= self._config.at_once:
                    return
                if identifier in self._running or identifier in self._broken:
                    continue
                decision = self._store.decision(identifier)
                if any(running.scope == decision.scope for running in self._running.values()):
                    continue
                self._launch(decision)
        except sqlite3.Error as error:
            log.error("nothing is started: %s", error)

    def _drop_stale(self) -> None:
        """End what waits although its alerts are over, or may not retrain any more."""
        why = f"its alert has not been sent for {self._config.stale_after / 3600:g} hours"
        ends = dict.fromkeys(self._store.stale(stale_seconds=self._config.stale_after), why)
        for identifier in self._store.queue():
            decision = self._store.decision(identifier)
            if decision.model_name not in self._config.models:
                continue
            labels = decision.told["alerts"][0]["labels"]
            if outside := excluded(labels, self._config.only_of(decision.model_name)):
                ends[identifier] = outside
        for identifier, why in ends.items():
            if identifier in self._running:
                continue
            with self._store.transaction():
                self._store.end(identifier, "dropped", why)
            log.info("%s: dropped: %s", identifier, why)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.fill()

    def _launch(self, decision: Decision) -> None:
        running = self._running[decision.id] = Running(decision.scope)
        running.task = asyncio.get_running_loop().create_task(
            self._carry_through(decision.id, running), name=decision.id
        )
        running.task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._running[task.get_name()]
        if task.cancelled():
            return
        if task.exception() is not None:
            self._broken[task.get_name()] = f"{task.get_name()}: {task.exception()!r}"
            log.error("%s stopped", task.get_name(), exc_info=task.exception())
        self.fill()

    def _label(self, decision: Decision) -> str:
        return self._metrics.label(decision.model_name, self._config)

    async def _carry_through(self, identifier: str, running: Running) -> None:
        decision = await self._sure(running, lambda: self._store.decision(identifier))
        label = self._label(decision)
        self._metrics.running.labels(label).inc()
        try:
            if not await self._may_begin(decision, running):
                return
            while decision.state in UNDER_WAY:
                await self._try(decision, running)
                decision = await self._sure(running, lambda: self._store.decision(identifier))
        finally:
            self._metrics.running.labels(label).dec()
        self._metrics.actions.labels(label, decision.state).inc()
        if decision.state == "succeeded":
            self._metrics.last_success.labels(label).set(time.time())

    async def _sure(self, running: Running, act: Callable[[], Result]) -> Result:
        """Read or write the record, as soon as that can be done."""
        while True:
            try:
                result = act()
            except sqlite3.Error as error:
                await self._later(running, str(error))
            else:
                running.fault = None
                return result

    async def _later(self, running: Running, fault: str) -> None:
        if running.fault != fault:
            log.error("%s waits: %s", running.task.get_name(), fault)
        running.fault = fault
        await asyncio.sleep(AGAIN_SECONDS)

    # The check

    async def _may_begin(self, decision: Decision, running: Running) -> bool:
        """Check the data, where that is asked for, nobody gave a word, and the action has not begun."""
        model = self._config.models.get(decision.model_name)
        if (
            model is None
            or model.check is None
            or decision.word
            or decision.state not in ("queued", "checking")
        ):
            return True
        resumed = decision.state == "checking"
        number = decision.checks if resumed else decision.checks + 1
        if not resumed:
            await self._sure(running, lambda: self._store.begin_check(decision.id, number))
        log.info("%s: check %d%s", decision.id, number, " (resumed)" if resumed else "")
        passed, detail = await self._check(decision, model.check, number, running)
        await self._sure(running, lambda: self._store.end_check(decision.id, passed=passed, detail=detail))
        log.info("%s: check %d %s: %s", decision.id, number, "passed" if passed else "failed", detail)
        self._metrics.checks.labels(self._label(decision), "passed" if passed else "failed").inc()
        return passed

    async def _check(
        self, decision: Decision, check: Check, number: int, running: Running
    ) -> tuple[bool, str]:
        folder = self._folder(decision, f"check-{number}")
        outcome = await self._run(check, decision, number, folder, running)
        if outcome.state == "succeeded":
            return True, outcome.detail
        end = command.printed(folder)
        return False, f"the check {outcome.state}: {outcome.detail}" + (f"\n{end}" if "\n" in end else "")

    # The action

    async def _try(self, decision: Decision, running: Running) -> None:
        """Make the next try, or go on with the one that was under way when the service was killed."""
        resumed = decision.state == "running"
        number = decision.tries if resumed else decision.tries + 1
        if not resumed:
            if decision.next_try_at is not None:
                await asyncio.sleep(max(0.0, (decision.next_try_at - now()).total_seconds()))
            await self._sure(running, lambda: self._store.begin_try(decision.id, number))
        log.info(
            "%s: %s, try %d%s", decision.id, decision.action_name, number, " (resumed)" if resumed else ""
        )
        began = time.monotonic()
        outcome = await self._perform(decision, number, running, resumed=resumed)
        wait = self._wait(decision, outcome)
        await self._sure(
            running, lambda: self._store.end_try(decision.id, number, outcome, again_in_seconds=wait)
        )
        after = "" if wait is None else f"; again in {wait:g} s"
        log.info("%s: try %d %s: %s%s", decision.id, number, outcome.state, outcome.detail, after)
        self._metrics.tries.labels(self._label(decision), outcome.state).inc()
        if not resumed:
            self._metrics.seconds.labels(self._label(decision)).observe(time.monotonic() - began)

    async def _perform(self, decision: Decision, number: int, running: Running, *, resumed: bool) -> Outcome:
        if isinstance(decision.action, CommandAction):
            folder = self._folder(decision, str(number))
            return await self._run(decision.action, decision, number, folder, running)
        if resumed:
            return Outcome(
                "interrupted", "the service was stopped before the answer came", effect_known=False
            )
        return await http.perform(decision.action, told=decision.told, decision=decision.id)

    async def _run(
        self, program: Check | CommandAction, decision: Decision, number: int, folder: Path, running: Running
    ) -> Outcome:
        """Run a program to its end; where its folder cannot be written, nothing is started until it can."""
        environment = {
            "RETRAINING_DECISION": decision.id,
            "RETRAINING_TRY": str(number),
            "RETRAINING_MODEL_NAME": decision.model_name,
            "RETRAINING_MODEL_VERSION": decision.model_version,
            "RETRAINING_ENVIRONMENT": decision.environment,
        }
        while True:
            try:
                outcome = await command.perform(
                    program, folder=folder, told=decision.told, environment=environment
                )
            except OSError as error:
                await self._later(running, f"the folder of its program cannot be written: {error}")
            else:
                running.fault = None
                return outcome

    def _folder(self, decision: Decision, name: str) -> Path:
        return self._config.state_directory / "tries" / decision.id / name

    @staticmethod
    def _wait(decision: Decision, outcome: Outcome) -> float | None:
        """Return how long until the next try; None: there is none."""
        if outcome.state in ("succeeded", "rejected") or not outcome.again:
            return None
        if not outcome.effect_known and not decision.action.repeatable:
            return None
        if outcome.state == "interrupted":
            return 0.0 if decision.interruptions < MOST_INTERRUPTIONS else None
        failures = decision.failures + 1
        return decision.action.wait_seconds(failures) if failures <= decision.action.retries else None
