"""Keeping the flush thread out of the requests' way."""

from __future__ import annotations

import time
from collections.abc import Callable

SLICE_SECONDS = 0.0005
REST_SECONDS = 0.0005


class Pacer:
    """Rests whenever half a millisecond of work is done.

    Python runs one thread at a time; a request that comes while the flush works would otherwise wait for
    the interpreter's switch interval, 5 ms.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._since = clock()

    def pause(self) -> None:
        """Rest if this slice is used up; call it between pieces of work."""
        if self._clock() - self._since >= SLICE_SECONDS:
            self._sleep(REST_SECONDS)
            self._since = self._clock()
