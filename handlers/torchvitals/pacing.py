"""Keeping the flush thread out of the requests' way."""

from __future__ import annotations

import time
from collections.abc import Callable

SLICE_SECONDS = 0.00025
# A fifth of the time while calls are taken in: every request meanwhile takes a quarter longer, which is within what
# latency varies anyway. At half of the time requests took twice as long meanwhile, and that was their p99.
RESTS_PER_SLICE = 4
# A tenth while verdicts are made and published: TorchServe's front end, which requests pass through as well, has each
# line to read, and a model with a hundred features has two thousand.
RESTS_WHILE_PUBLISHING = 9


class Pacer:
    """Rests whenever a quarter of a millisecond of work is done, several times as long as the work took.

    Python runs one thread at a time; a request that comes while the flush works would otherwise wait for
    the interpreter's switch interval, 5 ms.

    rests: how many times as long. clock: CPU seconds of this thread; what it waited for requests to let it run is no
    work.
    """

    def __init__(
        self,
        rests: float = RESTS_PER_SLICE,
        *,
        clock: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rests = rests
        self._clock = clock
        self._sleep = sleep
        self._since = clock()

    def pause(self) -> None:
        """Rest if this slice is used up; call it between pieces of work."""
        worked = self._clock() - self._since
        if worked >= SLICE_SECONDS:
            self._sleep(self._rests * worked)
            self._since = self._clock()
