"""The thread that takes calls in and flushes, again and again, whatever a turn raises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Optional, Protocol

from ..recording.faults import Faults
from .pacing import FLUSH_SHARE, RESTS_PER_SLICE, next_flush, rests_within

# Calls are taken in this often, whatever the flush interval: few wait, and no flush has thousands to go through.
TAKE_IN_SECONDS = 0.5
# After a turn that failed. Whatever made it fail may do so at once again.
RETRY_SECONDS = 0.1
# What the last flush may take beyond an interval before `stop` leaves it to itself.
STOP_SECONDS = 5.0


class Flush(Protocol):
    """Takes calls in until a time of `time.monotonic`, judges and publishes; returns CPU seconds of the latter two."""

    def __call__(self, rests: float, *, until: float) -> float:
        """Flush, resting so many times as long as it works."""


class FlushLoop:
    """Runs `take_in` each half second and `flush` each interval, in a thread of its own.

    interval: seconds. prepare: runs first in the thread. faults: what a turn raises is counted there as `loop`, and the
    next turn comes.
    """

    def __init__(
        self,
        interval: float,
        *,
        prepare: Callable[[], None],
        take_in: Callable[[float], None],
        flush: Flush,
        faults: Faults,
    ) -> None:
        self._interval = interval
        self._prepare = prepare
        self._take_in = take_in
        self._flush = flush
        self._faults = faults
        self._ended = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._prepared = False
        self._due = 0.0
        self._publishing_seconds = 0.0

    @property
    def running(self) -> bool:
        """Whether the thread is there and alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._ended.clear()
        self._due = time.monotonic() + self._interval
        self._thread = threading.Thread(target=self._run, name="torchvitals-flush", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after a last flush; one that does not end, because its publisher blocks, is left to itself."""
        thread, self._thread = self._thread, None
        self._ended.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._interval + STOP_SECONDS)

    def _run(self) -> None:
        while True:
            try:
                self._turns()
                return
            except BaseException:
                # Counting a fault failed. There is nothing left to tell it to; the next turn is what matters.
                time.sleep(RETRY_SECONDS)

    def _turns(self) -> None:
        if not self._prepared:
            self._prepared = True
            self._survive(self._prepare)
        while not self._ended.is_set():
            self._survive(self._turn)
        self._survive(self._last)

    def _turn(self) -> None:
        """Wait until there is something to do, and do it."""
        if self._ended.wait(max(0.0, min(TAKE_IN_SECONDS, self._due - time.monotonic()))):
            return
        began = time.monotonic()
        if began < self._due:
            self._take_in(self._due)
            return
        # Whatever becomes of this flush, the next one is not due at once.
        self._due = began + self._interval
        self._publishing_seconds = self._flush(
            rests_within(self._publishing_seconds, self._interval), until=began + FLUSH_SHARE * self._interval
        )
        self._due = next_flush(began, time.monotonic(), self._interval)

    def _last(self) -> None:
        self._flush(RESTS_PER_SLICE, until=time.monotonic() + self._interval)

    def _survive(self, part: Callable[[], None]) -> None:
        try:
            part()
        except BaseException as fault:
            self._faults.count("loop", fault)
            time.sleep(RETRY_SECONDS)
