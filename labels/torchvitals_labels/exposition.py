"""What the store counted, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from . import quantities as q
from .outcomes import bin_name, class_names
from .store import LAST, Total

MODEL = ("model_name", "model_version")
RESULTS = ("new", "same", "corrected", "refused", "unusable")
SEGMENTED = (q.SCORED, q.LOG_LOSS, q.BRIER, q.ESTIMATED, q.ESTIMATED_EXPECTED, q.ESTIMATED_CORRECT)
BINNED = (q.CONFIDENCE, q.CONFIDENCE_SUM, q.CONFIDENCE_CORRECT)
BY_CLASS = (q.LABELLED, q.PREDICTED, q.CORRECT)


@dataclass(frozen=True)
class Seen:
    """What the service knows at one moment.

    kinds: (model, version, kind, classes) of what predicted. waiting: files of predictions.
    """

    totals: list[Total] = field(default_factory=list)
    kinds: list[tuple[str, str, str, list[str]]] = field(default_factory=list)
    unmatched: int = 0
    waiting: int = 0
    store_up: bool = False


class Exposition(Collector):
    """All metrics of the service, as `look` gives them when Prometheus asks."""

    def __init__(self, look: Callable[[], Seen]) -> None:
        self._look = look

    def describe(self) -> Iterable[Any]:
        """Name nothing in advance: nobody else is in the registry."""
        return ()

    def collect(self) -> Iterator[Any]:
        """Yield the metrics."""
        seen = self._look()
        values = _by_quantity(seen)
        for quantity in q.OF_VERSIONS:
            if not quantity.name.startswith("model_label_delay"):
                yield _counter(quantity, MODEL, values.get(quantity.name, {}))
        yield _delays(values)
        received: Series = {((), (result,)): 0.0 for result in RESULTS}
        yield _counter(q.RECEIVED, (), {**received, **values.get(q.RECEIVED.name, {})})
        yield _counter(q.REFUSED_FILES, (), {((), ()): 0.0, **values.get(q.REFUSED_FILES.name, {})})
        last = GaugeMetricFamily(LAST, "When the last label was joined, in seconds since 1970.", labels=MODEL)
        for total in seen.totals:
            if total.quantity == LAST:
                last.add_metric([total.model_name, total.model_version], total.value)
        yield last
        yield GaugeMetricFamily("labels_unmatched", "Labels without a prediction.", value=seen.unmatched)
        yield GaugeMetricFamily(
            "labels_store_up", "1 while the store can be used.", value=float(seen.store_up)
        )
        yield GaugeMetricFamily(
            "predictions_waiting_files", "Files of predictions that wait for the store.", value=seen.waiting
        )


Series = dict[tuple[tuple[str, ...], tuple[str, ...]], float]


def _by_quantity(seen: Seen) -> dict[str, Series]:
    """Return the series of each quantity, by (model, version) and further labels; 0 for those that will come."""
    found: dict[str, Series] = {}
    by_name = {quantity.name: quantity for quantity in (*q.OF_VERSIONS, *q.OF_SERVICE)}
    segments: dict[tuple[str, str], list[str]] = {}
    for total in seen.totals:
        if total.quantity == q.STORED.name:
            segments.setdefault((total.model_name, total.model_version), []).append(total.segment)
    for model, version, kind, classes in seen.kinds:
        for quantity, labels in _expected(kind, classes, segments.get((model, version), [""])):
            found.setdefault(quantity.name, {})[(model, version), labels] = 0.0
    for total in seen.totals:
        known = by_name.get(total.quantity)
        if known is not None:
            of = (total.model_name, total.model_version) if known in q.OF_VERSIONS else ()
            found.setdefault(known.name, {})[of, _labels(known, total)] = total.value
    return found


def _labels(quantity: q.Quantity, total: Total) -> tuple[str, ...]:
    further = dict(zip(quantity.further, (total.first, total.second)))
    named = {**further, "segment": total.segment, "change": total.change}
    return tuple(named[label] for label in quantity.labels)


def _expected(
    kind: str, classes: list[str], segments: Iterable[str]
) -> Iterator[tuple[q.Quantity, tuple[str, ...]]]:
    """Yield the series that a model will have, so that their first increase is seen."""
    for change in (q.ADDED, q.TAKEN_BACK):
        for segment in segments:
            if kind == "class":
                for quantity in BY_CLASS:
                    yield from ((quantity, (segment, name, change)) for name in class_names(classes))
                yield from ((quantity, (segment, change)) for quantity in SEGMENTED)
            else:
                yield q.LABELLED, (segment, "", change)
                yield from ((q.ABSOLUTE_ERROR, (segment, side, change)) for side in ("over", "under"))
                yield from ((some, (segment, change)) for some in (q.SQUARED_ERROR, q.FOURTH_POWER_ERROR))
        if kind == "class":
            confused = class_names(classes, q.MOST_CONFUSED)
            yield from ((q.CONFUSION, (one, other, change)) for one in confused for other in confused)
            for quantity in BINNED:
                yield from ((quantity, (bin_name(place), change)) for place in range(q.CONFIDENCE_BINS))


def _counter(quantity: q.Quantity, first: tuple[str, ...], series: Series) -> CounterMetricFamily:
    family = CounterMetricFamily(quantity.name, quantity.help, labels=[*first, *quantity.labels])
    for (model, further), value in sorted(series.items()):
        family.add_metric([*model, *further], value)
    return family


def _delays(values: dict[str, Series]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "model_label_delay_seconds", "Time from a prediction to its first label.", labels=MODEL
    )
    buckets, sums = values.get(q.DELAY_BUCKET.name, {}), values.get(q.DELAY_SUM.name, {})
    versions = {model for model, _ in values.get(q.STORED.name, {})} | {model for model, _ in sums}
    for model in sorted(versions):
        limits = [*map(str, q.DELAYS), "+Inf"]
        counts = [(limit, buckets.get((model, (limit,)), 0.0)) for limit in limits]
        family.add_metric(list(model), counts, sums.get((model, ()), 0.0))
    return family
