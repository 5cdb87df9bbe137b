"""The monitor of one worker: a recorder on the request path, and a thread that flushes."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Optional

from ..config import MonitoringConfig
from ..drift.detector import DriftDetector
from ..featurizers import reducer
from ..recording.call import Call
from ..recording.clocks import EventClock, stage_clock
from ..recording.devices import device_name
from ..recording.recorder import Recorder
from ..recording.rows import joined
from ..recording.sampling import LargeInputSampler
from ..telemetry import catalogue as m
from ..telemetry.calls import CallTelemetry
from ..telemetry.drift import DriftTelemetry
from ..telemetry.memory import MemorySample, MemorySampler
from ..telemetry.predictions import PredictionTelemetry
from ..telemetry.publisher import PacedPublisher, Publisher
from ..telemetry.runtime import RuntimeLabels
from ..training.baseline import Baseline
from .arena import take_room
from .learning import BaselineLearner
from .pacing import FLUSH_SHARE, RESTS_PER_SLICE, Pacer, next_flush, rests_within

# Calls handled together: with fewer, NumPy's cost a step is most of it; with more, a step at 100 features would hold
# requests up for more than a millisecond.
SLICE_CALLS = 128
# Calls are taken in this often, whatever the flush interval: few wait, and no flush has thousands to go through.
TAKE_IN_SECONDS = 0.5
LOG_EVERY_SECONDS = 60.0
PHASES = ("capture", "timing", "calls", "inputs", "outputs", "drift", "memory", "publish")
DROPS = ("queue_full", "input_too_large")

logger = logging.getLogger(__name__)


class Monitor:
    """Measures one model in one process. It fails open: its errors are counted and logged, never raised.

    learner: makes the baseline from rows served, where there is no file. device: the torch device the model runs
    on, or None. worker: the label of this worker's gauges.
    runtime: called at each flush for the values of `model_runtime_info` after `worker`.
    """

    def __init__(
        self,
        config: MonitoringConfig,
        publisher: Publisher,
        *,
        baseline: Optional[Baseline] = None,
        learner: Optional[BaselineLearner] = None,
        device: Any = None,
        worker: str = "0",
        runtime: Optional[Callable[[], RuntimeLabels]] = None,
    ) -> None:
        self.config = config
        self.clock = stage_clock(config.timing, device, self.count_error)
        self.recorder = Recorder(
            warmup=config.warmup,
            capture_inputs=baseline is not None or learner is not None,
            on_error=self.count_error,
            reduce_inputs=_reducer(baseline, learner),
            sampler=LargeInputSampler(config.overhead_budget),
        )
        self.calls = CallTelemetry(
            config.thresholds, self.clock, device_clock=isinstance(self.clock, EventClock)
        )
        self.predictions = PredictionTelemetry(
            baseline.outputs if baseline else None, config.thresholds, window=config.windows[0]
        )
        self.drift = self._drift_from(baseline, worker) if baseline is not None else None
        self._learner = learner
        self.memory: Optional[MemorySample] = None
        self._sampler = MemorySampler(device)
        self._publisher = publisher
        self._worker = worker
        self._device = device_name(device)
        self._runtime = runtime
        self._shown_runtime: Optional[RuntimeLabels] = None
        self._errors: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._out_of_memory = 0
        # CPU time of this thread that is not published yet.
        self._seconds = 0.0
        # CPU time of the latest flush, after calls were taken in.
        self._publishing_seconds = 0.0
        self._logged_at: dict[str, float] = {}
        self._stop = threading.Event()
        self._flushing = threading.Lock()
        self._thread: Optional[threading.Thread] = None

    def start(self) -> None:
        """Make the series exist and begin to flush every `flush_interval` seconds."""
        self._guarded("publish", self._start_series)
        self._thread = threading.Thread(target=self._run, name="torchvitals-flush", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the thread and flush what is left."""
        atexit.unregister(self.stop)
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=self.config.flush_interval)
            self._thread = None
        self.flush()

    def count_error(self, phase: str) -> None:
        """Count an error of our own, from inside an `except`; log it at most once a minute a phase."""
        self._errors[phase] += 1
        now = time.monotonic()
        if now - self._logged_at.get(phase, -LOG_EVERY_SECONDS) >= LOG_EVERY_SECONDS:
            self._logged_at[phase] = now
            logger.exception("TorchVitals failed while handling %s; predictions are unaffected", phase)

    def flush(self, rests: float = RESTS_PER_SLICE) -> None:
        """Take in all finished calls, judge the windows, and publish.

        rests: how many times as long as it works it rests while it judges and publishes.
        """
        with self._flushing:
            began = time.thread_time()
            self._take_in_all(Pacer().pause)
            pause = Pacer(rests, patience=2 * FLUSH_SHARE * self.config.flush_interval).pause
            taken_in = time.thread_time()
            if self._learner is not None:
                self._guarded("drift", self._learn)
            if self.drift is not None:
                self._guarded("drift", self.drift.evaluate, pause)
            self._guarded("memory", self._sample_memory)
            publisher = PacedPublisher(self._publisher, pause)
            self._guarded("publish", self._publish, publisher)
            self._guarded("publish", self._publish_runtime, publisher)
            self._guarded("publish", self._publish_own, publisher, self._seconds + time.thread_time() - began)
            self._seconds = 0.0
            self._publishing_seconds = time.thread_time() - taken_in

    def take_in(self) -> None:
        """Take in all finished calls, to be judged and published at the next flush."""
        with self._flushing:
            began = time.thread_time()
            self._take_in_all(Pacer().pause)
            self._seconds += time.thread_time() - began

    def _take_in_all(self, pause: Callable[[], None]) -> None:
        calls = self.recorder.take()
        for start in range(0, len(calls), SLICE_CALLS):
            self._take_in(calls[start : start + SLICE_CALLS], pause)
            pause()
        self._guarded("timing", self.calls.read_device_clock)

    def _drift_from(self, baseline: Baseline, worker: str) -> DriftTelemetry:
        config = self.config
        drift = DriftDetector(
            baseline,
            window=config.windows,
            psi_floor=config.thresholds.psi or 0.0,
            psi_floors=config.features.psi,
            ignored=config.features.ignored(baseline),
        )
        return DriftTelemetry(drift, worker=worker, max_features=config.max_features)

    def _collect(self, calls: list[Call], learner: BaselineLearner) -> None:
        learner.add(joined(call.inputs for call in calls), joined(call.outputs for call in calls))

    def _learn(self) -> None:
        """Begin to watch drift once there is a learned baseline."""
        assert self._learner is not None  # noqa: S101 - the caller has looked
        baseline = self._learner.learned()
        if baseline is not None:
            drift = self._drift_from(baseline, self._worker)
            drift.start(self._publisher)
            self.recorder.reduce_inputs = _reducer(baseline, None)
            self.drift, self._learner = drift, None

    def _run(self) -> None:
        self._guarded("memory", self._take_room)
        interval = self.config.flush_interval
        due = time.monotonic() + interval
        while not self._stop.wait(max(0.0, min(TAKE_IN_SECONDS, due - time.monotonic()))):
            began = time.monotonic()
            if began < due:
                self.take_in()
            else:
                self.flush(rests_within(self._publishing_seconds, interval))
                due = next_flush(began, time.monotonic(), interval)

    def _take_room(self) -> None:
        self._room = take_room()

    def _guarded(self, phase: str, function: Any, *args: Any) -> None:
        try:
            function(*args)
        except Exception:
            self.count_error(phase)

    def _take_in(self, calls: list[Call], pause: Callable[[], None]) -> None:
        self._guarded("calls", self.calls.add, calls)
        self._dropped["input_too_large"] += sum(call.too_large for call in calls)
        self._out_of_memory += sum(call.out_of_memory for call in calls)
        pause()
        self._guarded("outputs", self._take_in_outputs, calls)
        pause()
        if self._learner is not None:
            self._guarded("inputs", self._collect, calls, self._learner)
        if self.drift is not None:
            self._guarded("inputs", self._take_in_inputs, calls, pause)

    def _take_in_inputs(self, calls: list[Call], pause: Callable[[], None]) -> None:
        assert self.drift is not None  # noqa: S101 - the caller has looked
        for rows in joined(call.inputs for call in calls):
            self.drift.add_inputs(rows, pause)

    def _take_in_outputs(self, calls: list[Call]) -> None:
        for rows in joined(call.outputs for call in calls):
            signals = self.predictions.add(rows)
            if self.drift is not None:
                self.drift.add_outputs(signals)

    def _sample_memory(self) -> None:
        self.memory = self._sampler.sample()

    def _start_series(self) -> None:
        publisher = self._publisher
        self.calls.start(publisher)
        self.predictions.start(publisher)
        if self.drift is not None:
            self.drift.start(publisher)
        publisher.increase(m.ANOMALIES, ("high_memory",), 0)
        publisher.increase(m.OUT_OF_MEMORY, (self._device,), 0)
        for phase in PHASES:
            publisher.increase(m.MONITOR_ERRORS, (phase,), 0)
        for reason in DROPS:
            publisher.increase(m.MONITOR_DROPPED, (reason,), 0)
        publisher.increase(m.MONITOR_SECONDS, ("flush",), 0)
        for signal, value in self.config.thresholds.exported().items():
            publisher.set(m.THRESHOLD, (signal,), value)
        self._guarded("publish", self._publish_runtime, publisher)
        publisher.set(m.INFLIGHT, (self._worker,), 0)
        publisher.set(m.SAMPLED_RATIO, (self._worker,), 1)
        if self._sampler.on_device:
            publisher.increase(m.ALLOCATION_RETRIES, (self._device,), 0)
        publisher.set(m.WINDOW_EVALUATED, (self._worker,), time.time())
        publisher.flush()

    def _publish(self, publisher: Publisher) -> None:
        self.calls.publish(publisher)
        self.predictions.publish(publisher)
        if self.drift is not None:
            self.drift.publish(publisher)
        if self.memory is not None:
            for (device, kind), value in self.memory.bytes.items():
                publisher.set(m.MEMORY, (self._worker, device, kind), value)
            if self.memory.allocation_retries:
                publisher.increase(m.ALLOCATION_RETRIES, (self._device,), self.memory.allocation_retries)
            limit = self.config.thresholds.memory_bytes
            if limit is not None and self.memory.peak_device_bytes > limit:
                publisher.increase(m.ANOMALIES, ("high_memory",), 1)
        if self._out_of_memory:
            publisher.increase(m.OUT_OF_MEMORY, (self._device,), self._out_of_memory)
            self._out_of_memory = 0

    def _publish_runtime(self, publisher: Publisher) -> None:
        """Say how the worker runs the model; a series cannot be taken back, so what was true before becomes 0."""
        if self._runtime is None:
            return
        runtime, shown = self._runtime(), self._shown_runtime
        if runtime != shown:
            if shown is not None:
                publisher.set(m.RUNTIME_INFO, (self._worker, *shown), 0)
            publisher.set(m.RUNTIME_INFO, (self._worker, *runtime), 1)
            self._shown_runtime = runtime

    def _publish_own(self, publisher: Publisher, seconds: float) -> None:
        dropped, self.recorder.dropped = self.recorder.dropped, 0
        self._dropped["queue_full"] += dropped
        errors, self._errors = self._errors, Counter()
        for phase, amount in errors.items():
            publisher.increase(m.MONITOR_ERRORS, (phase,), amount)
        for reason, amount in self._dropped.items():
            if amount:
                publisher.increase(m.MONITOR_DROPPED, (reason,), amount)
        self._dropped.clear()
        publisher.set(m.INFLIGHT, (self._worker,), self.recorder.oldest_seconds())
        publisher.set(m.SAMPLED_RATIO, (self._worker,), self.recorder.sampler.adapt())
        publisher.increase(m.MONITOR_SECONDS, ("flush",), seconds)
        publisher.set(m.WINDOW_EVALUATED, (self._worker,), time.time())
        publisher.flush()


def _reducer(
    baseline: Optional[Baseline], learner: Optional[BaselineLearner]
) -> Optional[Callable[[Any], Any]]:
    """Return what makes a few numbers of inputs on the request path; None where they are columns already."""
    if baseline is None:
        return None if learner is None else learner.reduce
    return None if baseline.inputs is None else reducer(baseline.inputs)
