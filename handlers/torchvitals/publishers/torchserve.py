"""TorchServe's metrics API: one line on the worker's stdout for each update."""

from __future__ import annotations

import logging
import math
import re
import socket
import sys
import threading
import time
from typing import Any, Optional

from ts.metrics import caching_metric
from ts.metrics.caching_metric import CachingMetric
from ts.metrics.dimension import Dimension
from ts.metrics.metric_cache_errors import MetricsCacheKeyError
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

from ..recording.faults import Faults
from ..telemetry.catalogue import COMMON_LABELS, Metric, flat

logger = logging.getLogger(__name__)

# A comma or colon breaks the label set, | and # the line, a line break forges one (frontend: metrics/Metric.java).
UNSAFE = re.compile(r"[,:|#\r\n\t\[\]]+")
LARGEST_EXACT = 1e15
LARGEST = sys.float_info.max
# What a pipe takes in one piece, whatever else writes to it (PIPE_BUF of Linux).
WHOLE_WRITE_BYTES = 4096


def safe_label(value: str) -> str:
    """Return a label value that TorchServe's line format can carry.

    >>> safe_label("cuda:0,spare")
    'cuda_0_spare'
    """
    return UNSAFE.sub("_", value) or "none"


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


class CoalescedMetric(CachingMetric):  # type: ignore[misc]
    """A metric that keeps a gauge's last value and a counter's sum until the next flush.

    Scrapes see the same as without it; histogram observations pass one by one. A fault of ours is noted, and the update
    goes to TorchServe as it came.
    """

    def __init__(self, metric: CachingMetric, faults: Faults) -> None:
        super().__init__(metric.metric_name, metric.unit, metric.dimension_names, metric.metric_type)
        self._faults = faults
        self._lock = threading.Lock()
        self._held: dict[tuple[Any, ...], float] = {}
        self._known: set[tuple[Any, ...]] = set()

    def __deepcopy__(self, memo: dict[int, Any]) -> CoalescedMetric:
        """Return the same: asynchronous workers copy the context, metrics and all, for each request."""
        return self

    def add_or_update(self, value: float, dimension_values: list[Any] = [], request_id: str = "") -> None:  # noqa: B006
        """Hold the update back; what TorchServe would refuse goes to TorchServe, which says why."""
        try:
            if self.hold(value, dimension_values):
                return
        except BaseException as fault:
            self._faults.note("coalesce", fault)
        super().add_or_update(value, dimension_values, request_id)

    def hold(self, value: float, dimension_values: list[Any]) -> bool:
        """Hold an update back; False for one that is TorchServe's to emit or to refuse."""
        try:
            key = tuple(dimension_values)
            known = key in self._known
        except TypeError:  # no list of values, or one of them is a list itself
            return False
        if not known and not self._takes(key):
            return False
        counter = self.metric_type == MetricTypes.COUNTER
        number = value if type(value) is float or type(value) is int else _number(value)
        if not (0.0 if counter else -LARGEST) <= number <= LARGEST:  # nan neither
            return False
        with self._lock:
            self._held[key] = self._held.get(key, 0) + number if counter else number
        return True

    def _takes(self, key: tuple[Any, ...]) -> bool:
        """Tell whether updates with new label values can be held back, and know them from now on."""
        if self.metric_type == MetricTypes.HISTOGRAM or len(key) != len(self.dimension_names):
            return False
        self._known.add(key)
        return True

    def forked(self) -> None:
        """Forget what is held for the parent of this process."""
        self._lock = threading.Lock()
        self._held = {}

    def flush(self) -> None:
        """Emit what is held, one line a series."""
        with self._lock:
            held, self._held = self._held, {}
        for key, value in held.items():
            # As text, a larger float has an `e+`, which TorchServe's parser does not know.
            super().add_or_update(value if abs(value) < LARGEST_EXACT else int(value), list(key))


def _number(value: Any) -> float:
    """Return a Python number, for sums of NumPy's and PyTorch's overflow or round as their own type does."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


class CoalescingMetrics(MetricsCacheYamlImpl):  # type: ignore[misc]
    """Stands in the place of `context.metrics`, shares its state, and makes its metrics coalesced."""

    def __init__(self, original: MetricsCacheYamlImpl, faults: Optional[Faults] = None) -> None:
        self.__dict__ = original.__dict__
        self.faults = faults = faults or Faults()
        for metrics in self.cache.values():
            for name, metric in metrics.items():
                if not isinstance(metric, CoalescedMetric):
                    metrics[name] = CoalescedMetric(metric, faults)
        self.times: dict[str, tuple[CoalescedMetric, list[Any]]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> CoalescingMetrics:
        """Return the same: asynchronous workers copy the context, metrics and all, for each request."""
        return self

    def add_metric_to_cache(self, *args: Any, **kwargs: Any) -> CachingMetric:
        """Make a metric as TorchServe does, coalesced."""
        plain = super().add_metric_to_cache(*args, **kwargs)
        try:
            metric = CoalescedMetric(plain, self.faults)
            self.cache[plain.metric_type][plain.metric_name] = metric
        except BaseException as fault:
            self.faults.note("coalesce", fault)
            return plain
        return metric

    def add_time(
        self,
        name: str,
        value: float,
        idx: Optional[int] = None,
        unit: str = "ms",
        dimensions: Optional[list[Any]] = None,
        metric_type: MetricTypes = MetricTypes.GAUGE,
    ) -> None:
        """Add a time as TorchServe does; its own two a request (HandlerTime, PredictionTime) take a short way."""
        plain = idx is None and not dimensions and metric_type is MetricTypes.GAUGE
        if plain and name in self.times and self.request_ids is not None:
            try:
                metric, labels = self.times[name]
                if metric.hold(value, labels):
                    return
            except BaseException as fault:
                self.faults.note("coalesce", fault)
        super().add_time(name, value, idx, unit, list(dimensions or []), metric_type)
        if plain and self.request_ids is not None:
            try:
                self._shorten(name, metric_type)
            except BaseException as fault:
                self.faults.note("coalesce", fault)

    def _shorten(self, name: str, metric_type: MetricTypes) -> None:
        """Let a time of the model as a whole take the short way from now on."""
        metric = self.get_metric(name, metric_type)
        if isinstance(metric, CoalescedMetric) and metric.dimension_names == ["ModelName", "Level"]:
            self.times[name] = (metric, [self.model_name, "Model"])

    def forked(self) -> None:
        """Forget what is held for the parent of this process."""
        for metrics in list(self.cache.values()):
            for metric in list(metrics.values()):
                if isinstance(metric, CoalescedMetric):
                    metric.forked()

    def flush(self) -> None:
        """Emit what all metrics hold."""
        for metrics in list(self.cache.values()):
            for metric in list(metrics.values()):
                if isinstance(metric, CoalescedMetric):
                    metric.flush()


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
        self._common = [safe_label(model_name), safe_label(model_version)]
        self._coalescing = metrics if isinstance(metrics, CoalescingMetrics) else None
        self._last: dict[tuple[Metric, tuple[str, ...]], float] = {}
        self._dimensions: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
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

    def flush(self) -> None:
        """Emit what is held back: our last lines, and the coalesced metrics of TorchServe and of the user."""
        self._batch.send()
        if self._coalescing is not None:
            self._coalescing.flush()

    def forked(self) -> None:
        """Begin anew in a forked process: what is held back belongs to its parent."""
        self._last.clear()
        self._batch.clear()
        if self._coalescing is not None:
            self._coalescing.forked()

    def _emit(self, metric: Metric, labels: tuple[str, ...], number: float) -> None:
        # What `add_or_update` makes of label values at each update; the nine gauges of a feature share it.
        key = (metric.labels, labels)
        dimensions = self._dimensions.get(key)
        if dimensions is None:
            values = [*self._common, *map(safe_label, labels)]
            named = zip((*COMMON_LABELS, *metric.labels), values)
            dimensions = self._dimensions[key] = ",".join(
                str(Dimension(name, value)) for name, value in named
            )
        self._metrics[metric].emit_metrics("", number, dimensions)


def _declared(metrics: MetricsCacheYamlImpl, metric: Metric) -> bool:
    try:
        metrics.get_metric(metric.name, MetricTypes(metric.type))
    except MetricsCacheKeyError:
        return False
    return True
