"""TorchServe's metrics API: one line on the worker's stdout for each update."""

from __future__ import annotations

import logging
import math
import re
import socket
import time

from ts.metrics import caching_metric
from ts.metrics.caching_metric import CachingMetric
from ts.metrics.dimension import Dimension
from ts.metrics.metric_cache_errors import MetricsCacheKeyError
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

from ..errors import one_line
from ..telemetry.catalogue import COMMON_LABELS, Metric, flat
from .coalescing import CoalescingMetrics as CoalescingMetrics
from .labels import LONGEST, label_value

logger = logging.getLogger(__name__)

# A comma or colon breaks the label set, | the line (frontend: metrics/Metric.java); a line break forges one, and to the
# front end's reader U+0085, U+2028 and U+2029 are line breaks (frontend: wlm/WorkerLifeCycle.java, java.util.Scanner).
UNSAFE = re.compile(r"[,:|\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
LARGEST_EXACT = 1e15
# What a pipe takes in one piece, whatever else writes to it (PIPE_BUF of Linux).
WHOLE_WRITE_BYTES = 4096
# Label values that a line in the log names; it says how many more there are.
NAMED_LABELS = 10


def safe_label(value: str) -> str:
    """Return a label value that TorchServe's line format can carry; alike values stay apart, see `label_value`.

    >>> safe_label("cuda0"), safe_label("cuda:0,spare")
    ('cuda0', 'cuda_0_spare~05414f46')
    """
    return label_value(value, UNSAFE)


def safe_number(value: float) -> float:
    """Return a number whose text TorchServe's parser takes: no nan, no inf, no ``e+``.

    >>> safe_number(1e20), safe_number(float("inf"))
    (100000000000000000000, 1000000000000000)
    """
    if math.isnan(value):
        raise ValueError("a metric value is NaN")
    if math.isinf(value):
        return int(math.copysign(LARGEST_EXACT, value))
    return int(value) if abs(value) >= LARGEST_EXACT or value == int(value) else float(f"{value:.12g}")


class LineBatch:
    """Metric lines on their way to the front end, some twenty in one write.

    TorchServe writes each by itself: a record for the log, a system call, and the front end's reader is woken up. A
    model with a hundred features has two thousand lines a flush.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._bytes = 0
        self.hostname = socket.gethostname()

    def add(self, line: str) -> None:
        """Take a line; send those before it if they fill a write together."""
        size = len(line.encode()) + 1
        if self._bytes + size > WHOLE_WRITE_BYTES:
            self.send()
        self._lines.append(line)
        self._bytes += size

    def clear(self) -> None:
        """Forget what is held."""
        self._lines, self._bytes = [], 0

    def send(self) -> None:
        """Write what is held, through the logger that TorchServe's own metrics use."""
        lines, self._lines, self._bytes = self._lines, [], 0
        if lines:
            caching_metric.logger.info("\n".join(lines))


class BatchedMetric(CachingMetric):  # type: ignore[misc]
    """A metric of TorchServe's API that is ours alone; it gives its lines to a batch."""

    def __init__(self, metric: Metric, batch: LineBatch) -> None:
        super().__init__(metric.name, metric.unit, [*COMMON_LABELS, *metric.labels], MetricTypes(metric.type))
        self._batch = batch

    def emit_metrics(self, request_id: str, value: float, dimension_string: str) -> None:
        """Write as ts/metrics/caching_metric.py does; there is no request that our lines belong to."""
        self._batch.add(
            f"[METRICS]{self.metric_name}.{self.unit}:{value}|#{dimension_string}|#type:{self.metric_type.name}|"
            f"#hostname:{self._batch.hostname},{int(time.time())}"
        )


class TorchServePublisher:
    """Emits through TorchServe's metrics API; a gauge only when its value changed. Lines may wait for `flush`."""

    def __init__(self, metrics: MetricsCacheYamlImpl, *, model_name: str, model_version: str) -> None:
        self._common = (model_name, model_version)
        self._coalescing = metrics if isinstance(metrics, CoalescingMetrics) else None
        self._last: dict[tuple[Metric, tuple[str, ...]], float] = {}
        self._dimensions: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
        # Label values that are shown otherwise, and are not in the log yet.
        self._changed: dict[str, str] = {}
        self._closed = False
        self._batch = LineBatch()
        self._metrics = {metric: BatchedMetric(metric, self._batch) for metric in flat()}
        undeclared = [metric.name for metric in flat() if not _declared(metrics, metric)]
        if undeclared:
            logger.error(
                "TorchServe's metrics configuration lacks %d metrics of TorchVitals (%s, ...): they are dropped "
                "unless model_metrics_auto_detect=true; set metrics_config to TorchVitals' metrics.yaml in "
                "config.properties",
                len(undeclared),
                undeclared[0],
            )

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter; an amount of 0 makes the series exist."""
        self._emit(metric, labels, safe_number(amount))

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge, if its value is not what was sent before."""
        number = safe_number(value)
        if self._last.get((metric, labels)) != number:
            self._emit(metric, labels, number)
            self._last[metric, labels] = number

    def remove(self, metric: Metric, labels: tuple[str, ...]) -> None:
        """Forget what was sent, so that the same value is sent again; TorchServe itself never drops a series."""
        self._last.pop((metric, labels), None)

    def flush(self) -> None:
        """Emit what is held back: our last lines, and the coalesced metrics of TorchServe and of the user."""
        self._batch.send()
        if self._coalescing is not None:
            self._coalescing.flush()
            if not self._closed:
                # From the first flush on, for now there is somebody who flushes.
                self._coalescing.begin()
        if self._changed:
            self._log_changed()

    def close(self, worker: str) -> None:
        """Emit what is held back; nobody flushes any more, so the user's metrics go out at once from now on."""
        self._closed = True
        self._batch.send()
        if self._coalescing is not None:
            self._coalescing.end()

    def forked(self) -> None:
        """Begin anew in a forked process: what is held back belongs to its parent."""
        self._last.clear()
        self._batch.clear()

    def _emit(self, metric: Metric, labels: tuple[str, ...], number: float) -> None:
        # What `add_or_update` makes of label values at each update; the nine gauges of a feature share it.
        key = (metric.labels, labels)
        dimensions = self._dimensions.get(key)
        if dimensions is None:
            dimensions = self._dimensions[key] = self._dimension_text(metric, labels)
        self._metrics[metric].emit_metrics("", number, dimensions)

    def _dimension_text(self, metric: Metric, labels: tuple[str, ...]) -> str:
        found = []
        for name, value in zip((*COMMON_LABELS, *metric.labels), (*self._common, *labels)):
            shown = safe_label(value)
            if shown != value:
                self._changed[value] = shown
            found.append(str(Dimension(name, shown)))
        return ",".join(found)

    def _log_changed(self) -> None:
        changed, self._changed = self._changed, {}
        known = [f"{shown} is '{one_line(value[:LONGEST])}'" for value, shown in changed.items()]
        more = len(known) - NAMED_LABELS
        logger.warning(
            "label values that TorchServe's line format cannot carry, or that are too long, are shown otherwise: %s%s",
            "; ".join(known[:NAMED_LABELS]),
            f"; and {more} more" if more > 0 else "",
        )


def _declared(metrics: MetricsCacheYamlImpl, metric: Metric) -> bool:
    try:
        metrics.get_metric(metric.name, MetricTypes(metric.type))
    except MetricsCacheKeyError:
        return False
    return True
