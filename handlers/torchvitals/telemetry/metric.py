"""What a metric is, and the catalogue that each is registered in by being created."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, Union


@dataclass(frozen=True)
class Metric:
    """One counter or gauge. `Catalogue.counter` and `Catalogue.gauge` make one that is published."""

    name: str
    type: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Histogram:
    """A histogram kept as counters ``_bucket`` (with ``le``), ``_sum`` and ``_count``.

    TorchServe's own histograms have buckets that cannot be set, and counters add across workers
    (frontend: metrics/format/prometheous/PrometheusHistogram.java).
    """

    name: str
    unit: str
    help: str
    buckets: tuple[float, ...]
    labels: tuple[str, ...] = ()

    @property
    def bucket(self) -> Metric:
        """Observations at or below ``le``."""
        return Metric(f"{self.name}_bucket", "counter", "count", self.help, (*self.labels, "le"))

    @property
    def sum(self) -> Metric:
        """Sum of all observations."""
        return Metric(f"{self.name}_sum", "counter", self.unit, self.help, self.labels)

    @property
    def count(self) -> Metric:
        """Number of observations."""
        return Metric(f"{self.name}_count", "counter", "count", self.help, self.labels)

    @property
    def le_values(self) -> tuple[str, ...]:
        """The ``le`` label of each bucket, ``+Inf`` last."""
        return (*(f"{bound:g}" for bound in self.buckets), "+Inf")


Entry = Union[Metric, Histogram]
EntryT = TypeVar("EntryT", Metric, Histogram)


class Catalogue:
    """Metrics in the order of metrics.yaml and docs/metrics.md. Creating one here registers it."""

    def __init__(self) -> None:
        self._parts: tuple[Callable[[], Iterable[Entry]], ...] = ()

    def counter(self, name: str, unit: str, meaning: str, labels: tuple[str, ...] = ()) -> Metric:
        """Declare a counter.

        Args:
            name: of the series, after Prometheus' rules: ``model_`` first, ``_total`` last.
            unit: for people; letters, digits and spaces.
            meaning: the help text, a sentence.
            labels: names of its labels, after the common ones; values are given in this order.

        Raises:
            ValueError: the catalogue has a metric of this name.
        """
        return self._declare(Metric(name, "counter", unit, meaning, labels))

    def gauge(self, name: str, unit: str, meaning: str, labels: tuple[str, ...] = ()) -> Metric:
        """Declare a gauge; arguments and errors as for `counter`."""
        return self._declare(Metric(name, "gauge", unit, meaning, labels))

    def histogram(
        self, name: str, unit: str, meaning: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        """Declare a histogram; `buckets` are upper bounds in its unit, ascending. The rest is as for `counter`."""
        return self._declare(Histogram(name, unit, meaning, buckets, labels))

    def follow(self, entries: Callable[[], Iterable[Entry]]) -> None:
        """Have, at this place in the order, the metrics that something else declares.

        Args:
            entries: returns them as they are now; called whenever the catalogue is read.
        """
        self._parts = (*self._parts, entries)

    def __iter__(self) -> Iterator[Entry]:
        """Go through the metrics as declared, a histogram once."""
        for part in self._parts:
            yield from part()

    def flat(self) -> tuple[Metric, ...]:
        """Return all metrics as counters and gauges, a histogram as its three counters.

        Raises:
            ValueError: a metric that follows from something else has the name of another one.
        """
        found: dict[str, Metric] = {}
        for entry in self:
            for metric in _flat(entry):
                if metric.name in found:
                    raise ValueError(_twice(metric.name))
                found[metric.name] = metric
        return tuple(found.values())

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Take back, at the end, whatever is declared inside."""
        before = self._parts
        try:
            yield
        finally:
            self._parts = before

    def _declare(self, entry: EntryT) -> EntryT:
        taken = {metric.name for metric in self.flat()}
        for metric in _flat(entry):
            if metric.name in taken:
                raise ValueError(_twice(metric.name))
        self.follow(lambda: (entry,))
        return entry


def _flat(entry: Entry) -> tuple[Metric, ...]:
    return (entry.bucket, entry.sum, entry.count) if isinstance(entry, Histogram) else (entry,)


def _twice(name: str) -> str:
    return f"metric '{name}' is declared twice; rename one of the two, or use the one that exists"
