"""What is measured, each action once: pytest-benchmark and the comparisons in turns both take them from here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import torch
from ts.context import Context, RequestProcessor
from ts.handler_utils.timer import timed
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.torch_handler.base_handler import BaseHandler

from benchmarks.machine import ROOT
from torchvitals import Baseline, Monitor, MonitoredHandler, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.servers.torchserve.handler import attach
from torchvitals.telemetry.publisher import Publisher
from torchvitals.worker.loop import TAKE_IN_SECONDS

SEED = 1
BASELINE_ROWS = 3000
WINDOW = 1000
CLASSES = 3
FLUSHED_CALLS = 1000
# At 1,000 requests/s: a flush every five seconds, and the flush thread takes calls in more often than that.
CALLS_BETWEEN_FLUSHES = 5000
CALLS_TAKEN_IN = int(TAKE_IN_SECONDS * 1000)
ROUND_SECONDS = 0.02


@dataclass(frozen=True)
class Action:
    """One call of `run` is measured.

    before: prepares each call, and is not measured. after: clears up after a round of calls, and is not measured.
    """

    run: Callable[[], Any]
    before: Optional[Callable[[], None]] = None
    after: Optional[Callable[[], None]] = None


class Stages(BaseHandler):  # type: ignore[misc]
    """Stages that compute nothing, not monitored."""

    given: Any
    scores: Any
    answers: list[int]

    def preprocess(self, data: Any) -> Any:
        """Return the prepared input."""
        return self.given

    def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the prepared scores."""
        return self.scores

    def postprocess(self, data: Any) -> Any:
        """Return as many answers as there are requests."""
        return self.answers

    def handle(self, data: Any, context: Any) -> Any:
        """Run the stages."""
        return self.postprocess(self.inference(self.preprocess(data)))


class Monitored(Stages, MonitoredHandler):
    """Monitored by TorchVitals."""


class Profiled(Stages):
    """Timed by TorchServe's own timer, as `profile: true` does it: one metric line a stage."""

    preprocess = timed(Stages.preprocess)
    inference = timed(Stages.inference)
    postprocess = timed(Stages.postprocess)


def rows_of(features: int, rows: int = BASELINE_ROWS, seed: int = SEED) -> np.ndarray:
    """Return normal columns."""
    return np.random.default_rng(seed).normal(size=(rows, features))


def tabular_baseline(features: int) -> Baseline:
    """Return a baseline of normal columns, with scores of three classes."""
    scores = rows_of(CLASSES, seed=SEED + 1)
    # With names they are columns; without, so many numbers a row would be taken for an embedding.
    names = [f"f{index}" for index in range(features)]
    return Baseline.fit(rows_of(features), feature_names=names, outputs=scores, name="bench")


def image_baseline() -> Baseline:
    """Return a baseline of small images; images of any size are described alike."""
    images = np.random.default_rng(SEED).random((64, 3, 32, 32), dtype=np.float32)
    return Baseline.fit(images, name="images")


def monitor_of(baseline: Baseline, publisher: Optional[Publisher] = None) -> Monitor:
    """Return a monitor that flushes when it is told to, and takes every input whatever that costs."""
    config = MonitoringConfig(warmup=0, flush_interval=10, overhead_budget=None, max_features=1000)
    return Monitor(config, publisher or MemoryPublisher(), baseline=baseline)


def plain(given: torch.Tensor) -> Action:
    """Return one call of a handler that nothing watches."""
    return Action(_served(Stages(), given))


def monitored_by(monitor: Monitor, given: torch.Tensor) -> Callable[[], Any]:
    """Return what serves one call under a monitor; the calls wait there until they are taken or flushed."""
    handler = Monitored()
    attach(handler, monitor)
    return _served(handler, given)


def monitored(baseline: Baseline, given: torch.Tensor) -> Action:
    """Return one call of a monitored handler, without the flush."""
    monitor = monitor_of(baseline)
    return Action(monitored_by(monitor, given), after=lambda: _take(monitor))


def profiled(given: torch.Tensor) -> Action:
    """Return one call of a handler that TorchServe's `profile: true` times."""
    return Action(_served(Profiled(), given, settings={"handler": {"profile": True}}))


def emitting(given: torch.Tensor) -> Action:
    """Return one call of a handler that emits five metrics, the way of TorchServe's custom-metrics example."""
    # Not at the top: it brings the models of the server benchmark, and pandas with them.
    from benchmarks.variants import EMITTING

    source: dict[str, Any] = {}
    exec(EMITTING, source)
    handler = type("Emitting", (source["MonitoredHandler"], Stages), {})()
    return Action(_served(handler, given))


def recorder_alone(features: int) -> Action:
    """Return the writing down of one call, without a handler around it."""
    monitor = monitor_of(tabular_baseline(features))
    recorder, given, scores = monitor.recorder, torch.randn(1, features), torch.randn(1, CLASSES)

    def run() -> None:
        call = recorder.begin()
        recorder.inputs(call, given)
        recorder.outputs(call, scores)
        recorder.finish(call, requests=1, failed=0)

    return Action(run, after=lambda: _take(monitor))


def flush(features: int, calls: int = FLUSHED_CALLS) -> Action:
    """Return the flush of so many calls of one row each, into a publisher in memory."""
    monitor = monitor_of(tabular_baseline(features))
    serve = monitored_by(monitor, torch.randn(1, features))

    def before() -> None:
        for _ in range(calls):
            serve()

    return Action(monitor.flush, before=before)


def evaluation(features: int) -> Action:
    """Return the evaluation of all statistics of full windows, of the inputs and of the outputs."""
    monitor = monitor_of(tabular_baseline(features))
    recorder, drift = monitor.recorder, monitor.drift
    assert drift is not None
    call = recorder.begin()
    recorder.inputs(call, torch.from_numpy(rows_of(features, WINDOW, seed=SEED + 2)))
    recorder.outputs(call, torch.randn(WINDOW, CLASSES))
    recorder.finish(call, requests=WINDOW, failed=0)
    monitor.flush()
    row = rows_of(features, 1, seed=SEED + 3)
    # Windows that nothing was added to are not evaluated again.
    return Action(lambda: drift.evaluate(lambda: None), before=lambda: drift.add_inputs(row))


def calls_in_a_round(action: Action) -> int:
    """Return how many calls take ROUND_SECONDS; never more than wait for a flush at 1,000 requests/s."""
    seconds_a_call(action, 3)
    one = max(seconds_a_call(action, 10), 1e-7)
    return max(2, min(CALLS_BETWEEN_FLUSHES, int(ROUND_SECONDS / one)))


def seconds_a_call(action: Action, calls: int) -> float:
    """Return CPU seconds of this thread a call, in one round of so many calls."""
    run = action.run
    began = time.thread_time()
    for _ in range(calls):
        run()
    spent = (time.thread_time() - began) / calls
    if action.after is not None:
        action.after()
    return spent


def torchserve_metrics() -> MetricsCacheYamlImpl:
    """Return TorchServe's metrics of a worker, as it makes them from our metrics.yaml, during a request."""
    metrics = MetricsCacheYamlImpl(str(ROOT / "metrics.yaml"))
    metrics.initialize_cache()
    metrics.model_name = "bench"
    metrics.request_ids = {0: "3f8a6f0e-6d3c-4f0e-9d65-1b9c8f1f6a11"}
    return metrics


def _served(
    handler: Any, given: torch.Tensor, settings: Optional[dict[str, Any]] = None
) -> Callable[[], Any]:
    """Return what serves one call of a handler with this input."""
    rows = len(given)
    handler.given, handler.scores, handler.answers = given, torch.randn(rows, CLASSES), [0] * rows
    context = Context(
        "bench", ".", {}, rows, None, "0.12", metrics=torchserve_metrics(), model_yaml_config=settings or {}
    )
    headers = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "body": {"content-type": "application/json"},
    }
    context.request_processor = [RequestProcessor(headers) for _ in range(rows)]
    handler.context = context
    data: list[dict[str, Any]] = [{} for _ in range(rows)]
    handle = handler.handle
    return lambda: handle(data, context)


def _take(monitor: Monitor) -> None:
    """Remove the calls that wait. A monitor that fails open would be quick, and measure nothing."""
    monitor.recorder.take()
    assert monitor.recorder.dropped == 0, "calls were dropped: there are too many in a round"
