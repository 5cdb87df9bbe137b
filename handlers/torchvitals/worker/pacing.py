"""Keeping the flush thread out of the requests' way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

SLICE_SECONDS = 0.00025
# A fifth of the time while calls are taken in: every request meanwhile takes a quarter longer, which is within what
# latency varies anyway. At half of the time requests took twice as long meanwhile, and that was their p99.
RESTS_PER_SLICE = 4.0
# While verdicts are made and published, TorchServe's front end, which requests pass through as well, has each line to
# read, and a model with a hundred features has two thousand. So that is spread thin: a fortieth of the time, and never
# over more than a quarter of the flush interval.
MOST_RESTS = 39.0
FLUSH_SHARE = 0.25


def rests_within(worked: float, interval: float) -> float:
    """Return how many times as long as it works a flush should rest, to take its share of the interval.

    worked: CPU seconds of the flush before. interval: seconds.
    """
    fitting = FLUSH_SHARE * interval / worked - 1 if worked > 0 else MOST_RESTS
    return min(max(fitting, RESTS_PER_SLICE), MOST_RESTS)


def next_flush(began: float, ended: float, interval: float) -> float:
    """Return when to flush again: an interval after the flush before began, and half of one after it ended."""
    return max(began + interval, ended + interval / 2)


class Pacer:
    """Rests whenever a quarter of a millisecond of work is done, several times as long as the work took.

    Python runs one thread at a time; a request that comes while the flush works would otherwise wait for
    the interpreter's switch interval, 5 ms.

    rests: how many times as long, RESTS_PER_SLICE at least. patience: seconds after which it rests that little, for
    work that turns out to be larger than expected. clock: CPU seconds of this thread; what it waited for requests to
    let it run is no work.
    """

    def __init__(
        self,
        rests: float = RESTS_PER_SLICE,
        *,
        patience: float = math.inf,
        clock: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rests = rests
        self._now = now
        self._patient_until = now() + patience
        self._clock = clock
        self._sleep = sleep
        self._since = clock()

    def pause(self) -> None:
        """Rest if this slice is used up; call it between pieces of work."""
        worked = self._clock() - self._since
        if worked >= SLICE_SECONDS:
            patience = self._patient_until - self._now()
            self._sleep(max(RESTS_PER_SLICE * worked, min(self._rests * worked, patience)))
            self._since = self._clock()
