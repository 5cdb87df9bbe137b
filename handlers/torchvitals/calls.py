"""One call of a handler, as the hot path writes it down."""

from __future__ import annotations

from typing import Optional

from .capture import Captured, DeviceCopy
from .queueing import Starts
from .timing import Span

MEASURED = ("preprocess", "inference", "postprocess")


class Call:
    """Durations, sizes and copies of one call; filled in by the request's thread, read by the flush thread."""

    __slots__ = (
        "compiled", "events", "failed", "graphs", "handle_ns", "inputs", "ok", "out_of_memory", "outputs",
        "requests", "stage_ns", "started_ns", "starts", "too_large", "warmup",
    )  # fmt: skip

    def __init__(self, started_ns: int, graphs: int) -> None:
        self.started_ns = started_ns
        self.graphs = graphs
        self.stage_ns = [0, 0, 0]
        self.handle_ns = 0
        self.requests = 0
        self.failed = 0
        self.ok = True
        self.out_of_memory = False
        self.warmup = False
        self.compiled = 0
        self.inputs: Optional[Captured] = None
        self.outputs: Optional[Captured] = None
        self.too_large = False
        self.events: Optional[list[Span]] = None
        self.starts: Optional[Starts] = None

    @property
    def arrived(self) -> bool:
        """Whether its copies can be read."""
        return all(not isinstance(copy, DeviceCopy) or copy.ready for copy in (self.inputs, self.outputs))

    @property
    def clean(self) -> bool:
        """Whether its durations belong in the latency series."""
        return not (self.warmup or self.compiled)
