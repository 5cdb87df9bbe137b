"""What other libraries do for one row or one observation.

    python -m benchmarks.hotpath.observations NAME

Runs in the environment of that library, so that nothing but it and the standard library is imported here.
"""

from __future__ import annotations

import importlib.metadata
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 9
ROUND_SECONDS = 0.05

Observe = Callable[[], Any]


def whylogs() -> Observe:
    """Return the tracking of a row of ten numbers."""
    from whylogs.core import DatasetProfile

    profile, row = DatasetProfile(), {f"f{index}": index + 0.5 for index in range(10)}
    return lambda: profile.track(row)


def opentelemetry_sdk() -> Observe:
    """Return an observation of a histogram."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    meter = MeterProvider([InMemoryMetricReader()]).get_meter("bench")
    histogram = meter.create_histogram("seconds")
    return lambda: histogram.record(0.003, {"stage": "handle"})


def prometheus_client() -> Observe:
    """Return an observation of a histogram."""
    from prometheus_client import CollectorRegistry, Histogram

    histogram = Histogram("seconds", "x", ["stage"], registry=CollectorRegistry()).labels("handle")
    return lambda: histogram.observe(0.003)


# By the name that the library's distribution has.
CALLS = {
    "whylogs": whylogs,
    "opentelemetry-sdk": opentelemetry_sdk,
    "prometheus_client": prometheus_client,
}


def seconds_a_call(observe: Observe) -> float:
    """Return CPU seconds of this thread a call, the median of some rounds."""
    observe()
    costs = []
    for _ in range(ROUNDS):
        calls, began = 0, time.thread_time()
        while time.thread_time() - began < ROUND_SECONDS:
            for _ in range(10):
                observe()
            calls += 10
        costs.append((time.thread_time() - began) / calls)
    return statistics.median(costs)


if __name__ == "__main__":
    name = sys.argv[1]
    print(json.dumps({"version": importlib.metadata.version(name), "seconds": seconds_a_call(CALLS[name]())}))
