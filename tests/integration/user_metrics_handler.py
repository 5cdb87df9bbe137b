"""A handler with metrics of its own, by each way that TorchServe's API offers. Packed by test_coalescing.py."""

import json
import os

import torch
from ts.metrics.dimension import Dimension
from ts.metrics.metric_type_enum import MetricTypes

from torchvitals import MonitoredHandler

SIZES = (0.004, 0.03, 0.3, 3.0, 30.0)


class UserMetricsHandler(MonitoredHandler):
    """Answers with what it emits through; each metric is a function of the request's number `n`."""

    def initialize(self, context):
        super().initialize(context)
        metrics, self.name = context.metrics, context.model_name
        self.tenths = metrics.add_metric_to_cache("own_tenths_total", "count", ["model"], MetricTypes.COUNTER)
        self.words = metrics.add_metric_to_cache(
            "own_words_total", "count", ["model", "kind", "language"], MetricTypes.COUNTER
        )
        self.level = metrics.add_metric_to_cache("own_level", "count", ["model", "kind"], MetricTypes.GAUGE)
        self.sizes = metrics.add_metric_to_cache("own_sizes", "s", ["model", "kind"], MetricTypes.HISTOGRAM)
        self.declared = metrics.get_metric("declared_total", MetricTypes.COUNTER)
        self.forked = metrics.get_metric("forked_total", MetricTypes.COUNTER)

    def preprocess(self, data):
        for row in data:
            self.emit(self.context.metrics, row["body"]["n"])
        return torch.zeros(len(data), 10)

    def postprocess(self, data):
        return [json.dumps({"through": type(self.context.metrics).__name__})] * len(data)

    def emit(self, metrics, n):
        """Emit all that one request emits."""
        side = "even" if n % 2 == 0 else "odd"
        metrics.add_counter("calls_total", 1)
        metrics.add_counter("items_total", n % 7, idx=0)
        metrics.add_counter("sides_total", n, dimensions=[Dimension("side", side)])
        metrics.add_time("wait", n * 0.5)
        metrics.add_time("wait_seconds", n / 8, 0, "s", [Dimension("side", side)])
        metrics.add_time("waited_seconds_total", n / 8, unit="s", metric_type=MetricTypes.COUNTER)
        metrics.add_size("payload", n + 0.25, unit="B", dimensions=[Dimension("side", side)])
        metrics.add_percent("share", n % 101)
        metrics.add_metric("bytes_total", 1000 * n, "B", dimensions=[Dimension("side", side)])
        metrics.add_metric("depth", -n, "count", metric_type=MetricTypes.GAUGE)
        metrics.add_metric("latency", SIZES[n % 5], "s", metric_type=MetricTypes.HISTOGRAM)
        for _ in range(10):
            self.tenths.add_or_update(0.1, [self.name])
        for kind in ("in", "out"):
            for language in ("de", "en", "fr"):
                self.words.add_or_update(n % len(kind + language), [self.name, kind, language])
            self.level.add_or_update(n if kind == "in" else 1000 - n, [self.name, kind])
            self.sizes.add_or_update(SIZES[n % 3], [self.name, kind])
        self.declared.add_or_update(n, [self.name, side])
        if n % 50 == 0:
            self.emit_from_a_child(n)
        # TorchServe refuses a counter's decrease, and loses what it cannot parse; the rest must not suffer.
        metrics.add_counter("calls_total", -5)
        self.words.add_or_update(1, [self.name])

    def emit_from_a_child(self, n):
        """Emit in a forked process, which ends as those of multiprocessing do."""
        child = os.fork()
        if not child:
            self.forked.add_or_update(n, [self.name])
            os._exit(0)
        os.waitpid(child, 0)
