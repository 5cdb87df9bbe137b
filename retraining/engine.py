"""Decides what each notification leads to, and carries the actions through."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from datetime import timedelta

from . import command, http
from .config import CommandAction, Config
from .metrics import OTHER_MODEL, Metrics
from .outcome import Outcome
from .store import Decision, Store, Verdict, now
from .webhook import Notification, Request, requests

MOST_INTERRUPTIONS = 1
SHOWN = "%Y-%m-%d %H:%M:%S UTC"
log = logging.getLogger("retraining")


class Engine:
    """Runs in one event loop; all decisions are made there, so that no two are made at once."""

    def __init__(self, config: Config, store: Store, metrics: Metrics) -> None:
        self.config = config
        self.store = store
        self.metrics = metrics
        self.fault: str | None = None  # why an action could not be carried through
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Go on with what an earlier run of the service left unfinished; raise sqlite3.Error."""
        for name in self.config.models:
            self.metrics.running.labels(name).set(0)
            for verdict in ("accepted", "dry_run", "duplicate", "busy", "cooldown"):
                self.metrics.decisions.labels(name, verdict)
            for state in ("succeeded", "rejected", "failed", "timed_out", "interrupted"):
                self.metrics.actions.labels(name, state)
            succeeded = self.store.last_success(name)
            if succeeded:
                self.metrics.last_success.labels(name).set(succeeded.timestamp())
        self._forget()
        for identifier in self.store.unfinished():
            log.warning("%s: found unfinished; going on with it", identifier)
            self._launch(identifier)

    async def stop(self) -> None:
        """Stop waiting for actions. Programs run on, and the next start finds them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def take(self, notification: Notification) -> list[dict[str, str]]:
        """Decide, write the decisions, and start what they ask for.

        Raises UnknownPayloadError and sqlite3.Error; then nothing is written or started.
        """
        asked = requests(notification)
        decided: list[tuple[Request, Verdict, str, str]] = []
        with self.store.transaction():
            for request in asked:
                verdict, reason = self._decide(request)
                action = None
                if verdict == "accepted":
                    name = self.config.models[request.model_name].action
                    action = (name, self.config.actions[name])
                identifier = self.store.add(request, verdict, reason, action=action)
                decided.append((request, verdict, reason, identifier))
        for request, verdict, reason, identifier in decided:
            log.info("%s: %s %s: %s", identifier, request.model_name, verdict, reason)
            self.metrics.decisions.labels(self._label(request.model_name), verdict).inc()
            if verdict == "accepted":
                self._launch(identifier)
        if decided:
            self._forget()
        return [
            {"decision": identifier, "model_name": request.model_name, "verdict": verdict, "reason": reason}
            for request, verdict, reason, identifier in decided
        ]

    def _decide(self, request: Request) -> tuple[Verdict, str]:
        model = self.config.models.get(request.model_name)
        if model is None:
            return "unknown_model", "the configuration has no such model"
        earlier = self.store.handled(request)
        if earlier:
            return "duplicate", f"these alerts were dealt with by {earlier}"
        running = self.store.under_way(request.model_name)
        if running:
            return "busy", f"the action of {running} is under way"
        ended = self.store.last_end(request.model_name)
        if ended and now() < ended + timedelta(seconds=model.cooldown):
            until = ended + timedelta(seconds=model.cooldown)
            return "cooldown", f"the last action ended {ended:{SHOWN}}; cooldown until {until:{SHOWN}}"
        if self.config.dry_run or model.dry_run:
            return "dry_run", f"dry run: {model.action} would have been started"
        return "accepted", f"{model.action} is started"

    def _label(self, model_name: str) -> str:
        return model_name if model_name in self.config.models else OTHER_MODEL

    def _launch(self, identifier: str) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_through(identifier), name=identifier)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Most likely the record cannot be written. There the action is still under way: a restart goes on.
            self.fault = f"{task.get_name()}: {task.exception()!r}"
            log.error("%s stopped", task.get_name(), exc_info=task.exception())

    async def _carry_through(self, identifier: str) -> None:
        decision = self.store.decision(identifier)
        label = self._label(decision.model_name)
        self.metrics.running.labels(label).set(1)
        while decision.state in ("queued", "running", "waiting"):
            await self._try(decision)
            decision = self.store.decision(identifier)
        self.metrics.running.labels(label).set(0)
        self.metrics.actions.labels(label, decision.state).inc()
        if decision.state == "succeeded":
            self.metrics.last_success.labels(label).set(time.time())

    async def _try(self, decision: Decision) -> None:
        """Make the next try, or go on with the one that was under way when the service was killed."""
        resumed = decision.state == "running"
        number = decision.tries if resumed else decision.tries + 1
        if not resumed:
            if decision.next_try_at is not None:
                await asyncio.sleep(max(0.0, (decision.next_try_at - now()).total_seconds()))
            self.store.begin_try(decision.id, number)
        log.info(
            "%s: %s, try %d%s", decision.id, decision.action_name, number, " (resumed)" if resumed else ""
        )
        began = time.monotonic()
        outcome = await self._perform(decision, number, resumed=resumed)
        wait = self._wait(decision, outcome)
        self.store.end_try(decision.id, number, outcome, again_in_seconds=wait)
        after = "" if wait is None else f"; again in {wait:g} s"
        log.info("%s: try %d %s: %s%s", decision.id, number, outcome.state, outcome.detail, after)
        label = self._label(decision.model_name)
        self.metrics.tries.labels(label, outcome.state).inc()
        if not resumed:
            self.metrics.seconds.labels(label).observe(time.monotonic() - began)

    async def _perform(self, decision: Decision, number: int, *, resumed: bool) -> Outcome:
        if isinstance(decision.action, CommandAction):
            environment = {
                "RETRAINING_DECISION": decision.id,
                "RETRAINING_TRY": str(number),
                "RETRAINING_MODEL_NAME": decision.model_name,
                "RETRAINING_MODEL_VERSION": decision.model_version,
            }
            folder = self.config.state_directory / "tries" / decision.id / str(number)
            return await command.perform(
                decision.action, folder=folder, told=decision.told, environment=environment
            )
        if resumed:
            return Outcome(
                "interrupted", "the service was stopped before the answer came", effect_known=False
            )
        return await http.perform(decision.action, told=decision.told, decision=decision.id)

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

    def _forget(self) -> None:
        for identifier in self.store.forget(older_than_seconds=self.config.keep_decisions):
            shutil.rmtree(self.config.state_directory / "tries" / identifier, ignore_errors=True)
