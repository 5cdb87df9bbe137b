"""Metrics of TorchServe and of the user, held back until the next flush."""

from __future__ import annotations

import math
import os
import re
import threading
import weakref
from typing import Any, Optional

import numpy as np
import torch
from ts.metrics.caching_metric import CachingMetric
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

from ..recording.faults import Faults

# From here on a float's text has an `e+`, which the front end does not read; sums as large go out as integers.
LARGEST_HELD = 1e16
# Negative counters are TorchServe's to refuse; observations of a histogram are of one each.
LEAST_HELD = {MetricTypes.COUNTER: 0.0, MetricTypes.GAUGE: -LARGEST_HELD, MetricTypes.HISTOGRAM: math.inf}
# What the front end reads as a number, of what Python makes of one (frontend: metrics/Metric.java, PATTERN).
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e-[0-9]+)?")
# Stands for TorchServe's default of `dimensions`, one list that all of its calls share and append to.
NO_DIMENSIONS: list[Any] = []
# NumPy's numbers whose text is that of Python's, and what makes that of them; their own `item` takes longer.
SCALARS: dict[type, type] = {
    **{np.dtype(letter).type: int for letter in "bhilqBHILQ"},
    **{np.dtype(letter).type: float for letter in "efd"},
}

# Dimension values as text.
Key = tuple[str, ...]


class HeldBack:
    """What is held back of one metric: the last value of a gauge, the sum of a counter, by label values."""

    __slots__ = ("_labels", "_least", "_lock", "_metric", "_sums", "_values")

    def __init__(self, name: str, unit: str, dimension_names: list[str], metric_type: MetricTypes) -> None:
        # Plain, and with labels of its own: a user's metric object may get others later.
        self._metric = CachingMetric(name, unit, [*dimension_names], metric_type)
        self._labels = len(dimension_names)
        self._sums = metric_type is MetricTypes.COUNTER
        self._least = LEAST_HELD[metric_type]
        self._values: dict[Key, float] = {}
        self._lock = threading.Lock()

    def take(self, key: Key, number: float) -> bool:
        """Hold an update back; False for one that is TorchServe's to emit or to refuse."""
        if len(key) != self._labels or not self._least <= number < LARGEST_HELD:  # nan neither
            return False
        with self._lock:
            values = self._values
            values[key] = values.get(key, 0) + number if self._sums else number
        return True

    def flush(self) -> None:
        """Emit what is held back, one line a series."""
        if not self._values:
            return
        with self._lock:
            values, self._values = self._values, {}
        for key, value in values.items():
            number = value if -LARGEST_HELD < value < LARGEST_HELD else int(value)
            self._metric.add_or_update(number, list(key))

    def forget(self) -> None:
        """Forget what is held back: it is the parent's, of which this process is a fork."""
        self._lock = threading.Lock()
        self._values = {}


class Store:
    """What is held back of all metrics of a worker.

    holding: whether updates are held back. Only while somebody flushes: before, afterwards and in forked processes
    each update goes out at once, as TorchServe sends it.
    """

    def __init__(self) -> None:
        self.holding = False
        self._metrics: dict[tuple[Any, ...], HeldBack] = {}
        self._lock = threading.Lock()
        self._forked = False
        _stores.add(self)

    def of(self, metric: CachingMetric) -> HeldBack:
        """Return what is held back of a metric. Two objects that make the same series share it."""
        names = tuple(metric.dimension_names)
        key = (metric.metric_name, metric.unit, names, metric.metric_type)
        with self._lock:
            if key not in self._metrics:
                self._metrics[key] = HeldBack(metric.metric_name, metric.unit, [*names], metric.metric_type)
            return self._metrics[key]

    def flush(self) -> None:
        """Emit what is held back."""
        with self._lock:
            metrics = list(self._metrics.values())
        for held in metrics:
            held.flush()

    def begin(self) -> None:
        """Hold back from now on; somebody flushes."""
        self.holding = not self._forked

    def end(self) -> None:
        """Emit what is held back, and everything at once from now on."""
        self.holding = False
        self.flush()

    def forked(self) -> None:
        """Emit at once from now on: no thread flushes in a fork, and it may end without a last word (os._exit)."""
        self.holding, self._forked = False, True
        self._lock = threading.Lock()
        for held in self._metrics.values():
            held.forget()


_stores: weakref.WeakSet[Store] = weakref.WeakSet()


def _forget_in_forks() -> None:
    for store in list(_stores):
        store.forked()


# Before any monitor is there: a handler's `initialize` may fork a pool.
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_in_forks)


class CoalescedMetric(CachingMetric):  # type: ignore[misc]
    """A metric whose updates of a gauge or counter wait for the next flush.

    Scrapes see the same as without it; histogram observations pass one by one, and so does what TorchServe or its
    front end refuses. A fault of ours is noted, and the update goes to TorchServe as it came.
    """

    # Beside what TorchServe keeps in `__dict__`, which is what is pickled.
    __slots__ = ("_faults", "_held", "_store")

    def __init__(self, metric: CachingMetric, store: Store, faults: Faults) -> None:
        object.__setattr__(self, "__dict__", metric.__dict__)
        self._faults = faults
        self._store = store
        self._held = store.of(metric)

    def __deepcopy__(self, memo: dict[int, Any]) -> CoalescedMetric:
        """Return the same: asynchronous workers copy the context, metrics and all, for each request."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Be pickled as TorchServe's own metric: in another process nobody flushes."""
        return _plain(CachingMetric, self.__dict__)

    def add_or_update(self, value: Any, dimension_values: Any = [], request_id: str = "") -> None:  # noqa: B006
        """Hold the update back; what TorchServe would refuse goes to TorchServe, which says why."""
        try:
            if self._store.holding:
                # What most updates are.
                kind = type(value)
                number = value if kind is float or kind is int else None
                if kind in SCALARS:
                    number = SCALARS[kind](value)
                if number is not None and type(dimension_values) is list:
                    for each in dimension_values:
                        if type(each) is not str:
                            break
                    else:
                        if self._held.take(tuple(dimension_values), number):
                            return
                if self._hold(value, dimension_values):
                    return
        except BaseException as fault:
            self._faults.note("coalesce", fault)
        super().add_or_update(value, dimension_values, request_id)

    def update(self, value: Any, request_id: str = "", dimensions: Any = []) -> None:  # noqa: B006
        """Update with other labels than before, as TorchServe does."""
        try:
            if self._store.holding:
                self._follow(dimensions)
        except BaseException as fault:
            self._faults.note("coalesce", fault)
        super().update(value, request_id, dimensions)

    def hold(self, value: float, key: Key) -> bool:
        """Hold a float back under label values that are known to fit; False for one that must go out at once."""
        return self._store.holding and type(value) is float and self._held.take(key, value)

    def _follow(self, dimensions: Any) -> None:
        """Hold back under the names of these dimensions from now on; what is no list of them TorchServe refuses."""
        try:
            names = [each.name for each in dimensions]
        except (TypeError, AttributeError):
            return
        self._held = self._store.of(CachingMetric(self.metric_name, self.unit, names, self.metric_type))

    def _hold(self, value: Any, dimension_values: Any) -> bool:
        """Hold back an update of any kind; False for what must go out at once."""
        key = _key(dimension_values, len(self.dimension_names))
        number = _number(value)
        if key is not None and number is not None:
            if self._held.take(key, number):
                return True
            # Whoever has the metric may have added to the list of its labels.
            self._held = self._store.of(self)
            if self._held.take(key, number):
                return True
        # Not before what is older.
        self._held.flush()
        return False


def _key(dimension_values: Any, wanted: int) -> Optional[Key]:
    """Return label values as the text that TorchServe makes of them; None for what it refuses."""
    try:
        if len(dimension_values) != wanted:
            return None
        return tuple([each if type(each) is str else f"{each}" for each in dimension_values])
    except Exception:
        return None


def _number(value: Any) -> Optional[float]:
    """Return the number that the front end reads in the text of a value of any type; None where it reads none."""
    try:
        if type(value) in SCALARS or (type(value) is torch.Tensor and not value.ndim):
            value = value.item()
        if type(value) is float or type(value) is int:
            return value
        if value < 0:
            pass  # asked for its error: TorchServe compares a counter's value as it came
        text = f"{value}"
    except Exception:
        return None
    if NUMBER.fullmatch(text) is None:
        return None
    return float(text) if "." in text or "e" in text else int(text)


UNKNOWN: tuple[Optional[CoalescedMetric], Key] = (None, ())


class CoalescingMetrics(MetricsCacheYamlImpl):  # type: ignore[misc]
    """Stands in the place of `context.metrics`, shares its state, and makes its metrics coalesced.

    Everything goes out at once until `begin`.
    """

    # Beside what TorchServe keeps in `__dict__`, which is what is pickled.
    __slots__ = ("_faults", "_store", "_times")

    def __init__(self, original: MetricsCacheYamlImpl, faults: Optional[Faults] = None) -> None:
        object.__setattr__(self, "__dict__", original.__dict__)
        self._faults = faults or Faults()
        self._store = Store()
        for metrics in self.cache.values():
            for name, metric in metrics.items():
                metrics[name] = CoalescedMetric(metric, self._store, self._faults)
        self._times: dict[str, tuple[CoalescedMetric, Key]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> CoalescingMetrics:
        """Return the same: asynchronous workers copy the context, metrics and all, for each request."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Be pickled as TorchServe's own: in another process nobody flushes."""
        return _plain(MetricsCacheYamlImpl, self.__dict__)

    def add_metric_to_cache(self, *args: Any, **kwargs: Any) -> CachingMetric:
        """Make a metric as TorchServe does, coalesced."""
        plain = super().add_metric_to_cache(*args, **kwargs)
        try:
            self._times.pop(plain.metric_name, None)
            metric = CoalescedMetric(plain, self._store, self._faults)
            self.cache[plain.metric_type][plain.metric_name] = metric
        except BaseException as fault:
            self._faults.note("coalesce", fault)
            return plain
        return metric

    def add_time(
        self,
        name: str,
        value: float,
        idx: Any = None,
        unit: str = "ms",
        dimensions: Any = NO_DIMENSIONS,
        metric_type: MetricTypes = MetricTypes.GAUGE,
    ) -> None:
        """Add a time as TorchServe does; its own two a request (HandlerTime, PredictionTime) take a short way."""
        short = (
            idx is None
            and unit == "ms"
            and dimensions is NO_DIMENSIONS
            and metric_type is MetricTypes.GAUGE
            and self.request_ids is not None
        )
        if short:
            try:
                metric, key = self._times.get(name, UNKNOWN)
                if metric is not None and metric.hold(value, key):
                    return
            except BaseException as fault:
                self._faults.note("coalesce", fault)
        dimensions = [] if dimensions is NO_DIMENSIONS else dimensions
        super().add_time(name, value, idx, unit, dimensions, metric_type)
        if short:
            try:
                self._shorten(name, metric_type)
            except BaseException as fault:
                self._faults.note("coalesce", fault)

    def _shorten(self, name: str, metric_type: MetricTypes) -> None:
        """Let a time of the model as a whole take the short way from now on."""
        metric = self.get_metric(name, metric_type)
        if isinstance(metric, CoalescedMetric) and metric.dimension_names == ["ModelName", "Level"]:
            self._times[name] = (metric, (f"{self.model_name}", "Model"))

    def begin(self) -> None:
        """Hold updates back from now on; whoever says so flushes."""
        self._store.begin()

    def end(self) -> None:
        """Emit what is held back, and everything at once from now on."""
        self._store.end()

    def flush(self) -> None:
        """Emit what all metrics hold back."""
        self._store.flush()


def _plain(cls: Any, state: dict[str, Any]) -> Any:
    """Return how an object of a class of TorchServe's is pickled that has this state."""
    plain = cls.__new__(cls)
    plain.__dict__ = state
    # The protocol that names the object's class without asking whose object is pickled.
    return plain.__reduce_ex__(1)
