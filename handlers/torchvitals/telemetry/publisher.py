"""What a monitor asks of a metrics system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from . import catalogue as m
from .catalogue import Metric

OWN_COUNTERS = (
    m.OUT_OF_MEMORY, m.ALLOCATION_RETRIES, m.MONITOR_ERRORS, m.MONITOR_DROPPED, m.MONITOR_SECONDS,
)  # fmt: skip


class Publisher(Protocol):
    """What a monitor asks of a metrics system. Label values follow the metric's own labels, in order.

    A publisher may also have `remove(metric, labels)`, which ends a gauge's series where the system can; `forked()`,
    which is called in a forked process before anything is published there: what was held back for its parent is to be
    forgotten; and `close(worker)`, which is called when the monitor that published with this value of the label
    `worker` has stopped.
    """

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter; an amount of 0 makes the series exist."""

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""

    def flush(self) -> None:
        """Send whatever is held back."""


def remove(publisher: Publisher, metric: Metric, labels: tuple[str, ...]) -> None:
    """End the series of a gauge that has no value any more, where the metrics system can."""
    found = getattr(publisher, "remove", None)
    if found is not None:
        found(metric, labels)


class GuardedPublisher:
    """A publisher of which no update fails another, and that rests between updates, so that no request is held up.

    failed: is told of each update that fails. pause: called after each update.
    """

    def __init__(
        self,
        publisher: Publisher,
        failed: Callable[[str, BaseException], None],
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self._publisher = publisher
        self._failed = failed
        self._pause = pause

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter."""
        try:
            self._publisher.increase(metric, labels, amount)
        except BaseException as fault:
            self._failed("publish", fault)
        self._pause()

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""
        try:
            self._publisher.set(metric, labels, value)
        except BaseException as fault:
            self._failed("publish", fault)
        self._pause()

    def remove(self, metric: Metric, labels: tuple[str, ...]) -> None:
        """End the series of a gauge."""
        try:
            remove(self._publisher, metric, labels)
        except BaseException as fault:
            self._failed("publish", fault)
        self._pause()

    def flush(self) -> None:
        """Send whatever is held back."""
        try:
            self._publisher.flush()
        except BaseException as fault:
            self._failed("publish", fault)


class OwnSeries:
    """Passes on what a process says of itself alone; another one, torchrun's first rank, counts the same calls."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter of the process's own faults, time and memory."""
        if metric in OWN_COUNTERS:
            self._publisher.increase(metric, labels, amount)

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge of this worker."""
        if "worker" in metric.labels:
            self._publisher.set(metric, labels, value)

    def remove(self, metric: Metric, labels: tuple[str, ...]) -> None:
        """End the series of a gauge of this worker."""
        if "worker" in metric.labels:
            remove(self._publisher, metric, labels)

    def flush(self) -> None:
        """Send whatever is held back."""
        self._publisher.flush()

    def forked(self) -> None:
        """Begin anew in a forked process."""
        forked = getattr(self._publisher, "forked", None)
        if forked is not None:
            forked()

    def close(self, worker: str) -> None:
        """Say that the monitor has stopped."""
        close = getattr(self._publisher, "close", None)
        if close is not None:
            close(worker)
