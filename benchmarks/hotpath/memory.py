"""Memory of a worker beyond what TorchServe, torch, numpy and the part of scipy that the monitor uses take.

    python -m benchmarks.hotpath.memory BASELINE FEATURES

In a process that imports what a worker imports, and nothing else before it has looked.
"""

from __future__ import annotations

import json
import os
import sys

FLUSHES = 4
# At 1,000 requests/s: a flush every five seconds.
TAKEN_IN_BETWEEN_FLUSHES = 10


def rss_bytes() -> int:
    """Return the resident memory, by the kernel's count: nothing is imported for it."""
    with open("/proc/self/statm") as counts:
        return int(counts.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def parts_of(
    *, bare: int, before: int, imported: int, at_rest: int, waiting: int, most: int
) -> dict[str, int]:
    """Return what each step added, in bytes, out of the resident memory after each.

    Together they are `total`, but for `scipy`: its special functions, which a worker without the monitor lacks and the
    budget leaves out.
    """
    return {
        "scipy": before - bare,
        "imports": imported - before,
        "at_rest": at_rest - imported,
        "waiting_calls": waiting - at_rest,
        "flushes": most - waiting,
        "total": most - before,
    }


def grow(baseline_file: str, features: int) -> dict[str, int]:
    """Load and run a monitor as at 1,000 requests/s; return the parts of what it took at its most."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy  # noqa: F401 - a worker without the monitor has it
    import torch
    import ts.model_service_worker  # noqa: F401 - TorchServe's worker itself
    from ts.torch_handler.base_handler import BaseHandler  # noqa: F401

    torch.set_num_threads(1)
    row, answer = torch.randn(1, features), torch.randn(1, 3)
    row.numpy().mean(0)
    bare = rss_bytes()
    import scipy.special

    scipy.special.chdtrc(1.0, 1.0)
    before = rss_bytes()
    from torchvitals import Monitor, MonitoredHandler, MonitoringConfig  # noqa: F401
    from torchvitals.baseline.schema import BaselineData
    from torchvitals.publishers.memory import MemoryPublisher
    from torchvitals.worker.arena import take_room
    from torchvitals.worker.loop import TAKE_IN_SECONDS

    imported = rss_bytes()
    monitor = Monitor(
        MonitoringConfig(warmup=0), MemoryPublisher(), baseline=BaselineData.load(baseline_file)
    )
    # As the monitor's own thread, which waits for the clock: memory is the thread's.
    thread = ThreadPoolExecutor(max_workers=1)
    room = thread.submit(take_room).result()
    at_rest = most = rss_bytes()
    waiting = 0
    for _ in range(FLUSHES):
        for _ in range(TAKEN_IN_BETWEEN_FLUSHES):
            for _ in range(int(1000 * TAKE_IN_SECONDS)):
                call = monitor.recorder.begin()
                monitor.recorder.inputs(call, row)
                monitor.recorder.outputs(call, answer)
                monitor.recorder.finish(call, requests=1, failed=0)
            waiting = waiting or rss_bytes()
            most = max(most, rss_bytes())
            thread.submit(monitor.take_in).result()
            most = max(most, rss_bytes())
        thread.submit(monitor.flush).result()
        most = max(most, rss_bytes())
    del room
    thread.shutdown()
    return parts_of(bare=bare, before=before, imported=imported, at_rest=at_rest, waiting=waiting, most=most)


if __name__ == "__main__":
    print(json.dumps(grow(sys.argv[1], int(sys.argv[2]))))
