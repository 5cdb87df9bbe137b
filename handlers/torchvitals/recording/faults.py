"""What goes wrong in our own code: written down wherever it happens, told by the flush thread."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Optional

from ..errors import TorchVitalsError

# More than this between two flushes are counted as this many.
MOST_WAITING = 100_000
LOG_EVERY_SECONDS = 60.0
PLACES = 4
PACKAGE = Path(__file__).parents[1]

logger = logging.getLogger(__name__)


class Faults:
    """Counts faults of our own by phase. Thread-safe; noting one neither logs nor waits."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._latest: dict[str, str] = {}
        self._clock = clock
        self._logged_at: dict[str, float] = {}
        self._unlogged: Counter[str] = Counter()

    def note(self, phase: str, fault: BaseException) -> None:
        """Write a fault down on the request path; of all exceptions only KeyboardInterrupt, the user's own, passes."""
        if isinstance(fault, KeyboardInterrupt):
            raise fault
        self.count(phase, fault)

    def count(self, phase: str, fault: BaseException) -> None:
        """Write a fault down, of whatever kind."""
        self._waiting.append(phase)
        try:
            self._latest[phase] = described(fault)
        except BaseException:
            # The fault is counted; what it was could not be told.
            self._latest[phase] = type(fault).__name__

    def take(self) -> Counter[str]:
        """Return how many faults of each phase came since the last time, and log them, once a minute a phase."""
        found: Counter[str] = Counter()
        while self._waiting:
            found[self._waiting.popleft()] += 1
        self._unlogged.update(found)
        for phase in found:
            self._log(phase)
        return found

    def forget(self) -> None:
        """Forget what was noted: this process is a fork, and it is its parent's."""
        self._waiting.clear()
        self._unlogged.clear()

    def _log(self, phase: str) -> None:
        now = self._clock()
        if now - self._logged_at.get(phase, -LOG_EVERY_SECONDS) < LOG_EVERY_SECONDS:
            return
        self._logged_at[phase] = now
        times = self._unlogged.pop(phase)
        logger.error(
            "TorchVitals failed while handling %s; predictions are unaffected (%d time%s; %s)",
            phase,
            times,
            "" if times == 1 else "s",
            self._latest.get(phase, "unknown"),
        )


def described(fault: BaseException) -> str:
    """Return an exception's kind and where it was raised, innermost first, on one line.

    Its text is part of that only where we or the system wrote it: any other may hold values of a request.
    """
    text = " ".join(str(fault).split()) if isinstance(fault, (TorchVitalsError, OSError)) else ""
    places = _places(fault.__traceback__)
    kind = f"{type(fault).__name__}: {text}" if text else type(fault).__name__
    return f"{kind}, in {' < '.join(places)}" if places else kind


def _places(trace: Optional[TracebackType]) -> list[str]:
    """Return the innermost functions of a traceback, as file:line function; frames are not kept."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        path = Path(code.co_filename)
        name = path.relative_to(PACKAGE).as_posix() if PACKAGE in path.parents else path.name
        found.append(f"{name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return found[: -PLACES - 1 : -1]
