"""The service's own metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

OTHER_MODEL = "other"  # names of models that are not configured come from outside and are not bounded
DURATION_BUCKETS = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400)


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
        self.decisions = Counter(
            "retraining_decisions",
            "Decisions: accepted, dry_run, duplicate, busy, cooldown, unknown_model.",
            ["model_name", "verdict"],
            registry=registry,
        )
        self.actions = Counter(
            "retraining_actions",
            "Actions that ended: succeeded, rejected, failed, timed_out, interrupted.",
            ["model_name", "state"],
            registry=registry,
        )
        self.tries = Counter(
            "retraining_tries", "Tries of actions that ended.", ["model_name", "state"], registry=registry
        )
        self.running = Gauge(
            "retraining_action_running",
            "1 while an action of the model is under way, waits between tries included.",
            ["model_name"],
            registry=registry,
        )
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
