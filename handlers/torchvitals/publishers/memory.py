"""A publisher that keeps everything in this process, for summaries and tests."""

from __future__ import annotations

from ..telemetry.catalogue import Metric


class MemoryPublisher:
    """Keeps each series' value in `series`, by metric and label values."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, tuple[str, ...]], float] = {}

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter."""
        key = (metric.name, labels)
        self.series[key] = self.series.get(key, 0) + amount

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""
        self.series[metric.name, labels] = value

    def remove(self, metric: Metric, labels: tuple[str, ...]) -> None:
        """End the series of a gauge."""
        self.series.pop((metric.name, labels), None)

    def flush(self) -> None:
        """Nothing is held back."""

    def forked(self) -> None:
        """Begin anew in a forked process: what was counted so far was its parent's."""
        self.series.clear()

    def value(self, metric: Metric, *labels: str) -> float:
        """Return one series' value; 0 where nothing was published."""
        return self.series.get((metric.name, labels), 0.0)

    def total(self, metric: Metric) -> float:
        """Return the sum over all series of a metric."""
        return sum(value for (name, _), value in self.series.items() if name == metric.name)
