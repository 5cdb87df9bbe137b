"""The hot path: write a call down, and nothing else."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Optional

from .calls import Call
from .capture import TooLargeError, capture
from .compilation import compiled_graphs

MAX_WAITING_CALLS = 100_000


class Recorder:
    """Collects calls until the flush thread takes them. Never raises, never waits, never emits.

    reduce_inputs: makes a few numbers a row out of inputs that are too large to copy, on their device.
    """

    def __init__(
        self,
        *,
        warmup: int,
        capture_inputs: bool,
        on_error: Callable[[str], None],
        reduce_inputs: Optional[Callable[[Any], Any]] = None,
    ) -> None:
        self.waiting: deque[Call] = deque()
        self.dropped = 0
        self._warmup_left = warmup
        self._capture_inputs = capture_inputs
        self._reduce_inputs = reduce_inputs
        self._on_error = on_error
        self._local = threading.local()
        self._latest: Optional[Call] = None

    def begin(self) -> Call:
        """Start a call in this thread."""
        call = Call(perf_counter_ns(), compiled_graphs())
        self._local.call = self._latest = call
        return call

    def current(self) -> Optional[Call]:
        """Return this thread's call; in a thread that a handler started itself, the worker's latest."""
        return getattr(self._local, "call", None) or self._latest

    def inputs(self, call: Call, value: Any) -> None:
        """Copy what inference is given; the first of several runs in a call counts."""
        if self._capture_inputs and call.inputs is None:
            call.inputs = self._captured(call, value, self._reduce_inputs)

    def outputs(self, call: Call, value: Any) -> None:
        """Copy what inference gives."""
        if call.outputs is None:
            call.outputs = self._captured(call, value)

    def finish(self, call: Call, *, requests: int, failed: int) -> None:
        """End a call that returned; `failed` of its requests were answered with an error."""
        call.requests = requests
        call.failed = failed
        self._put(call)

    def fail(self, call: Call, *, requests: int, error: BaseException) -> None:
        """End a call that raised."""
        call.requests = call.failed = requests
        call.ok = False
        call.out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        self._put(call)

    def take(self) -> list[Call]:
        """Remove and return the calls that wait, oldest first, up to one whose copies are still on their way."""
        taken = []
        while self.waiting and self.waiting[0].arrived:
            taken.append(self.waiting.popleft())
        return taken

    def _put(self, call: Call) -> None:
        call.handle_ns = perf_counter_ns() - call.started_ns
        call.compiled = compiled_graphs() - call.graphs
        if self._warmup_left > 0:
            self._warmup_left -= 1
            call.warmup = True
        self._local.call = self._latest = None
        if len(self.waiting) >= MAX_WAITING_CALLS:
            self.dropped += 1
            return
        self.waiting.append(call)

    def _captured(self, call: Call, value: Any, reduce: Optional[Callable[[Any], Any]] = None) -> Any:
        try:
            return capture(value if reduce is None else reduce(value))
        except TooLargeError:
            call.too_large = True
        except Exception:
            self._on_error("capture")
        return None
