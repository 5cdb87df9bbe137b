"""How long a stage took, on the host's clock and on the device's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import msgspec

from .accelerators import Event, accelerator_of, capture_check
from .faults import Faults


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
    """What a stage does at its start and end beside reading the host's clock; here, nothing (CPU, and mostly MPS)."""

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
    """Marks a device's stream and reads the marks later, so that no request waits.

    is_capturing: tells whether the stream's work is being captured, which a mark would become part of.
    """

    host_only = False

    def __init__(
        self, pool: EventPool, faults: Faults, is_capturing: Optional[Callable[[], bool]] = None
    ) -> None:
        self._pool = pool
        self._faults = faults
        self._is_capturing = is_capturing

    def mark(self) -> Optional[Event]:
        """Mark the stream; a failing device costs us the mark, never the prediction."""
        try:
            if self._is_capturing is not None and self._is_capturing():
                return None
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

    def __init__(
        self,
        synchronize: Callable[[], None],
        faults: Faults,
        is_capturing: Optional[Callable[[], bool]] = None,
    ) -> None:
        self._synchronize = synchronize
        self._faults = faults
        self._is_capturing = is_capturing

    def settle(self) -> None:
        """Wait; an error of the device is the model's to raise, at its next call."""
        try:
            # Nothing that is captured runs, so there is nothing to wait for, and to wait is an error.
            if self._is_capturing is None or not self._is_capturing():
                self._synchronize()
        except BaseException as fault:
            self._faults.note("timing", fault)


def stage_clock(timing: str, device: Any, faults: Faults) -> StageClock:
    """Return the clock for a torch device and the `timing` of the configuration; it notes its faults.

    A CPU has the host's clock alone, and so has `timing: off`, and MPS unless it is to be waited for.
    """
    accelerator = accelerator_of(device)
    if timing == "off" or accelerator is None:
        return StageClock()
    is_capturing = capture_check(device)
    if timing == "sync":
        return SyncClock(accelerator.synchronize, faults, is_capturing)
    if not accelerator.has_timers:
        return StageClock()
    return EventClock(EventPool(accelerator.timer, accelerator.stream), faults, is_capturing)
