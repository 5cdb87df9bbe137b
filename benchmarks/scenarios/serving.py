"""Traffic through a real monitor, flush by flush, and the series that it publishes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from torchvitals import MonitoredModel, MonitoringConfig, Thresholds
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.metric import Metric

from .own import Source, inputs, outputs

# Nothing is timed here: a busy machine must not leave inputs out, and its latency is no alert.
CONFIG = {
    "flush_interval": 10,
    "warmup": 0,
    "overhead_budget": None,
    "timing": "off",
    "thresholds": Thresholds(latency_p95_seconds=None, inflight_seconds=None, rss_bytes=None),
}

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class Timeline:
    """The values of every series at each flush; None before it existed. As a publisher it takes what is published.

    steps: flushes so far.
    """

    values: dict[Key, list[Any]] = field(default_factory=dict)
    steps: int = 0
    _now: dict[Key, float] = field(default_factory=dict)

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter."""
        key = _key(metric, labels)
        self._now[key] = self._now.get(key, 0.0) + amount

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""
        self._now[_key(metric, labels)] = value

    def flush(self) -> None:
        """Nothing is held back: `step` takes everything at once."""

    def step(self) -> None:
        """Write down what every series is now, as a scrape would find it."""
        for key, value in dict(self._now).items():
            found = self.values.setdefault(key, [])
            found += [None] * (self.steps - len(found))
            found.append(value)
        self.steps += 1

    def idle(self, steps: int) -> None:
        """Let scrapes find all series as they are, so many times."""
        for _ in range(steps):
            self.step()

    def of(self, metric: Metric) -> dict[tuple[str, ...], list[Any]]:
        """Return the values of a metric, by its labels' values."""
        return {
            tuple(value for _, value in labels): values
            for (name, labels), values in self.values.items()
            if name == metric.name
        }

    def drifted(self) -> list[bool]:
        """Tell for each flush whether the drift of any feature is believed."""
        flags = [False] * self.steps
        for values in self.of(m.DRIFTED).values():
            flags = [flag or value == 1 for flag, value in zip(flags, values)]
        return flags


def _key(metric: Metric, labels: tuple[str, ...]) -> Key:
    return metric.name, tuple(zip(metric.labels, labels))


def serve(
    source: Source, baseline: Any, window: Any, batches: Iterable[np.ndarray], timeline: Timeline
) -> Timeline:
    """Let a monitored model answer batches of rows, each followed by a flush; return what it published."""
    answers: list[Any] = []
    model = MonitoredModel(
        lambda rows: answers.pop(),
        baseline,
        config=MonitoringConfig(window=window, **CONFIG),
        publisher=timeline,
    )
    try:
        timeline.step()
        for rows in batches:
            scores = outputs(source, rows)
            answers.append(None if scores is None else torch.from_numpy(scores))
            model.predict(torch.from_numpy(inputs(source, rows)))
            model.monitor.flush()
            timeline.step()
    finally:
        model.close()
    return timeline


def pieces(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield consecutive rows, so many at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
