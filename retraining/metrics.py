"""The service's own metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from .config import Config
from .outcome import State
from .store import Verdict

OTHER_MODEL = "other"  # names of models that are not configured come from outside and are not bounded
DURATION_BUCKETS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400)


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
        self.decisions = Counter(
            "retraining_decisions",
            f"Decisions: {', '.join(get_args(Verdict))}.",
            ["model_name", "verdict"],
            registry=registry,
        )
        self.actions = Counter(
            "retraining_actions",
            f"Actions that ended: {', '.join(get_args(State))}.",
            ["model_name", "state"],
            registry=registry,
        )
        self.tries = Counter(
            "retraining_tries", "Tries of actions that ended.", ["model_name", "state"], registry=registry
        )
        self.checks = Counter(
            "retraining_checks",
            "Checks of the data that ended: passed, failed.",
            ["model_name", "result"],
            registry=registry,
        )
        self.running = Gauge(
            "retraining_action_running",
            "Actions of the model that are under way, with their checks and the waits between tries.",
            ["model_name"],
            registry=registry,
        )
        self.held = Gauge(
            "retraining_held",
            "Retrainings of the model that wait for a person's word.",
            ["model_name"],
            registry=registry,
        )
        self.failed = Gauge(
            "retraining_failed",
            "Versions and environments of the model that still drift, and whose last retraining failed.",
            ["model_name"],
            registry=registry,
        )
        self.queued = Gauge(
            "retraining_queue_length", "Retrainings that wait for their turn.", registry=registry
        )
        self.healthy = Gauge("retraining_healthy", "1 while /healthz answers with 200.", registry=registry)
        self.writable = Gauge(
            "retraining_store_writable", "1 while the record of decisions can be written.", registry=registry
        )
        self._store_errors = Counter(
            "retraining_store_errors", "Writes into the record of decisions that failed.", registry=registry
        )
        self._store_errors_told = 0
        self.seconds = Histogram(
            "retraining_try_duration_seconds",
            "How long a try took.",
            ["model_name"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.last_success = Gauge(
            "retraining_last_success_timestamp_seconds",
            "When an action of the model last succeeded; without one there is no series.",
            ["model_name"],
            registry=registry,
        )
        self.refused = Counter(
            "retraining_refused_requests",
            "Requests that were refused, by HTTP status.",
            ["status"],
            registry=registry,
        )

    def begin(self, model_names: Iterable[str]) -> None:
        """Make the series of each model, so that the first of a kind is an increase."""
        for name in model_names:
            self.running.labels(name).set(0)
            for verdict in get_args(Verdict):
                if verdict != "unknown_model":
                    self.decisions.labels(name, verdict)
            for state in get_args(State):
                self.actions.labels(name, state)
        self.decisions.labels(OTHER_MODEL, "unknown_model")

    def label(self, model_name: str, config: Config) -> str:
        """Return a model's name as a label."""
        return model_name if model_name in config.models else OTHER_MODEL

    def store_errors(self, total: int) -> None:
        """Count the writes that have failed since the start."""
        self._store_errors.inc(total - self._store_errors_told)
        self._store_errors_told = total
