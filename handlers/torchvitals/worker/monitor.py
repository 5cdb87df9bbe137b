"""The monitor of one model in one process: a recorder on the request path, and a thread that flushes."""

from __future__ import annotations

import atexit
import functools
import logging
import math
import threading
from collections.abc import Callable
from typing import Any, Optional

from ..baseline.schema import BaselineData
from ..config import MonitoringConfig
from ..recording.accelerators import capture_check, spare_captures
from ..recording.clocks import stage_clock
from ..recording.faults import Faults
from ..recording.recorder import Recorder
from ..recording.sampling import LargeInputSampler
from ..telemetry.calls import CallTelemetry
from ..telemetry.drift import DriftTelemetry
from ..telemetry.memory import MemorySample
from ..telemetry.predictions import PredictionTelemetry
from ..telemetry.publisher import OwnSeries, Publisher
from ..telemetry.runtime import RuntimeLabels
from .arena import take_room
from .forks import renew_in_forks
from .learner import Learner
from .loop import FlushLoop
from .pacing import RESTS_PER_SLICE
from .pipeline import Pipeline
from .reducing import reduce_outputs, reducer_of

logger = logging.getLogger(__name__)


class Monitor:
    """Measures one model in one process. It fails open: its faults are counted and logged, never raised.

    A forked process has a monitor of its own: what waits, and what was counted, stays with the parent; its flush thread
    starts, and its series appear, with its own first call.

    Args:
        config: how the model is monitored.
        publisher: where values go.
        baseline: what windows of inputs and outputs are compared with; without one, drift is not watched.
        learner: makes the baseline from rows served, where there is no file.
        device: the torch device the model runs on, or None.
        worker: the label of this worker's gauges.
        runtime: called at each flush for the values of `model_runtime_info` after `worker`.
        faults: what goes wrong is noted there; the server's own hooks may share it.
        counts: whether calls are counted here; False in a process that serves the same calls as another one.
        classes: how many classes the model is known to tell apart, where no baseline describes its outputs.
        names: the model's name and version, for what is kept of predictions.
    """

    def __init__(
        self,
        config: MonitoringConfig,
        publisher: Publisher,
        *,
        baseline: Optional[BaselineData] = None,
        learner: Optional[Learner] = None,
        device: Any = None,
        worker: str = "0",
        runtime: Optional[Callable[[], RuntimeLabels]] = None,
        faults: Optional[Faults] = None,
        counts: bool = True,
        classes: Optional[int] = None,
        names: tuple[str, str] = ("", ""),
    ) -> None:
        self.config = config
        self.faults = faults or Faults()
        self.clock = stage_clock(config.timing, device, self.faults)
        self.recorder = Recorder(
            warmup=config.warmup,
            capture_inputs=baseline is not None or learner is not None,
            faults=self.faults,
            reduce_inputs=reducer_of(baseline, learner),
            sampler=LargeInputSampler(config.overhead_budget),
            is_capturing=capture_check(device),
        )
        reduce_outputs(
            self.recorder,
            baseline,
            config.features.of_outputs,
            learner,
            kept=config.ground_truth is not None,
        )
        self._publisher = publisher = publisher if counts else OwnSeries(publisher)
        self._worker = worker
        self._device = device
        self._learner = learner
        self._new_pipeline: Callable[[], Pipeline] = functools.partial(
            Pipeline,
            config,
            self.recorder,
            self.clock,
            publisher,
            baseline=baseline,
            learner=learner,
            device=device,
            worker=worker,
            runtime=runtime,
            classes=classes,
            names=names,
        )
        self._pipeline = self._new_pipeline()
        self._loop = self._new_loop()
        self._flushing = threading.Lock()
        self._started = False
        # Whether the flush thread is to make the series exist.
        self._series_due = False
        renew_in_forks(self)

    @property
    def calls(self) -> CallTelemetry:
        """What is known of the calls."""
        return self._pipeline.calls

    @property
    def predictions(self) -> PredictionTelemetry:
        """What is known of the predictions."""
        return self._pipeline.predictions

    @property
    def drift(self) -> Optional[DriftTelemetry]:
        """What is known of drift; None without a baseline."""
        return self._pipeline.drift

    @property
    def memory(self) -> Optional[MemorySample]:
        """The latest sample of memory; None before the first flush."""
        return self._pipeline.memory

    def start(self) -> None:
        """Make the series exist and begin to flush every `flush_interval` seconds."""
        self._pipeline.start()
        self._begin()

    def stop(self) -> None:
        """Stop the thread after a last flush. Returns in any case, also where a publisher blocks."""
        atexit.unregister(self.stop)
        self._started = False
        if self._loop.running:
            self._loop.stop()
        elif not self.recorder.fresh:
            self.flush()
        self._close_publisher()

    def flush(self, rests: float = RESTS_PER_SLICE, *, until: float = math.inf) -> float:
        """Take in all finished calls, judge the windows, and publish; return CPU seconds of the latter two.

        rests: how many times as long as it works it rests while it judges and publishes. until: a time of
        `time.monotonic` after which calls that still wait are left to the next flush. Does nothing while another flush
        is stuck in its publisher.
        """
        if not self._flushing.acquire(timeout=self.config.flush_interval):
            return 0.0
        try:
            return self._pipeline.flush(rests, until=until)
        finally:
            self._flushing.release()

    def take_in(self, until: float = math.inf) -> None:
        """Take in finished calls, to be judged and published at the next flush; `until` as in `flush`."""
        if self._flushing.acquire(timeout=self.config.flush_interval):
            try:
                self._pipeline.take_in(until)
            finally:
                self._flushing.release()

    def forked(self) -> None:
        """Begin anew in a forked process, at its own first call."""
        try:
            self._flushing = threading.Lock()
            self.faults.forget()
            self.recorder.forget(first=self._begin_anew)
            if self._learner is not None:
                self._learner.forget()
            forget = getattr(self._publisher, "forked", None)
            if forget is not None:
                forget()
            self._pipeline = self._new_pipeline()
            self._loop = self._new_loop()
        except BaseException as fault:
            self.faults.count("loop", fault)

    def _close_publisher(self) -> None:
        close = getattr(self._publisher, "close", None)
        # Where a flush is stuck in the publisher, this would be too.
        if close is None or not self._flushing.acquire(blocking=False):
            return
        try:
            close(self._worker)
        except BaseException as fault:
            self.faults.count("publish", fault)
        finally:
            self._flushing.release()

    def _begin(self) -> None:
        self._started = True
        atexit.register(self.stop)
        try:
            self._loop.start()
        except RuntimeError as fault:  # no more threads or memory for one
            self.faults.count("loop", fault)
            logger.error("TorchVitals cannot start its flush thread, so nothing is published: %s", fault)

    def _begin_anew(self) -> None:
        """Begin in a forked process, off the request path."""
        if self._started:
            self._series_due = True
            self._begin()

    def _new_loop(self) -> FlushLoop:
        return FlushLoop(
            self.config.flush_interval,
            prepare=self._prepare,
            take_in=self.take_in,
            flush=self.flush,
            faults=self.faults,
        )

    def _prepare(self) -> None:
        spare_captures(self._device)
        if self._series_due:
            self._series_due = False
            self._pipeline.start()
        self._room = take_room()
