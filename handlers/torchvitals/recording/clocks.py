"""How long a stage took, on the host's clock and on the device's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional, Protocol

import msgspec
import torch

from .faults import Faults


class Event(Protocol):
    """What we use of torch.cuda.Event."""

    def record(self, stream: Any = None) -> None:
        """Mark a stream."""

    def query(self) -> bool:
        """Tell whether the device has passed the mark."""

    def elapsed_time(self, end: Any) -> float:
        """Return milliseconds from this mark to `end`."""


class EventPool:
    """Event objects for reuse: making one costs more than recording one."""

    def __init__(self, make: Callable[[], Event], stream: Callable[[], Any]) -> None:
        self._make = make
        self._stream = stream
        self._free: list[Event] = []

    def mark(self) -> Event:
        """Record an event on the stream in use now, without waiting for it."""
        try:
            event = self._free.pop()
        except IndexError:
            event = self._make()
        event.record(self._stream())
        return event

    def release(self, *events: Event) -> None:
        """Give events back."""
        self._free.extend(events)


class Span(msgspec.Struct, gc=False, eq=False):
    """One run of a stage on the device; why it is no list of tuples, call.py says.

    stage: its index. end: None if marking it failed. before: the span of the same call that came before.
    """

    stage: int
    begin: Event
    end: Optional[Event]
    before: Optional[Span]


class StageClock:
    """What a stage does at its start and end beside reading the host's clock; here, nothing (CPU, MPS)."""

    host_only = True

    def mark(self) -> Optional[Event]:
        """Mark the device's stream, where there is one to mark."""
        return None

    def settle(self) -> None:
        """Wait for the device, where that was asked for."""

    def read(self, last: Optional[Span]) -> Optional[list[tuple[int, float]]]:
        """Return (stage, device seconds) of a call's spans, by its last one; None while the device is not there yet."""
        return []


class EventClock(StageClock):
    """Marks a device's stream and reads the marks later, so that no request waits."""

    host_only = False

    def __init__(self, pool: EventPool, faults: Faults) -> None:
        self._pool = pool
        self._faults = faults

    def mark(self) -> Optional[Event]:
        """Mark the stream; a failing device costs us the mark, never the prediction."""
        try:
            return self._pool.mark()
        except BaseException as fault:
            self._faults.note("timing", fault)
            return None

    def read(self, last: Optional[Span]) -> Optional[list[tuple[int, float]]]:
        """Return (stage, device seconds) of a call's spans, first to last; None while the device is not there yet.

        Its events are for reuse then, also where the device fails and this raises.
        """
        spans: list[Span] = []
        while last is not None:
            spans.insert(0, last)
            last = last.before
        whole = [(span.stage, span.begin, span.end) for span in spans if span.end is not None]
        try:
            if not all(end.query() for _, _, end in whole):
                return None
            seconds = [(stage, begin.elapsed_time(end) / 1e3) for stage, begin, end in whole]
        except BaseException:
            self._release(spans)
            raise
        self._release(spans)
        return seconds

    def _release(self, spans: list[Span]) -> None:
        for span in spans:
            self._pool.release(*(event for event in (span.begin, span.end) if event is not None))


class SyncClock(StageClock):
    """Waits for the device at each stage's end, so that the host's clock tells all of its time."""

    host_only = False

    def __init__(self, synchronize: Callable[[], None], faults: Faults) -> None:
        self._synchronize = synchronize
        self._faults = faults

    def settle(self) -> None:
        """Wait; an error of the device is the model's to raise, at its next call."""
        try:
            self._synchronize()
        except BaseException as fault:
            self._faults.note("timing", fault)


def stage_clock(timing: str, device: Any, faults: Faults) -> StageClock:
    """Return the clock for a torch device and the `timing` of the configuration; it notes its faults.

    CPU and MPS have the host's clock alone, and so has `timing: off`.
    """
    if timing == "off" or getattr(device, "type", None) != "cuda":
        return StageClock()
    if timing == "sync":
        return SyncClock(lambda: torch.cuda.synchronize(device), faults)
    pool = EventPool(
        lambda: torch.cuda.Event(enable_timing=True),  # type: ignore[no-untyped-call]
        # A handler may run on another device than the process's current one.
        lambda: torch.cuda.current_stream(device),
    )
    return EventClock(pool, faults)
