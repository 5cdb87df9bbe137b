"""All that was measured, and the JSON of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from benchmarks.machine import machine

from .micro import Micro, medians
from .peers import Cost, WindowCosts
from .turns import SERVED_BATCH, TURNS


@dataclass(frozen=True)
class Results:
    """Everything that was measured; seconds and bytes.

    added: what the monitor adds to a call, by features, batch and side of an image. ways: what others add to a
    request, or take for an observation. garbage: collections in so many `garbage_requests`, plain and monitored.
    """

    added: Mapping[str, Mapping[int, float]]
    micro: Micro
    all_at_1000_a_second: float
    memory: Mapping[int, Mapping[str, int]]
    garbage_requests: int
    garbage: Mapping[str, Mapping[str, Any]]
    served: list[dict[str, float]]
    others: Mapping[str, Cost]
    windows: WindowCosts

    @property
    def flush(self) -> dict[int, float]:
        """Seconds of a flush of 1,000 calls, by features."""
        return medians(self.micro, "flush")

    @property
    def evaluate(self) -> dict[int, float]:
        """Seconds of evaluating all statistics, by features."""
        return medians(self.micro, "evaluation")


def content(results: Results) -> dict[str, Any]:
    """Return what goes into benchmarks/results/hotpath.json."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {
            "turns": TURNS,
            "served_batch": SERVED_BATCH,
            "garbage_requests": results.garbage_requests,
        },
        "seconds_added": results.added,
        "flush_seconds": results.flush,
        "evaluate_seconds": results.evaluate,
        "all_seconds_a_request": results.all_at_1000_a_second,
        "memory_bytes": results.memory,
        "garbage_collections": results.garbage,
        "served": results.served,
        "others": {title: asdict(cost) for title, cost in results.others.items()},
        "evidently_windows": asdict(results.windows),
        "pytest_benchmark": {name: asdict(one) for name, one in results.micro.items()},
    }
