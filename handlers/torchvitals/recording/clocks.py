"""How long a stage took, on the host's clock and on the device's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional, Protocol

import msgspec


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

    def __init__(self, pool: EventPool, on_error: Callable[[str], None]) -> None:
        self._pool = pool
        self._on_error = on_error

    def mark(self) -> Optional[Event]:
        """Mark the stream; a failing device costs us the mark, never the prediction."""
        try:
            return self._pool.mark()
        except Exception:
            self._on_error("timing")
            return None

    def read(self, last: Optional[Span]) -> Optional[list[tuple[int, float]]]:
        """Read the spans once the device has passed them all, and reuse their events."""
        whole: list[tuple[int, Event, Event]] = []
        while last is not None:
            if last.end is not None:
                whole.insert(0, (last.stage, last.begin, last.end))
            last = last.before
        if not all(end.query() for _, _, end in whole):
            return None
        seconds = [(stage, begin.elapsed_time(end) / 1e3) for stage, begin, end in whole]
        for _, begin, end in whole:
            self._pool.release(begin, end)
        return seconds


class SyncClock(StageClock):
    """Waits for the device at each stage's end, so that the host's clock tells all of its time."""

    host_only = False

    def __init__(self, synchronise: Callable[[], None], on_error: Callable[[str], None]) -> None:
        self._synchronise = synchronise
        self._on_error = on_error

    def settle(self) -> None:
        """Wait; an error of the device is the model's to raise, at its next call."""
        try:
            self._synchronise()
        except Exception:
            self._on_error("timing")


def stage_clock(timing: str, device: Any, on_error: Callable[[str], None]) -> StageClock:
    """Return the clock for a torch device and the `timing` of the configuration.

    CPU and MPS have the host's clock alone, and so has `timing: off`. `on_error` is told the phase.
    """
    if timing == "off" or getattr(device, "type", None) != "cuda":
        return StageClock()
    import torch

    if timing == "sync":
        return SyncClock(lambda: torch.cuda.synchronize(device), on_error)
    pool = EventPool(
        lambda: torch.cuda.Event(enable_timing=True),  # type: ignore[no-untyped-call]
        # A handler may run on another device than the process's current one.
        lambda: torch.cuda.current_stream(device),
    )
    return EventClock(pool, on_error)
