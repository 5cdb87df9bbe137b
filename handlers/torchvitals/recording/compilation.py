"""Whether torch.compile worked during a call, told by PyTorch's own counters."""

from __future__ import annotations

from sys import modules


def compiled_graphs() -> int:
    """Return how many graphs torch.compile has compiled in this process; 0 while it was never used.

    Reads ``torch._dynamo.utils.counters['stats']['unique_graphs']``, but never imports the compiler: that
    costs seconds and memory in a worker that does not use it. While another thread imports it, the module is there
    and its counters may not be.
    """
    module = modules.get("torch._dynamo.utils")
    if module is None:
        return 0
    try:
        # TorchServe's own BaseHandler imports the compiler, so that this is the common way: `get` looks a missing
        # count up in C, `[...]` in Python.
        stats = module.counters.get("stats")
    except AttributeError:
        return 0
    if not stats:
        return 0
    graphs: int = stats.get("unique_graphs", 0)
    return graphs
