"""One call of a handler, as the request path writes it down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

import msgspec

from .capture import Captured
from .clocks import Span

MEASURED = ("preprocess", "inference", "postprocess")
# The fields of a CallRecord that hold the nanoseconds of MEASURED, in the same order.
STAGE_FIELDS = ("preprocess_ns", "inference_ns", "postprocess_ns")


RAW, REDUCED, PROBED = 0, 1, 2


class More(msgspec.Struct, gc=False, eq=False):
    """Copies of one more run of inference in a call; `before` is the run before it."""

    inputs: Optional[Captured]
    outputs: Optional[Captured]
    before: Optional[More]


class CallRecord(msgspec.Struct, gc=False, eq=False):
    """Durations, sizes and copies of one call; filled in by the request's thread, read by the flush thread.

    Nothing in it may be a container that the garbage collector tracks. Hundreds of calls wait to be taken in, and so
    many new containers make Python search all of PyTorch's objects for cycles, again and again: 0.2 s each time, in
    which no request is served. A process that serves without them never does.
    """

    started_ns: int
    # Graphs that torch.compile had compiled before.
    graphs: int
    preprocess_ns: int = 0
    inference_ns: int = 0
    postprocess_ns: int = 0
    # 0 until the call has ended.
    handle_ns: int = 0
    requests: int = 0
    # Items that the handler was given, where an envelope makes several of a request; 0 for one a request.
    instances: int = 0
    failed: int = 0
    compiled: int = 0
    warmup: bool = False
    # False where a clock of ours failed: the call counts, its durations do not.
    timed: bool = True
    out_of_memory: bool = False
    # Whether a row of inputs, or of outputs, has more values than are worth copying.
    too_large: bool = False
    outputs_too_large: bool = False
    # How the copies of outputs are to be read: RAW, REDUCED to features, or PROBED.
    outputs_are: int = 0
    # Whether copies were left out because too many bytes were waiting.
    crowded_out: bool = False
    # Whether the overhead budget was spent when inputs came, or outputs that are reduced.
    sampled_out: bool = False
    inputs: Optional[Captured] = None
    outputs: Optional[Captured] = None
    # Later runs of inference in this call.
    more: Optional[More] = None
    # Whether they ran one after another: only then is their order known to be that of the requests.
    in_order: bool = True
    # How many requests the server called with, as far as is known before the call has ended.
    expected: int = 1
    # Whether the handler's own `inference` ran: the model's runs are part of it.
    staged: bool = False
    # Whether it asked for something else than a prediction, so that there may be nothing to see.
    special: bool = False
    # The size of the two.
    copied_bytes: int = 0
    # The latest span on the device; it knows the one before it.
    span: Optional[Span] = None
    # The wall clock when the call ended, and the start headers of its requests, one a line; see queue_time.py.
    ended: float = 0.0
    starts: Optional[str] = None
    # The ids of its predictions and their segments, one a line; see naming.py.
    ids: Optional[str] = None
    segments: str = ""
    # Of continuous batching: how many requests took this step (0 for as many as ended with it), and, of those that had
    # their first step or their last one, the seconds since they came, as packed doubles.
    size: int = 0
    first_steps: bytes = b""
    last_steps: bytes = b""

    def copies(self, which: str) -> Iterator[Captured]:
        """Yield the copies of its `inputs` or `outputs`, of the first run of inference to the last."""
        first: Optional[Captured] = getattr(self, which)
        if first is not None:
            yield first
        if self.more is not None:
            runs: list[More] = []
            more: Optional[More] = self.more
            while more is not None:
                runs.append(more)
                more = more.before
            for run in reversed(runs):
                copy: Optional[Captured] = getattr(run, which)
                if copy is not None:
                    yield copy

    @property
    def clean(self) -> bool:
        """Whether its durations belong in the latency series."""
        return self.timed and not (self.warmup or self.compiled)
