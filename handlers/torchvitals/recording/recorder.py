"""The request path: write a call down, and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from threading import get_ident
from time import perf_counter_ns
from typing import Any, Optional

from torch import Tensor

from .call import PROBED, REDUCED, CallRecord
from .capture import Captured, DeviceCopy, TooLargeError, capture, packed_row, rows_in, size_of
from .compilation import compiled_graphs
from .faults import Faults
from .parts import are_boxes
from .runs import Run, put_together
from .sampling import LargeInputSampler

MAX_WAITING_CALLS = 100_000
# Copies of inputs and outputs that wait to be taken in.
MAX_WAITING_BYTES = 32 * 2**20
# A row of so few values is copied in less time than it takes to measure that.
SMALL_ROW_VALUES = 512
# Calls handled together: with fewer, NumPy's cost a step is most of it; with more, a step at 100 features would hold
# requests up for more than a millisecond.
SLICE_CALLS = 128
SLICE_BYTES = 2**20
# A copy that has not arrived from its device after so long never will.
PATIENCE_NS = 30 * 10**9


class Recorder:
    """Collects calls until the flush thread takes them. Never waits and never emits.

    What its methods raise is a fault of ours; `recorded` and `instrument_stages` keep it from the request.

    reduce_inputs: makes a few numbers a row out of inputs that are too large to copy, on their device.
    sampler: says which large inputs are taken; all of them without one.
    is_capturing: tells whether what the device is given now is captured, to run later; then nothing is copied.
    """

    def __init__(
        self,
        *,
        warmup: int,
        capture_inputs: bool,
        faults: Optional[Faults] = None,
        reduce_inputs: Optional[Callable[[Any], Any]] = None,
        sampler: Optional[LargeInputSampler] = None,
        is_capturing: Optional[Callable[[], bool]] = None,
    ) -> None:
        self.faults = faults or Faults()
        self.waiting: deque[CallRecord] = deque()
        # Bytes of copies that wait, near enough: the flush thread counts them anew whenever it has taken some.
        self.waiting_bytes = 0
        # Calls that found no place.
        self.dropped = 0
        self._warmup_left = warmup
        # Graphs that torch.compile had compiled when a call ended last; compiled since then, they are of the next call.
        self._graphs = compiled_graphs()
        self._capture_inputs = capture_inputs
        self.reduce_inputs = reduce_inputs
        # Makes a few numbers a row out of outputs, on their device, where what they are needs that; `probe` does so of
        # those that are too large to copy, and of which nothing is known.
        self.reduce_outputs: Optional[Callable[[Any], Any]] = None
        # Whether the sampler says which outputs are reduced, as it does of inputs; predictions are of every call.
        self.samples_outputs = False
        self.probe: Optional[Callable[[Any], Any]] = None
        self.sampler = sampler or LargeInputSampler(None)
        self._is_capturing = is_capturing
        # Whether a server says, once its reply is made, how a call was answered; until then the call is held.
        self.holds = False
        self.held: dict[CallRecord, bool] = {}
        self._held_before: list[CallRecord] = []
        # Calls that have not ended, in order. Each operation on it is one of the interpreter's own: no lock is needed.
        self.running: dict[CallRecord, bool] = {}
        # What the runs of inference of calls of several requests gave until now.
        self._runs: dict[CallRecord, list[Run]] = {}
        # The call of this thread or coroutine.
        self.current: ContextVar[Optional[CallRecord]] = ContextVar("torchvitals_call", default=None)
        self._first: Optional[Callable[[], None]] = None

    @property
    def fresh(self) -> bool:
        """Whether this is a forked process that has not served a call yet."""
        return self._first is not None

    def begin(self) -> CallRecord:
        """Start a call in this thread or coroutine."""
        call = CallRecord(perf_counter_ns(), self._graphs)
        self.running[call] = True
        self.current.set(call)
        return call

    def latest(self) -> Optional[CallRecord]:
        """Return the call that began last of those that have not ended; None without one.

        That is the call of a thread that a handler started itself, as far as can be known.
        """
        running = list(self.running)
        return running[-1] if running else None

    def oldest_seconds(self) -> float:
        """Return the age of the oldest call that has not ended, in seconds; 0 without one. For the flush thread."""
        running = [call.started_ns for call in list(self.running) if call.timed]
        return (perf_counter_ns() - min(running)) / 1e9 if running else 0.0

    def inputs(self, call: CallRecord, value: Any) -> None:
        """Copy what inference is given; of several runs in a call, until there is a row for each of its requests."""
        if not self._capture_inputs:
            return
        if call.expected > 1:
            self._add_run(call, "inputs", value)
        elif call.inputs is None:
            if (
                self.reduce_inputs is None
                and isinstance(value, Tensor)
                and self.waiting_bytes < MAX_WAITING_BYTES
            ):
                call.inputs = packed = packed_row(value)
                if packed is not None:
                    call.copied_bytes += len(packed)
                    return
            call.inputs = self._input(call, value)

    def outputs(self, call: CallRecord, value: Any) -> None:
        """Copy what inference gives; of several runs in a call, until there is a row for each of its requests."""
        if call.expected > 1:
            self._add_run(call, "outputs", value)
        elif call.outputs is None:
            if (
                self.reduce_outputs is None
                and isinstance(value, Tensor)
                and self.waiting_bytes < MAX_WAITING_BYTES
            ):
                call.outputs = packed = packed_row(value)
                if packed is not None:
                    call.copied_bytes += len(packed)
                    return
            call.outputs = self._output(call, value)

    def _add_run(self, call: CallRecord, which: str, value: Any) -> None:
        """Copy one run's inputs or outputs, of a call of several requests: its runs may be of several threads."""
        # Of two threads that come first at once, both get the same list.
        runs = self._runs.setdefault(call, [])
        if sum(rows_in(run.copy) for run in runs if run.which == which) < call.expected:
            copy = self._input(call, value) if which == "inputs" else self._output(call, value)
            if copy is not None:
                runs.append(Run(which, copy, get_ident()))

    def _input(self, call: CallRecord, value: Any) -> Optional[Captured]:
        """Copy inputs that are not one row of few values, or describe them."""
        if self._is_capturing is not None and self._is_capturing():
            return None
        try:
            if self.reduce_inputs is None and isinstance(value, Tensor) and _has_small_rows(value):
                return self._captured(call, value)
            if not self.sampler.admits():
                call.sampled_out = True
                return None
            began = self.sampler.clock()
            copy = self._captured(call, value, self.reduce_inputs)
            self.sampler.spent(began)
            return copy
        except TooLargeError:
            call.too_large = True
            return None

    def _output(self, call: CallRecord, value: Any) -> Optional[Captured]:
        """Copy outputs, or what they are reduced to; boxes of which nothing is said are left alone."""
        if self._is_capturing is not None and self._is_capturing():
            return None
        reduce = self.reduce_outputs
        try:
            if reduce is not None:
                if self.samples_outputs and not self.sampler.admits():
                    call.sampled_out = True
                    return None
                began = self.sampler.clock()
                copy = self._captured(call, value, reduce)
                call.outputs_are = REDUCED
                if self.samples_outputs:
                    self.sampler.spent(began)
                return copy
            return None if are_boxes(value) else self._captured(call, value)
        except TooLargeError:
            return self._probed(call, value)

    def _probed(self, call: CallRecord, value: Any) -> Optional[Captured]:
        """Copy what is to be known of outputs that are too large to copy."""
        try:
            if self.probe is not None and (call.outputs_are == PROBED or not self._has_outputs(call)):
                copy = self._captured(call, value, self.probe)
                call.outputs_are = PROBED
                return copy
        except TooLargeError:
            pass
        call.outputs_too_large = True
        return None

    def _has_outputs(self, call: CallRecord) -> bool:
        return call.outputs is not None or any(run.which == "outputs" for run in self._runs.get(call, ()))

    def finish(self, call: CallRecord, *, requests: int, failed: int) -> None:
        """End a call that returned; `failed` of its requests were answered with an error."""
        call.requests = requests
        call.failed = failed
        self.end(call)

    def fail(self, call: CallRecord, *, requests: int, error: BaseException) -> None:
        """End a call that raised."""
        call.requests = call.failed = requests
        call.out_of_memory = is_out_of_memory(error)
        self.end(call)

    def end(self, call: CallRecord) -> None:
        """Complete the record of a call that ends now, and let it wait; it waits in any case, whatever this raises."""
        try:
            call.handle_ns = perf_counter_ns() - call.started_ns
            if call.expected > 1:
                put_together(call, self._runs.pop(call, []))
            self._graphs = graphs = compiled_graphs()
            call.compiled = max(0, graphs - call.graphs)
            if self._warmup_left > 0:
                self._warmup_left -= 1
                call.warmup = True
        except BaseException:
            call.timed = False
            raise
        finally:
            # A call that is not known here is that of a process from which this one was forked.
            if self.running.pop(call, False):
                if self.holds:
                    self.held[call] = True
                elif len(self.waiting) < MAX_WAITING_CALLS:
                    self.waiting_bytes += call.copied_bytes
                    self.waiting.append(call)
                else:
                    self.dropped += 1
        if self._first is not None:
            first, self._first = self._first, None
            first()

    def answered(self, call: CallRecord) -> None:
        """Let a call wait whose reply is made."""
        if call in self.held:
            self.add(call)
            del self.held[call]

    def add(self, call: CallRecord) -> None:
        """Let a call wait that has ended, or that reached no handler."""
        if len(self.waiting) < MAX_WAITING_CALLS:
            self.waiting_bytes += call.copied_bytes
            self.waiting.append(call)
        else:
            self.dropped += 1

    def _release_held(self) -> None:
        """Let calls wait whose reply nobody made in a whole turn: their task was cancelled, for example."""
        before, self._held_before = self._held_before, list(self.held)
        for call in before:
            self.answered(call)

    def slices(self) -> Iterator[list[CallRecord]]:
        """Remove and yield the calls that wait now, oldest first, as many at a time as are handled together.

        Ends early at a call whose copies are still on their way.
        """
        if self.held or self._held_before:
            self._release_held()
        for call in list(self._runs):
            if call not in self.running:  # abandoned, or ended before a thread of its own did
                self._runs.pop(call, None)
        left = len(self.waiting)
        while left > 0:
            taken: list[CallRecord] = []
            size = 0
            while left > 0 and len(taken) < SLICE_CALLS and size < SLICE_BYTES:
                if not self._arrived(self.waiting[0]):
                    left = 0
                    break
                call = self.waiting.popleft()
                taken.append(call)
                size += call.copied_bytes
                left -= 1
            self.waiting_bytes -= size
            if taken:
                yield taken
        # Other threads add to it meanwhile, so that it is near enough only; once a turn it is counted anew.
        self.waiting_bytes = sum(call.copied_bytes for call in list(self.waiting))

    def take(self) -> list[CallRecord]:
        """Remove and return the calls that wait, oldest first, up to one whose copies are still on their way."""
        return [call for calls in self.slices() for call in calls]

    def forget(self, first: Optional[Callable[[], None]] = None) -> None:
        """Forget all calls: this process is a fork, and they are its parent's. `first` runs at its own first call."""
        self.waiting.clear()
        self.running.clear()
        self._runs.clear()
        self.held.clear()
        self._held_before = []
        self.waiting_bytes = self.dropped = 0
        self.current.set(None)
        self._first = first

    def _arrived(self, call: CallRecord) -> bool:
        """Tell whether a call's copies can be read; those that a device lost are given up, and the call counts."""
        copies: Iterable[Optional[Captured]] = (call.inputs, call.outputs)
        if call.more is not None:
            copies = (*call.copies("inputs"), *call.copies("outputs"))
        for copy in copies:
            if not isinstance(copy, DeviceCopy):
                continue
            try:
                if copy.ready:
                    continue
                if perf_counter_ns() - call.started_ns - call.handle_ns < PATIENCE_NS:
                    return False
                raise TimeoutError("a copy has not arrived from its device")
            except BaseException as fault:
                self.faults.count("capture", fault)
                call.inputs = call.outputs = call.more = None
                return True
        return True

    def _captured(
        self, call: CallRecord, value: Any, reduce: Optional[Callable[[Any], Any]] = None
    ) -> Optional[Captured]:
        if self.waiting_bytes >= MAX_WAITING_BYTES:
            call.crowded_out = True
            return None
        try:
            copy = capture(value if reduce is None else reduce(value), call)
        except TooLargeError:
            raise
        except BaseException as fault:
            self.faults.note("capture", fault)
            return None
        if copy is not None:
            call.copied_bytes += len(copy) if type(copy) is bytes else size_of(copy)
        return copy


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of the user's code means that memory ran out, the host's or a device's."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _has_small_rows(tensor: Tensor) -> bool:
    if tensor.is_nested:
        return False
    return tensor.numel() <= SMALL_ROW_VALUES or (tensor.ndim == 2 and tensor.shape[1] <= SMALL_ROW_VALUES)
