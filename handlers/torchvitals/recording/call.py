"""One call of a handler, as the hot path writes it down."""

from __future__ import annotations

from typing import Optional

import msgspec

from .capture import Captured, DeviceCopy
from .clocks import Span

MEASURED = ("preprocess", "inference", "postprocess")
# The fields of a Call that hold the nanoseconds of MEASURED, in the same order.
STAGE_FIELDS = ("preprocess_ns", "inference_ns", "postprocess_ns")


class Call(msgspec.Struct, gc=False, eq=False):
    """Durations, sizes and copies of one call; filled in by the request's thread, read by the flush thread.

    Nothing in it may be a container that the garbage collector tracks. Hundreds of calls wait to be taken in, and so
    many new containers make Python search all of PyTorch's objects for cycles, again and again: 0.2 s each time, in
    which no request is served. A process that serves without them never does.
    """

    started_ns: int
    # Graphs that torch.compile had compiled when the call began.
    graphs: int
    preprocess_ns: int = 0
    inference_ns: int = 0
    postprocess_ns: int = 0
    handle_ns: int = 0
    requests: int = 0
    failed: int = 0
    compiled: int = 0
    warmup: bool = False
    out_of_memory: bool = False
    too_large: bool = False
    inputs: Optional[Captured] = None
    outputs: Optional[Captured] = None
    # The latest span on the device; it knows the one before it.
    span: Optional[Span] = None
    # The wall clock when the call ended, and the start headers of its requests, one a line; see queue_time.py.
    ended: float = 0.0
    starts: Optional[str] = None

    @property
    def arrived(self) -> bool:
        """Whether its copies can be read."""
        return all(not isinstance(copy, DeviceCopy) or copy.ready for copy in (self.inputs, self.outputs))

    @property
    def clean(self) -> bool:
        """Whether its durations belong in the latency series."""
        return not (self.warmup or self.compiled)
