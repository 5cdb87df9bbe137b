"""The same monitor around a bare nn.Module, outside any server."""

from __future__ import annotations

import contextlib
import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Optional

import numpy as np
import torch
from torch import Tensor

from ..baseline.describing import introduced
from ..baseline.schema import BaselineData
from ..config import MonitoringConfig
from ..errors import ConfigurationError
from ..publishers.memory import MemoryPublisher
from ..recording.call import CallRecord
from ..recording.devices import device_of
from ..recording.faults import Faults
from ..recording.guard import recorded
from ..recording.naming import PredictionNames
from ..recording.stages import instrument_stages
from ..telemetry.publisher import Publisher
from ..telemetry.runtime import Runtime
from ..worker.monitor import Monitor

logger = logging.getLogger(__name__)

# Stands for no first argument, as None may be one.
NOT_GIVEN: Any = object()


class MonitoredModel:
    """Run a model and watch it.

    Results are published to `publisher` (for example PrometheusPublisher) each `flush_interval`, or kept
    here for `summary` and `check_anomalies`. Thread-safe as far as the model is. Close it, or use it in a `with`
    statement; one that nobody refers to any more closes by itself.

    Args:
        model: a torch.nn.Module of any kind, or any function; one that is `async def` makes `predict` awaitable.
        baseline: what its inputs and outputs are compared with; without one, drift is not watched.
        config: how it is monitored; the defaults of model-config.yaml.
        publisher: where values go. Two models that are open at the same time under one name and version are its two
            workers: counts add up, and gauges have their own label `worker`.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        baseline: Optional[BaselineData] = None,
        *,
        config: Optional[MonitoringConfig] = None,
        publisher: Optional[Publisher] = None,
    ) -> None:
        self.model = model
        self.config = config or MonitoringConfig()
        publisher = publisher or MemoryPublisher()
        if baseline is not None:
            self.config.features.check(baseline, "features")
            logger.info("%s", introduced(baseline))
        device = device_of(model) if isinstance(model, torch.nn.Module) else None
        faults = Faults()
        runtime = _runtime_of(model, device, faults)
        enter = getattr(publisher, "enter", None)
        worker = enter() if enter is not None else "0"
        self.monitor = Monitor(
            self.config,
            publisher,
            baseline=baseline,
            device=device,
            worker=worker,
            runtime=runtime,
            faults=faults,
            names=_names_of(self.config),
        )
        if _is_async(model):
            self.inference = self._inference_async  # type: ignore[method-assign]
        recorder = self.monitor.recorder
        #: Gives predictions the ids that their labels come with: `model.predictions.id("order 17")`, then `predict`.
        self.predictions = PredictionNames(recorder)
        describe = _describe if self.config.ground_truth is None else self._describe_named
        instrument_stages(self, recorder, self.monitor.clock)
        # With one argument, as most calls have, it takes less time.
        self._predict_one = recorded(self._run_one, recorder, describe)
        self._predict_any = recorded(self._run_any, recorder, describe)
        runtime.watch(self)
        self._closed = False
        self.monitor.start()
        # At exit the monitor stops by itself.
        self._unclosed = weakref.finalize(self, _close_later, self.monitor)
        self._unclosed.atexit = False

    def __enter__(self) -> MonitoredModel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def inference(self, inputs: Any = NOT_GIVEN, *more: Any, **named: Any) -> Any:
        """Run the model in inference mode, with the arguments of `predict`."""
        with torch.inference_mode():
            if more or named or inputs is NOT_GIVEN:
                return self.model(*_together(inputs, more), **named)
            return self.model(inputs)

    async def _inference_async(self, inputs: Any = NOT_GIVEN, *more: Any, **named: Any) -> Any:
        # Inference mode is the thread's, which other coroutines have too while this one waits.
        return await self.model(*_together(inputs, more), **named)

    def predict(self, inputs: Any = NOT_GIVEN, *more: Any, **named: Any) -> Any:
        """Return what the model gives for a batch of inputs, (n, ...); its errors pass unchanged.

        Args:
            inputs: the model's first argument. Its rows are counted and compared with the baseline; of a mapping, those
                of its first value, and where there are only named arguments, those of the first.
            more: further positional arguments of the model.
            named: further named ones.
        """
        if more or named or inputs is NOT_GIVEN:
            return self._predict_any(*_together(inputs, more), **named)
        return self._predict_one(inputs)

    def _run_one(self, inputs: Any) -> Any:
        return self.inference(inputs)

    def _run_any(self, *inputs: Any, **named: Any) -> Any:
        return self.inference(*inputs, **named)

    def _describe_named(self, call: CallRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        _describe(call, args, kwargs)
        names = self.predictions.take()
        if names is not None and call.ids is None:
            call.ids, call.segments = names

    def check_anomalies(self) -> list[str]:
        """Return what is out of bounds now, a sentence each; an empty list when all is well."""
        self._flush()
        limits, found = self.config.thresholds, []
        latencies = self.monitor.calls.recent_seconds()
        if limits.latency_p95_seconds is not None and len(latencies):
            p95 = float(np.percentile(latencies, 95))
            if p95 > limits.latency_p95_seconds:
                found.append(
                    f"high latency: p95 is {p95 * 1e3:.1f} ms, limit {limits.latency_p95_seconds * 1e3:.0f} ms"
                )
        confidence = self.monitor.predictions.recent_confidence()
        least = self.monitor.predictions.least_mean_confidence
        if least is not None and len(confidence) and confidence.mean() < least:
            found.append(f"low confidence: mean is {confidence.mean():.2f}, limit {least:.2f}")
        share = self.monitor.predictions.largest_class_share
        if limits.class_share is not None and share > limits.class_share:
            found.append(
                f"imbalanced output: one class is {share:.0%} of predictions, limit {limits.class_share:.0%}"
            )
        peak = self.monitor.memory.peak_device_bytes if self.monitor.memory else 0
        if limits.memory_bytes is not None and peak > limits.memory_bytes:
            found.append(
                f"high memory: peak is {peak / 1e6:.0f} MB, limit {limits.memory_bytes / 1e6:.0f} MB"
            )
        report = self.monitor.drift.report if self.monitor.drift else None
        for drift in report.features.values() if report else ():
            if drift.drifted:
                found.append(
                    f"drift: {drift.source} {drift.name}: KL {drift.kl_divergence:.2f}, PSI {drift.psi:.2f}"
                )
        segments = report.segments if report else {}
        for segment in report.drifted_segments if report else ():
            drifted = [drift.name for drift in segments[segment].features.values() if drift.drifted]
            found.append(f"drift of segment {segment}: {', '.join(drifted)}")
        return found

    def summary(self) -> dict[str, Any]:
        """Return latency (seconds), confidence, memory (bytes) and drift over the last `window` calls or rows."""
        self._flush()
        latencies = self.monitor.calls.recent_seconds()
        confidence = self.monitor.predictions.recent_confidence()
        report = self.monitor.drift.report if self.monitor.drift else None
        quantiles = np.percentile(latencies, [50, 95, 99]).tolist() if len(latencies) else [None] * 3
        return {
            "calls": self.monitor.calls.total_calls,
            "latency_seconds": {
                "mean": float(latencies.mean()) if len(latencies) else None,
                **dict(zip(("p50", "p95", "p99"), quantiles)),
            },
            "confidence": {
                "mean": float(confidence.mean()) if len(confidence) else None,
                "min": float(confidence.min()) if len(confidence) else None,
            },
            "memory_bytes": dict(self.monitor.memory.bytes) if self.monitor.memory else {},
            "drift": report,
        }

    def close(self) -> None:
        """Stop the flush thread after a last flush, and take back the gauges; `predict` only runs the model then."""
        if self._closed:
            return
        self._closed = True
        self._unclosed.detach()
        # Nobody would take what is written down.
        self._predict_one, self._predict_any = self._run_one, self._run_any
        self.monitor.stop()

    def _flush(self) -> None:
        if not self._closed:
            self.monitor.flush()


def _together(first: Any, more: tuple[Any, ...]) -> tuple[Any, ...]:
    return more if first is NOT_GIVEN else (first, *more)


def _close_later(monitor: Monitor) -> None:
    """Stop a monitor whose model is gone, in a thread: the garbage collector runs anywhere, and must not wait."""
    with contextlib.suppress(RuntimeError):  # at the interpreter's end, when the monitor stops by itself
        threading.Thread(target=monitor.stop, name="torchvitals-close", daemon=True).start()


def _describe(call: CallRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Each row of a batch counts as a request."""
    inputs = args[0] if args else next(iter(kwargs.values()), None)
    # What most are; the questions of `rows_of` take longer.
    call.requests = len(inputs) if type(inputs) is Tensor and inputs.ndim else rows_of(inputs)


def rows_of(inputs: Any) -> int:
    """Return the number of rows of what a model is given; 1 where it does not say.

    >>> rows_of(torch.zeros(3, 4)), rows_of({"ids": torch.zeros(2, 9), "mask": torch.zeros(2, 9)}), rows_of("text")
    (3, 2, 1)
    """
    if isinstance(inputs, Mapping):
        return rows_of(next(iter(inputs.values()), None))
    if isinstance(inputs, tuple) and inputs and hasattr(inputs[0], "shape"):
        return rows_of(inputs[0])
    if isinstance(inputs, (str, bytes)):
        return 1
    try:
        return len(inputs)
    except Exception:  # a tensor without dimensions, a nested one, an object of the user's
        return 1


def _names_of(config: MonitoringConfig) -> tuple[str, str]:
    """Return the name and the version under which predictions are kept; there is no server to say them."""
    truth = config.ground_truth
    if truth is None:
        return "", ""
    if truth.model_name is None or truth.model_version is None:
        raise ConfigurationError("ground_truth: a MonitoredModel needs its `model_name` and `model_version`")
    return truth.model_name, truth.model_version


def _is_async(model: Any) -> bool:
    called = [model, getattr(model, "forward", None), vars(type(model)).get("__call__")]
    return any(inspect.iscoroutinefunction(one) for one in called)


def _runtime_of(model: Any, device: Any, faults: Faults) -> Runtime:
    try:
        return Runtime(model, device, faults)
    except Exception as fault:  # parameters that cannot be listed: less is known of the model
        faults.count("begin", fault)
        return Runtime(None, device, faults)
