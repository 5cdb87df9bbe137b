"""What outputs of each kind cost a row: on the request path, and in the flush thread.

    python -m benchmarks.output_kinds

CPU time of one thread, the median of several rounds, of the models that the tests serve (see
tests/unit/featurizers/outputs_by_kind.py). A call without outputs is taken off.
"""

from __future__ import annotations

import logging
import statistics
import time
from typing import Any

import numpy as np
import torch

from tests.unit.featurizers.outputs_by_kind import CASES, Case
from torchvitals import Baseline, Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher

ROWS, ROUNDS, CALLS = 2000, 7, 200
BATCHES = (1, 64)


def spent(monitor: Monitor, outputs: Any, rows: int) -> tuple[float, float]:
    """Return CPU seconds a call on the request path, and of taking a call in."""
    recorder = monitor.recorder
    began = time.thread_time()
    for _ in range(CALLS):
        call = recorder.begin()
        if outputs is not None:
            recorder.outputs(call, outputs)
        recorder.finish(call, requests=rows, failed=0)
    asked = time.thread_time()
    monitor.take_in()
    return (asked - began) / CALLS, (time.thread_time() - asked) / CALLS


def cost(case: Case, baseline: Baseline, rows: int) -> tuple[float, float]:
    """Return microseconds a row on the request path, and in the flush thread."""
    monitor = Monitor(MonitoringConfig(warmup=0, overhead_budget=None), MemoryPublisher(), baseline=baseline)
    outputs = case.healthy(np.random.default_rng(2), rows)
    spent(monitor, outputs, rows)
    rounds = [(spent(monitor, outputs, rows), spent(monitor, None, rows)) for _ in range(ROUNDS)]
    parts = ([with_[part] - without[part] for with_, without in rounds] for part in (0, 1))
    request, flush = (max(statistics.median(part), 0.0) / rows * 1e6 for part in parts)
    return request, flush


def main() -> None:
    """Print a line a case."""
    torch.set_num_threads(1)
    # There is neither a stage nor an input here, and the monitor says so.
    logging.disable(logging.ERROR)
    inputs = np.zeros((ROWS, 1))
    print(f"{'outputs':36}{'batch':>6}{'request path':>16}{'flush thread':>16}   (µs a row)")
    for name, case in CASES.items():
        outputs = case.healthy(np.random.default_rng(1), ROWS)
        baseline = Baseline.fit(inputs, outputs=outputs, features=case.features, class_names=case.class_names)
        for rows in BATCHES:
            request, flush = cost(case, baseline, rows)
            print(f"{name:36}{rows:6}{request:16.1f}{flush:16.1f}")


if __name__ == "__main__":
    main()
