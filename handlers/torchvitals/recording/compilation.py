"""Whether torch.compile worked during a call, told by PyTorch's own counters."""

from __future__ import annotations

import sys


def compiled_graphs() -> int:
    """Return how many graphs torch.compile has compiled in this process; 0 while it was never used.

    Reads ``torch._dynamo.utils.counters['stats']['unique_graphs']``, but never imports the compiler: that
    costs seconds and memory in a worker that does not use it.
    """
    module = sys.modules.get("torch._dynamo.utils")
    if module is None:
        return 0
    # TorchServe's own BaseHandler imports the compiler, so that this is the common way: `get` looks a missing count up
    # in C, `[...]` in Python.
    stats = module.counters.get("stats")
    return int(stats.get("unique_graphs", 0)) if stats else 0
