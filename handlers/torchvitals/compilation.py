"""Whether torch.compile worked during a call, told by PyTorch's own counters."""

from __future__ import annotations

import sys


def compiled_graphs() -> int:
    """Return how many graphs torch.compile has compiled in this process; 0 while it was never used.

    Reads ``torch._dynamo.utils.counters['stats']['unique_graphs']``, but never imports the compiler: that
    costs seconds and memory in a worker that does not use it.
    """
    module = sys.modules.get("torch._dynamo.utils")
    return int(module.counters["stats"]["unique_graphs"]) if module is not None else 0
