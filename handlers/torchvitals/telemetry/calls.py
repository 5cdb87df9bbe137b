"""From calls to counters: requests, durations, sizes, anomalies of a single call."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from ..config import Thresholds
from ..recording.call import MEASURED, STAGE_FIELDS, CallRecord
from ..recording.clocks import StageClock
from ..recording.faults import Faults
from ..recording.queue_time import queue_seconds_of
from ..recording.recorder import MAX_WAITING_CALLS
from . import catalogue as m
from .histograms import HistogramCounter
from .publisher import Publisher

HOST, DEVICE = "host", "device"
RECENT_CALLS = 1000

Field = Callable[[CallRecord], int]
HANDLE_NS: Field = attrgetter("handle_ns")
REQUESTS: Field = attrgetter("requests")
SIZE: Field = attrgetter("size")
FAILED: Field = attrgetter("failed")
STAGES_NS: dict[str, Field] = {stage: attrgetter(field) for stage, field in zip(MEASURED, STAGE_FIELDS)}


def _waits(call: CallRecord) -> list[float]:
    """Return how long each request of a call waited before it, in seconds, where a proxy says when it came."""
    if call.starts is None:
        return []
    return list(queue_seconds_of(call.starts, call.ended - call.handle_ns / 1e9))


class CallTelemetry:
    """Adds calls up between flushes."""

    def __init__(
        self,
        thresholds: Thresholds,
        clock: StageClock,
        faults: Faults,
        *,
        device_clock: bool,
        promised_seconds: Optional[float] = None,
    ) -> None:
        self._faults = faults
        self._slow_seconds = thresholds.latency_seconds
        self._promised_seconds = promised_seconds
        self._clock = clock
        self._durations = {
            (stage, HOST): HistogramCounter(m.STAGE_DURATION, (stage, HOST)) for stage in m.STAGES
        }
        if device_clock:
            for stage in MEASURED:
                self._durations[stage, DEVICE] = HistogramCounter(m.STAGE_DURATION, (stage, DEVICE))
        self._batches = HistogramCounter(m.BATCH_SIZE)
        self._first_steps = HistogramCounter(m.FIRST_STEP_DURATION)
        self._last_steps = HistogramCounter(m.LAST_STEP_DURATION)
        self._queued = HistogramCounter(m.QUEUE_DURATION)
        self._counts: defaultdict[tuple[m.Metric, tuple[str, ...]], float] = defaultdict(float)
        self._unread: list[CallRecord] = []
        self._recent: deque[float] = deque(maxlen=RECENT_CALLS)
        self.total_calls = 0

    def start(self, publisher: Publisher) -> None:
        """Make every series exist, so that its first increase is seen."""
        for histogram in self._histograms():
            histogram.publish(publisher, create=True)
        for outcome in ("ok", "error"):
            publisher.increase(m.REQUESTS, (outcome,), 0)
        for metric in (m.WARMUP_REQUESTS, m.WARMUP_SECONDS, m.COMPILATIONS, m.COMPILATION_SECONDS):
            publisher.increase(metric, (), 0)
        if self._promised_seconds is not None:
            publisher.increase(m.SLOW_REQUESTS, (), 0)
        publisher.increase(m.ANOMALIES, ("high_latency",), 0)

    def add(self, calls: list[CallRecord]) -> None:
        """Take in finished calls."""
        clean = [call for call in calls if call.clean]
        handle = _numbers(clean, HANDLE_NS) / 1e9
        self._durations["handle", HOST].observe(handle)
        self._recent.extend(handle[-RECENT_CALLS:].tolist())
        self.total_calls += len(calls)
        for stage, nanoseconds in STAGES_NS.items():
            spent = _numbers(clean, nanoseconds)
            self._durations[stage, HOST].observe(spent[spent > 0] / 1e9)
        requests = _numbers(calls, REQUESTS)
        if any(map(SIZE, calls)):
            self._add_steps(calls)
        else:
            self._batches.observe(requests)
        failed = sum(map(FAILED, calls))
        self._counts[m.REQUESTS, ("error",)] += failed
        self._counts[m.REQUESTS, ("ok",)] += int(requests.sum()) - failed
        if len(clean) < len(calls):
            self._add_unclean(calls)
        waits = [_waits(call) for call in calls if call.starts is not None]
        self._queued.observe(np.array([seconds for some in waits for seconds in some], dtype=np.float64))
        if self._promised_seconds is not None:
            self._count_slow(clean, handle, self._promised_seconds)
        if self._slow_seconds is not None:
            self._counts[m.ANOMALIES, ("high_latency",)] += int((handle > self._slow_seconds).sum())
        self._unread += [call for call in calls if call.span is not None]

    def _count_slow(self, calls: list[CallRecord], handle: NDArray[np.float64], promised: float) -> None:
        """Count the requests of calls that took longer than was promised, with the longest wait of each call's."""
        slow = handle > promised
        for place in np.flatnonzero(~slow):
            if calls[place].starts is not None:
                slow[place] = handle[place] + max(_waits(calls[place]), default=0.0) > promised
        self._counts[m.SLOW_REQUESTS, ()] += int(_numbers(calls, REQUESTS)[slow].sum())

    def _add_unclean(self, calls: list[CallRecord]) -> None:
        """Count warm-up and compilation; a call that is both counts, with its time, as both."""
        for call in calls:
            if call.warmup:
                self._counts[m.WARMUP_REQUESTS, ()] += 1
                self._counts[m.WARMUP_SECONDS, ()] += call.handle_ns / 1e9
            if call.compiled:
                self._counts[m.COMPILATIONS, ()] += call.compiled
                self._counts[m.COMPILATION_SECONDS, ()] += call.handle_ns / 1e9

    def _add_steps(self, calls: list[CallRecord]) -> None:
        """Take in calls of which some are steps of continuous batching."""
        self._batches.observe(np.array([call.size or call.requests for call in calls], dtype=np.float64))
        self._first_steps.observe(np.frombuffer(b"".join(call.first_steps for call in calls)))
        self._last_steps.observe(np.frombuffer(b"".join(call.last_steps for call in calls)))

    def _histograms(self) -> Iterator[HistogramCounter]:
        yield from self._durations.values()
        yield self._batches
        yield self._queued
        yield self._first_steps
        yield self._last_steps

    def read_device_clock(self) -> None:
        """Take in the device's times of calls that it has finished; a call whose marks cannot be read has none."""
        unread, self._unread = self._unread, []
        later = []
        for call in unread:
            try:
                spans = self._clock.read(call.span)
            except BaseException as fault:
                self._faults.count("timing", fault)
                continue
            if spans is None:
                later.append(call)
            elif call.clean:
                for index, seconds in spans:
                    self._durations[MEASURED[index], DEVICE].observe(np.array([seconds]))
        self._unread = later[-MAX_WAITING_CALLS:]

    def recent_seconds(self) -> NDArray[np.float64]:
        """Return the durations of the last calls that were neither warm-up nor compilation, (n,), in seconds."""
        return np.array(self._recent)

    def publish(self, publisher: Publisher) -> None:
        """Send what was added up, and begin again at zero."""
        for histogram in self._histograms():
            histogram.publish(publisher)
        counts, self._counts = self._counts, defaultdict(float)
        for (metric, labels), amount in counts.items():
            if amount:
                publisher.increase(metric, labels, amount)


def _numbers(calls: list[CallRecord], field: Field) -> NDArray[np.float64]:
    return np.fromiter(map(field, calls), dtype=np.float64, count=len(calls))
