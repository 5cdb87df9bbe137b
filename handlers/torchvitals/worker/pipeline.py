"""From calls that have ended to published values: take in, judge, publish."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Optional

from numpy.typing import NDArray

from ..baseline.schema import BaselineData
from ..config import MonitoringConfig
from ..drift.detector import DriftDetector
from ..errors import BaselineError
from ..featurizers.kinds import kind_of
from ..featurizers.outputs import NoOutputs, Regression, output_reducer
from ..recording.call import PROBED, RAW, REDUCED, CallRecord
from ..recording.capture import Captured, dimensions_of, rows_in
from ..recording.clocks import EventClock, StageClock
from ..recording.devices import device_name
from ..recording.recorder import Recorder
from ..recording.rows import as_row, by_shape, joined
from ..telemetry import catalogue as m
from ..telemetry.calls import CallTelemetry
from ..telemetry.drift import DriftTelemetry
from ..telemetry.memory import MemorySample, MemorySampler
from ..telemetry.predictions import PredictionTelemetry
from ..telemetry.publisher import GuardedPublisher, Publisher
from ..telemetry.runtime import RuntimeLabels
from ..telemetry.visibility import Visibility
from .learner import Learner
from .pacing import FLUSH_SHARE, Pacer
from .prediction_log import PredictionLog, prediction_log
from .reducing import reduce_outputs, reducer_of

# Where a fault of ours may come: on the request path, then in the flush thread.
PHASES = (
    "begin", "capture", "timing", "requests", "end", "coalesce",
    "loop", "calls", "inputs", "outputs", "drift", "memory", "publish",
)  # fmt: skip
DROPS = ("queue_full", "memory_full", "input_too_large", "output_too_large", "not_finite")


class Pipeline:
    """Takes the calls of one recorder in, judges the windows, and publishes. For the flush thread.

    Each part is guarded: what one raises is counted by phase, and the next part runs.

    learner: makes the baseline from rows served, where there is no file. runtime: called at each flush for the values
    of `model_runtime_info` after `worker`.
    """

    def __init__(
        self,
        config: MonitoringConfig,
        recorder: Recorder,
        clock: StageClock,
        publisher: Publisher,
        *,
        baseline: Optional[BaselineData] = None,
        learner: Optional[Learner] = None,
        device: Any = None,
        worker: str = "0",
        runtime: Optional[Callable[[], RuntimeLabels]] = None,
        classes: Optional[int] = None,
        names: tuple[str, str] = ("", ""),
    ) -> None:
        self._config = config
        self._recorder = recorder
        self._faults = recorder.faults
        self._publisher = publisher
        self._worker = worker
        self._device = device_name(device)
        self.calls = CallTelemetry(
            config.thresholds,
            clock,
            self._faults,
            device_clock=isinstance(clock, EventClock),
            promised_seconds=config.slo.latency_seconds,
        )
        self._sees_outputs = config.features.of_outputs.kind != kind_of(NoOutputs)
        described = baseline if self._sees_outputs else None
        self.predictions = PredictionTelemetry(
            described.outputs if described else None,
            config.thresholds,
            window=config.windows[0],
            classes=classes,
            said=config.features.of_outputs,
            baseline=described.of_source("output") if described else (),
        )
        self.visibility = Visibility()
        self.drift = self._drift_from(baseline) if baseline is not None else None
        self._learner = self._learning = learner if baseline is None else None
        self.memory: Optional[MemorySample] = None
        self._sampler = MemorySampler(device)
        self._log = prediction_log(config.ground_truth, baseline, worker, names)
        self._runtime = runtime
        self._shown_runtime: Optional[RuntimeLabels] = None
        self._errors: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._out_of_memory = 0
        # CPU time of this thread that is not published yet.
        self._seconds = 0.0

    def start(self) -> None:
        """Make every series exist, so that its first increase is seen."""
        publisher = GuardedPublisher(self._publisher, self._faults.note)
        self._guarded("publish", self._start_series, publisher)

    def take_in(self, until: float = math.inf) -> None:
        """Take in the calls that wait, to be judged and published at the next flush.

        until: a time of `time.monotonic` after which the rest waits for the next turn.
        """
        began = time.thread_time()
        pause = Pacer().pause
        for calls in self._slices():
            self._take_in(calls, pause)
            pause()
            if time.monotonic() >= until:
                break
        self._guarded("timing", self.calls.read_device_clock)
        self._seconds += time.thread_time() - began

    def flush(self, rests: float, *, until: float = math.inf) -> float:
        """Take in the calls that wait, judge the windows, and publish; return CPU seconds of judging and publishing.

        rests: how many times as long as it works it rests while it judges and publishes. until: as in `take_in`.
        """
        self.take_in(until)
        began = time.thread_time()
        pause = Pacer(rests, patience=2 * FLUSH_SHARE * self._config.flush_interval).pause
        if self._learner is not None:
            self._guarded("drift", self._learn)
        if self.drift is not None:
            self._guarded("drift", self.drift.evaluate, pause)
        self._guarded("memory", self._sample_memory)
        publisher = GuardedPublisher(self._publisher, self._faults.note, pause)
        for part in (
            self.calls.publish,
            self.predictions.publish,
            self._publish_drift,
            self._publish_log,
            self._publish_learning,
            self.visibility.publish,
            self._publish_memory,
            self._publish_runtime,
            self._publish_own,
        ):
            self._guarded("publish", part, publisher)
        spent = time.thread_time() - began
        self._guarded("publish", self._publish_seconds, publisher, spent)
        self._guarded("publish", self._publish_errors)
        publisher.flush()
        return spent

    def _guarded(self, phase: str, part: Callable[..., Any], *args: Any) -> None:
        try:
            part(*args)
        except BaseException as fault:
            self._faults.note(phase, fault)

    def _slices(self) -> Iterator[list[CallRecord]]:
        """Yield the recorder's slices; a fault ends them for this turn."""
        try:
            yield from self._recorder.slices()
        except GeneratorExit:
            raise
        except BaseException as fault:
            self._faults.note("calls", fault)

    def _take_in(self, calls: list[CallRecord], pause: Callable[[], None]) -> None:
        self._guarded("calls", self.calls.add, calls)
        self._guarded("calls", self._see, calls)
        self._dropped["input_too_large"] += sum(call.too_large for call in calls)
        if self._judges_outputs:
            self._dropped["output_too_large"] += sum(call.outputs_too_large for call in calls)
        self._dropped["memory_full"] += sum(call.crowded_out for call in calls)
        self._out_of_memory += sum(call.out_of_memory for call in calls)
        pause()
        self._guarded("outputs", self._take_in_outputs, calls)
        if self._log is not None:
            self._guarded("outputs", self._log_predictions, calls, self._log)
        pause()
        if self._learner is not None:
            self._guarded("inputs", self._collect, calls, self._learner)
        if self.drift is not None:
            self._guarded("inputs", self._take_in_inputs, calls, self.drift, pause)

    def _take_in_inputs(
        self, calls: list[CallRecord], drift: DriftTelemetry, pause: Callable[[], None]
    ) -> None:
        for rows in joined(_copies(calls, "inputs")):
            # Rows of one shape that fail leave those of another.
            self._guarded("inputs", self._compare_inputs, rows, drift, pause)

    def _compare_inputs(self, rows: NDArray[Any], drift: DriftTelemetry, pause: Callable[[], None]) -> None:
        try:
            unread = drift.add_inputs(rows, pause)
        except BaselineError as error:
            unread = [(len(rows), str(error))]
        for amount, reason in unread:
            self.visibility.cannot_compare("inputs", amount, reason)

    def _take_in_outputs(self, calls: list[CallRecord]) -> None:
        predictions = self.predictions
        add = {RAW: predictions.add, REDUCED: predictions.add_features, PROBED: predictions.add_probed}
        for form, some in _by_form(calls):
            for rows in by_shape(_copies(some, "outputs")):
                # Rows of one shape that fail leave those of another.
                self._guarded("outputs", self._compare_outputs, add[form], rows)
            if form == PROBED and predictions.spec is not None and predictions.spec.reduces:
                # Now that it is known what they are, they become all that is to be known of them.
                self._recorder.reduce_outputs = self._recorder.reduce_outputs or output_reducer(
                    predictions.spec
                )

    def _log_predictions(self, calls: list[CallRecord], log: PredictionLog) -> None:
        spec = self.predictions.spec
        if spec is None and self._config.features.of_outputs.kind == kind_of(Regression):
            # Without a baseline nothing else is made of values.
            spec = Regression(scores="values")
        for some, form, rows in _paired(calls, log):
            self._guarded("outputs", log.add, some, form, rows, spec)

    def _compare_outputs(self, add: Callable[[Any], Any], rows: Any) -> None:
        try:
            signals = add(rows)
        except BaselineError as error:
            if self._judges_outputs or self._config.features.of_outputs.kind is not None:
                self.visibility.cannot_compare("outputs", len(rows), str(error))
            return
        if self.drift is not None and signals:
            self.drift.add_outputs(signals)

    def _collect(self, calls: list[CallRecord], learner: Learner) -> None:
        outputs: list[Any] = []
        for form, some in _by_form(calls):
            if form == REDUCED:
                outputs += by_shape(_copies(some, "outputs"))
            elif form == RAW:
                copies = by_shape(_copies(some, "outputs"))
                outputs += [rows for rows in copies if self.predictions.describes(rows)]
        learner.add(joined(_copies(calls, "inputs")), outputs)

    @property
    def _judges_outputs(self) -> bool:
        return self._sees_outputs and self.drift is not None and self.drift.judges("output")

    def _see(self, calls: list[CallRecord]) -> None:
        drift, learns = self.drift, self._learner is not None
        self.visibility.add(
            calls,
            inputs=learns or (drift is not None and drift.judges("input")),
            outputs=self._judges_outputs,
        )
        if drift is not None and not drift.judges_windows:
            self.visibility.cannot_judge(
                sum(call.requests - call.failed for call in calls if not call.special)
            )

    def _learn(self) -> None:
        """Begin to watch drift once there is a learned baseline."""
        baseline = self._learner.learned() if self._learner is not None else None
        if baseline is not None:
            drift = self._drift_from(baseline)
            drift.start(GuardedPublisher(self._publisher, self._faults.note))
            self.predictions.follow(baseline.outputs, baseline.of_source("output"))
            self._publish_thresholds(GuardedPublisher(self._publisher, self._faults.note))
            self._recorder.reduce_inputs = reducer_of(baseline, None)
            reduce_outputs(self._recorder, baseline, self._config.features.of_outputs, None)
            self.drift, self._learner = drift, None

    def _drift_from(self, baseline: BaselineData) -> DriftTelemetry:
        config = self._config
        baseline = config.features.applied(baseline)
        config.check_windows(len(baseline.features))
        detector = DriftDetector(
            baseline,
            window=config.windows,
            floors=config.thresholds.floors,
            feature_floors=config.feature_floors,
            ignored=config.features.ignored(baseline),
        )
        return DriftTelemetry(
            detector,
            worker=self._worker,
            max_features=config.max_features,
            detailed_features=config.detailed_features,
        )

    def _sample_memory(self) -> None:
        self.memory = self._sampler.sample()

    def _start_series(self, publisher: Publisher) -> None:
        self.calls.start(publisher)
        self.predictions.start(publisher)
        self.visibility.start(publisher)
        if self._log is not None:
            self._log.start(publisher)
        if self.drift is not None:
            self.drift.start(publisher)
        self._publish_learning(publisher)
        publisher.increase(m.ANOMALIES, ("high_memory",), 0)
        publisher.increase(m.OUT_OF_MEMORY, (self._device,), 0)
        for phase in PHASES:
            publisher.increase(m.MONITOR_ERRORS, (phase,), 0)
        for reason in DROPS:
            publisher.increase(m.MONITOR_DROPPED, (reason,), 0)
        publisher.increase(m.MONITOR_SECONDS, ("flush",), 0)
        self._publish_thresholds(publisher)
        self._guarded("publish", self._publish_runtime, publisher)
        publisher.set(m.INFLIGHT, (self._worker,), 0)
        publisher.set(m.SAMPLED_RATIO, (self._worker,), 1)
        if self._sampler.on_device:
            publisher.increase(m.ALLOCATION_RETRIES, (self._device,), 0)
        publisher.set(m.WINDOW_EVALUATED, (self._worker,), time.time())
        publisher.flush()

    def _publish_thresholds(self, publisher: Publisher) -> None:
        exported = self._config.thresholds.exported()
        if self.predictions.least_mean_confidence is not None:
            exported["confidence"] = self.predictions.least_mean_confidence
        for signal, value in exported.items():
            publisher.set(m.THRESHOLD, (signal,), value)
        for objective, value in self._config.slo.exported(self._config.thresholds).items():
            publisher.set(m.OBJECTIVE, (objective,), value)

    def _publish_drift(self, publisher: Publisher) -> None:
        if self.drift is not None:
            self.drift.publish(publisher)

    def _publish_log(self, publisher: Publisher) -> None:
        if self._log is not None:
            self._log.write()
            self._log.publish(publisher)

    def _publish_learning(self, publisher: Publisher) -> None:
        if self._learning is not None:
            self._learning.publish(publisher, self._worker)

    def _publish_memory(self, publisher: Publisher) -> None:
        if self.memory is not None:
            for (device, kind), value in self.memory.bytes.items():
                publisher.set(m.MEMORY, (self._worker, device, kind), value)
            if self.memory.allocation_retries:
                publisher.increase(m.ALLOCATION_RETRIES, (self._device,), self.memory.allocation_retries)
            limit = self._config.thresholds.memory_bytes
            if limit is not None and self.memory.peak_device_bytes > limit:
                publisher.increase(m.ANOMALIES, ("high_memory",), 1)
        amount, self._out_of_memory = self._out_of_memory, 0
        if amount:
            publisher.increase(m.OUT_OF_MEMORY, (self._device,), amount)

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

    def _publish_own(self, publisher: Publisher) -> None:
        amount, self._recorder.dropped = self._recorder.dropped, 0
        dropped, self._dropped = self._dropped, Counter()
        dropped["queue_full"] += amount
        for reason, amount in dropped.items():
            if amount:
                publisher.increase(m.MONITOR_DROPPED, (reason,), amount)
        publisher.set(m.INFLIGHT, (self._worker,), self._recorder.oldest_seconds())
        publisher.set(m.SAMPLED_RATIO, (self._worker,), self._recorder.sampler.adapt())
        publisher.set(m.WINDOW_EVALUATED, (self._worker,), time.time())

    def _publish_seconds(self, publisher: Publisher, spent: float) -> None:
        seconds, self._seconds = self._seconds + spent, 0.0
        publisher.increase(m.MONITOR_SECONDS, ("flush",), seconds)

    def _publish_errors(self) -> None:
        """Send how many faults came; those that a publisher does not take are sent once it takes them again."""
        self._errors.update(self._faults.take())
        for phase, amount in list(self._errors.items()):
            self._publisher.increase(m.MONITOR_ERRORS, (phase,), amount)
            del self._errors[phase]


def _paired(
    calls: list[CallRecord], log: PredictionLog
) -> Iterator[tuple[list[CallRecord], int, NDArray[Any]]]:
    """Yield calls with the form and the rows of their outputs: many of one row and one id together, any other alone."""
    ones: dict[tuple[int, int], list[CallRecord]] = {}
    for call in calls:
        if call.special or call.size or call.failed or not call.requests:
            log.miss("failed", 0 if call.special else call.requests)
        elif not call.in_order:
            log.miss("order", call.requests)
        elif type(call.outputs) is bytes and call.more is None and "\n" not in (call.ids or ""):
            ones.setdefault((call.outputs_are, len(call.outputs)), []).append(call)
        else:
            found = by_shape(_copies([call], "outputs"))
            if len(found) == 1:
                yield [call], call.outputs_are, found[0]
            else:
                log.miss("rows", call.requests)
    for (form, _), some in ones.items():
        (rows,) = by_shape(call.outputs for call in some)
        yield some, form, rows


def _by_form(calls: list[CallRecord]) -> list[tuple[int, list[CallRecord]]]:
    """Return the calls by how the copies of their outputs are to be read."""
    if not any(call.outputs_are for call in calls):
        return [(RAW, calls)]
    forms = ((form, [call for call in calls if call.outputs_are == form]) for form in (RAW, REDUCED, PROBED))
    return [(form, some) for form, some in forms if some]


def _copies(calls: list[CallRecord], which: str) -> Iterator[Optional[Captured]]:
    """Yield what was copied of the calls' `inputs` or `outputs`."""
    for call in calls:
        copy = getattr(call, which)
        if call.more is not None:
            yield from call.copies(which)
        elif type(copy) is bytes or (call.instances or call.requests) != 1 or _has_rows(call, which):
            yield copy
        else:
            yield as_row(copy)


def _has_rows(call: CallRecord, which: str) -> bool:
    """Tell whether outputs have a number for each of several rows of inputs, though they came as one request."""
    return (
        which == "outputs"
        and call.inputs is not None
        and call.outputs is not None
        and type(call.outputs) is not bytes
        and type(call.inputs) is not bytes
        and rows_in(call.inputs) == rows_in(call.outputs) > 1
        and dimensions_of(call.inputs) > 1
    )
