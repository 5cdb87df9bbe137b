"""prometheus_client: for a bare model in your own process."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any, Optional, Union

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ..errors import ConfigurationError
from ..telemetry.catalogue import CATALOGUE, COMMON_LABELS, Histogram, Metric
from .labels import SURROGATES, label_value

# Of models that nobody watches any more, how many keep their counters. A process that loads a new version every hour
# would otherwise show all of them for ever.
MOST_CLOSED = 16

Labels = tuple[str, ...]
Series = dict[Labels, float]
Family = Union[CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, UnknownMetricFamily]


class PrometheusPublisher(Collector):
    """Shows the same series that TorchServe would, in a registry of prometheus_client, as they are at each flush.

    Publishers of the same registry, model name and version are one model with several workers: counters add up and go
    on where a closed one ended, and gauges are told apart by the label `worker`. A registry is one process's:
    prometheus_client's multiprocess mode collects files that these series are not in, so that each process needs an
    address of its own to be scraped at.

    Args:
        model_name: label of every series.
        model_version: label of every series.
        registry: what is scraped; None for a publisher whose own `collect` is called.

    Raises:
        ConfigurationError: the registry has other metrics of the same names.
    """

    def __init__(
        self, *, model_name: str, model_version: str, registry: Optional[CollectorRegistry] = REGISTRY
    ) -> None:
        self._exposition = _Exposition() if registry is None else _exposition_of(registry)
        self._common = (_shown(model_name), _shown(model_version))
        # A publisher may be that of several monitors, each with a thread.
        self._lock = threading.Lock()
        self._amounts: dict[Metric, Series] = {}
        self._values: dict[Metric, Series] = {}
        # Gauges' series that end with the next flush.
        self._ended: set[tuple[Metric, Labels]] = set()

    def increase(self, metric: Metric, labels: Labels, amount: float) -> None:
        """Add to a counter."""
        with self._lock:
            series = self._amounts.setdefault(metric, {})
            series[labels] = series.get(labels, 0.0) + amount

    def set(self, metric: Metric, labels: Labels, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._values.setdefault(metric, {})[labels] = value
            self._ended.discard((metric, labels))

    def remove(self, metric: Metric, labels: Labels) -> None:
        """End a gauge's series."""
        with self._lock:
            self._values.get(metric, {}).pop(labels, None)
            self._ended.add((metric, labels))

    def flush(self) -> None:
        """Let scrapes see what came since the last flush, all of it at once."""
        with self._lock:
            amounts, self._amounts = self._amounts, {}
            values, self._values = self._values, {}
            ended, self._ended = self._ended, set()
        self._exposition.add(self._common, amounts, values, ended)

    def enter(self) -> str:
        """Return a value of the label `worker` that no other monitor of this model has, until it is closed."""
        return self._exposition.enter(self._common)

    def close(self, worker: str) -> None:
        """Take back the gauges of a worker that has ended; its counters stay, for they are of the process."""
        self.flush()
        self._exposition.leave(self._common, worker)

    def forked(self) -> None:
        """Begin anew in a forked process: what was counted so far was its parent's."""
        self._lock = threading.Lock()
        self._amounts, self._values, self._ended = {}, {}, set()
        self._exposition.forget()

    def describe(self) -> Iterator[Family]:
        """Give the families without series to prometheus_client."""
        return self._exposition.describe()

    def collect(self) -> Iterator[Family]:
        """Give the model's series to prometheus_client."""
        return self._exposition.collect(self._common)


class _Model:
    """The series of one model, and the workers that watch it."""

    def __init__(self) -> None:
        self.counters: dict[Metric, Series] = {}
        self.gauges: dict[Metric, Series] = {}
        self.workers: set[str] = set()

    def leave(self, worker: str) -> None:
        """Drop the gauges of a worker, and with the last one those of all."""
        self.workers.discard(worker)
        shared: dict[Metric, Series] = {}
        for metric in list(self.gauges):
            if "worker" not in metric.labels:
                shared[metric] = self.gauges.pop(metric)
                continue
            place = metric.labels.index("worker")
            kept = {labels: value for labels, value in self.gauges[metric].items() if labels[place] != worker}
            if kept:
                self.gauges[metric] = kept
            else:
                del self.gauges[metric]
        if self.gauges or self.workers:
            self.gauges.update(shared)


class _Exposition(Collector):
    """All models of one registry. A metric is one family, whatever models have it."""

    def __init__(self) -> None:
        self._models: dict[Labels, _Model] = {}
        self._lock = threading.Lock()

    def add(
        self,
        common: Labels,
        amounts: dict[Metric, Series],
        values: dict[Metric, Series],
        ended: set[tuple[Metric, Labels]],
    ) -> None:
        """Add to a model's counters, set its gauges, and drop those that ended."""
        with self._lock:
            model = self._models.setdefault(common, _Model())
            for metric, added in amounts.items():
                series = model.counters.setdefault(metric, {})
                for labels, amount in added.items():
                    series[labels] = series.get(labels, 0.0) + amount
            for metric, found in values.items():
                model.gauges.setdefault(metric, {}).update(found)
            for metric, labels in ended:
                model.gauges.get(metric, {}).pop(labels, None)

    def enter(self, common: Labels) -> str:
        """Return the least number that no worker of a model has."""
        with self._lock:
            workers = self._models.setdefault(common, _Model()).workers
            worker = next(name for name in map(str, range(len(workers) + 1)) if name not in workers)
            workers.add(worker)
            return worker

    def leave(self, common: Labels, worker: str) -> None:
        """Drop a worker's gauges; of models without workers, only the latest stay."""
        with self._lock:
            model = self._models.pop(common, None)
            if model is None:
                return
            model.leave(worker)
            self._models[common] = model
            closed = [name for name, each in self._models.items() if not each.workers and not each.gauges]
            for name in closed[: max(0, len(closed) - MOST_CLOSED)]:
                del self._models[name]

    def forget(self) -> None:
        """Forget all series: they are the parent's, of which this process is a fork."""
        self._lock = threading.Lock()
        for model in self._models.values():
            model.counters, model.gauges = {}, {}

    def describe(self) -> Iterator[Family]:
        """Give the families without series, so that a registry knows the names."""
        return self._families([])

    def collect(self, common: Optional[Labels] = None) -> Iterator[Family]:
        """Give the series of one model or of all to prometheus_client, as they were at the last flush of each."""
        with self._lock:
            found = [
                (name, _copied(model.counters), _copied(model.gauges))
                for name, model in self._models.items()
                if common in (None, name)
            ]
        return (family for family in self._families(found) if family.samples)

    def _families(
        self, models: list[tuple[Labels, dict[Metric, Series], dict[Metric, Series]]]
    ) -> Iterator[Any]:
        entries = list(CATALOGUE)
        declared = {metric for entry in entries for metric in _parts(entry)}
        used = dict.fromkeys(metric for _, counters, gauges in models for metric in (*counters, *gauges))
        for entry in (*entries, *(metric for metric in used if metric not in declared)):
            family = _family(entry)
            for common, counters, gauges in models:
                if isinstance(entry, Histogram):
                    _add_histogram(family, entry, common, counters)
                    continue
                for labels, value in (gauges if entry.type == "gauge" else counters).get(entry, {}).items():
                    family.add_metric([*common, *map(_shown, labels)], value)
            yield family


_expositions: weakref.WeakKeyDictionary[CollectorRegistry, _Exposition] = weakref.WeakKeyDictionary()
_expositions_lock = threading.Lock()


def _exposition_of(registry: CollectorRegistry) -> _Exposition:
    with _expositions_lock:
        known = _expositions.get(registry)
        if known is None:
            known = _Exposition()
            try:
                registry.register(known)
            except ValueError as error:
                raise ConfigurationError(
                    f"the registry has metrics of the names that TorchVitals uses ({error}); rename those, or give "
                    "PrometheusPublisher a registry of its own"
                ) from error
            _expositions[registry] = known
        return known


def _family(entry: Union[Metric, Histogram]) -> Any:
    names = [*COMMON_LABELS, *entry.labels]
    if isinstance(entry, Histogram):
        return HistogramMetricFamily(entry.name, entry.help, labels=names)
    if entry.type == "gauge":
        return GaugeMetricFamily(entry.name, entry.help, labels=names)
    # Any other counter's name would get a `_total`.
    kind = CounterMetricFamily if entry.name.endswith("_total") else UnknownMetricFamily
    return kind(entry.name, entry.help, labels=names)


def _parts(entry: Union[Metric, Histogram]) -> tuple[Metric, ...]:
    return (entry.bucket, entry.sum, entry.count) if isinstance(entry, Histogram) else (entry,)


def _add_histogram(family: Any, entry: Histogram, common: Labels, counters: dict[Metric, Series]) -> None:
    buckets = counters.get(entry.bucket, {})
    # As OpenMetrics has them: 1.0, where the catalogue has 1.
    bounds = [_go_number(bound) for bound in (*entry.buckets, float("inf"))]
    for labels, total in counters.get(entry.sum, {}).items():
        counts = [buckets.get((*labels, le), 0.0) for le in entry.le_values]
        family.add_metric([*common, *map(_shown, labels)], list(zip(bounds, counts)), total)


def _go_number(number: float) -> str:
    return str(floatToGoString(number))  # type: ignore[no-untyped-call]


def _copied(series: dict[Metric, Series]) -> dict[Metric, Series]:
    return {metric: dict(values) for metric, values in series.items()}


def _shown(value: str) -> str:
    return label_value(value, SURROGATES)
