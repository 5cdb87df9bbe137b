"""The hot path: write a call down, and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import get_ident
from time import perf_counter_ns
from typing import Any, Optional

import torch

from .call import Call
from .capture import TooLargeError, capture
from .compilation import compiled_graphs
from .sampling import LargeInputSampler

MAX_WAITING_CALLS = 100_000
# A row of so few values is copied in less time than it takes to measure that.
SMALL_ROW_VALUES = 512


class Recorder:
    """Collects calls until the flush thread takes them. Never raises, never waits, never emits.

    reduce_inputs: makes a few numbers a row out of inputs that are too large to copy, on their device.
    sampler: says which large inputs are taken; all of them without one.
    """

    def __init__(
        self,
        *,
        warmup: int,
        capture_inputs: bool,
        on_error: Callable[[str], None],
        reduce_inputs: Optional[Callable[[Any], Any]] = None,
        sampler: Optional[LargeInputSampler] = None,
    ) -> None:
        self.waiting: deque[Call] = deque()
        self.dropped = 0
        self._warmup_left = warmup
        self._capture_inputs = capture_inputs
        self.reduce_inputs = reduce_inputs
        self.sampler = sampler or LargeInputSampler(None)
        self._on_error = on_error
        # By thread. Each operation on it is one of the interpreter's own, so that no lock is needed.
        self.running: dict[int, Call] = {}

    def begin(self) -> Call:
        """Start a call in this thread."""
        call = self.running[get_ident()] = Call(perf_counter_ns(), compiled_graphs())
        return call

    def current(self) -> Optional[Call]:
        """Return this thread's call; in a thread that a handler started itself, the worker's latest."""
        return self.running.get(get_ident()) or self.latest()

    def latest(self) -> Optional[Call]:
        """Return the call that began last of those that have not ended; None without one."""
        running = list(self.running.values())
        return running[-1] if running else None

    def oldest_seconds(self) -> float:
        """Return the age of the oldest call that has not ended, in seconds; 0 without one. For the flush thread."""
        running = list(self.running.values())
        return (perf_counter_ns() - min(call.started_ns for call in running)) / 1e9 if running else 0.0

    def inputs(self, call: Call, value: Any) -> None:
        """Copy what inference is given; the first of several runs in a call counts."""
        if not self._capture_inputs or call.inputs is not None:
            return
        if self.reduce_inputs is None and isinstance(value, torch.Tensor) and _small_rows(value.shape):
            call.inputs = self._captured(call, value)
        elif self.sampler.admits():
            began = self.sampler.clock()
            call.inputs = self._captured(call, value, self.reduce_inputs)
            self.sampler.spent(began)

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
        self.running.pop(get_ident(), None)
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


def _small_rows(shape: torch.Size) -> bool:
    return (len(shape) == 2 and shape[1] <= SMALL_ROW_VALUES) or shape.numel() <= SMALL_ROW_VALUES
