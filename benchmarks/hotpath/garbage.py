"""Garbage collections while requests are served: Python stops every thread for as long as one lasts.

    python -m benchmarks.hotpath.garbage plain|monitored REQUESTS

In a process of its own, because how long one takes depends on all that the process holds.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

FEATURES = 10


@dataclass
class Collections:
    """Collections by generation, youngest first, and the CPU seconds of each generation's longest one."""

    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    worst_seconds: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    total_seconds: float = 0.0

    def add(self, generation: int, seconds: float) -> None:
        """Count one collection."""
        self.counts[generation] += 1
        self.worst_seconds[generation] = max(self.worst_seconds[generation], seconds)
        self.total_seconds += seconds


class Watch:
    """Counts the collections of this process while it is entered."""

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self.seen = Collections()
        self._clock = clock
        self._began = 0.0

    def __enter__(self) -> Collections:
        gc.callbacks.append(self._called)
        return self.seen

    def __exit__(self, *error: object) -> None:
        gc.callbacks.remove(self._called)

    def _called(self, phase: str, info: Mapping[str, Any]) -> None:
        if phase == "start":
            self._began = self._clock()
        else:
            self.seen.add(info["generation"], self._clock() - self._began)


def serve(way: str, requests: int) -> Collections:
    """Serve so many requests of one row, a flush every five seconds' worth at 1,000 requests/s."""
    import torch

    from . import actions
    from .lines import lines_to_null

    torch.set_num_threads(1)
    given = torch.randn(1, FEATURES)
    monitor = actions.monitor_of(actions.tabular_baseline(FEATURES))
    run = actions.plain(given).run if way == "plain" else actions.monitored_by(monitor, given)
    with lines_to_null():
        run()
        monitor.flush()
        # What loading left behind is no request's.
        gc.collect()
        with Watch() as seen:
            for begun in range(0, requests, actions.CALLS_BETWEEN_FLUSHES):
                for _ in range(min(actions.CALLS_BETWEEN_FLUSHES, requests - begun)):
                    run()
                if way == "monitored":
                    monitor.flush()
    return seen


if __name__ == "__main__":
    found = serve(sys.argv[1], int(sys.argv[2]))
    print(json.dumps(vars(found)))
