"""The same monitor around a bare nn.Module, outside any server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import torch

from ..config import MonitoringConfig
from ..publishers.memory import MemoryPublisher
from ..recording.call import CallRecord
from ..recording.faults import Faults
from ..recording.guard import recorded
from ..recording.stages import instrument_stages
from ..telemetry.publisher import Publisher
from ..telemetry.runtime import Runtime
from ..training.baseline import Baseline
from ..worker.monitor import Monitor


class MonitoredModel:
    """Run a model and watch it.

    Results are published to `publisher` (for example PrometheusPublisher) each `flush_interval`, or kept
    here for `summary` and `check_anomalies`. Thread-safe as far as the model is.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        baseline: Optional[Baseline] = None,
        *,
        config: Optional[MonitoringConfig] = None,
        publisher: Optional[Publisher] = None,
    ) -> None:
        self.model = model
        self.config = config or MonitoringConfig()
        device = _device_of(model)
        faults = Faults()
        runtime = Runtime(model, device, faults)
        self.monitor = Monitor(
            self.config,
            publisher or MemoryPublisher(),
            baseline=baseline,
            device=device,
            runtime=runtime,
            faults=faults,
        )
        recorder = self.monitor.recorder
        instrument_stages(self, recorder, self.monitor.clock)
        self._predict = recorded(self._run, recorder, _describe)
        runtime.watch(self)
        self.monitor.start()

    def inference(self, inputs: Any) -> Any:
        """Run the model in inference mode."""
        with torch.inference_mode():
            return self.model(inputs)

    def predict(self, inputs: Any) -> Any:
        """Return what the model gives for a batch of inputs, (n, ...); its errors pass unchanged."""
        return self._predict(inputs)

    def _run(self, inputs: Any) -> Any:
        return self.inference(inputs)

    def check_anomalies(self) -> list[str]:
        """Return what is out of bounds now, a sentence each; an empty list when all is well."""
        self.monitor.flush()
        limits, found = self.config.thresholds, []
        latencies = self.monitor.calls.recent_seconds()
        if limits.latency_p95_seconds is not None and len(latencies):
            p95 = float(np.percentile(latencies, 95))
            if p95 > limits.latency_p95_seconds:
                found.append(
                    f"high latency: p95 is {p95 * 1e3:.1f} ms, limit {limits.latency_p95_seconds * 1e3:.0f} ms"
                )
        confidence = self.monitor.predictions.recent_confidence()
        if limits.confidence is not None and len(confidence) and confidence.mean() < limits.confidence:
            found.append(f"low confidence: mean is {confidence.mean():.2f}, limit {limits.confidence:.2f}")
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
        return found

    def summary(self) -> dict[str, Any]:
        """Return latency (seconds), confidence, memory (bytes) and drift over the last `window` calls or rows."""
        self.monitor.flush()
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
        """Stop the flush thread after a last flush."""
        self.monitor.stop()


def _describe(call: CallRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Each row of a batch counts as a request."""
    (inputs,) = args
    try:
        call.requests = len(inputs)
    except TypeError:  # one value, such as a tensor of no dimensions
        call.requests = 1


def _device_of(model: Any) -> Any:
    parameters = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    return next((parameter.device for parameter in parameters), None)
