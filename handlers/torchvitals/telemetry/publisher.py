"""What a monitor asks of a metrics system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .catalogue import Metric


class Publisher(Protocol):
    """What a monitor asks of a metrics system. Label values follow the metric's own labels, in order."""

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter; an amount of 0 makes the series exist."""

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""

    def flush(self) -> None:
        """Send whatever is held back."""


class PacedPublisher:
    """A publisher that rests between updates, so that a long flush holds no request up."""

    def __init__(self, publisher: Publisher, pause: Callable[[], None]) -> None:
        self._publisher = publisher
        self._pause = pause

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter."""
        self._publisher.increase(metric, labels, amount)
        self._pause()

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""
        self._publisher.set(metric, labels, value)
        self._pause()

    def flush(self) -> None:
        """Send whatever is held back."""
        self._publisher.flush()
