"""prometheus_client: for a bare model in your own process."""

from __future__ import annotations

from typing import Optional

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ..telemetry.catalogue import COMMON_LABELS, Metric


class PrometheusPublisher(Collector):
    """A collector of the same series that TorchServe would show."""

    def __init__(
        self, *, model_name: str, model_version: str, registry: Optional[CollectorRegistry] = REGISTRY
    ) -> None:
        self._common = (model_name, model_version)
        self._series: dict[Metric, dict[tuple[str, ...], float]] = {}
        if registry is not None:
            registry.register(self)

    def increase(self, metric: Metric, labels: tuple[str, ...], amount: float) -> None:
        """Add to a counter."""
        series = self._series.setdefault(metric, {})
        series[labels] = series.get(labels, 0.0) + amount

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""
        self._series.setdefault(metric, {})[labels] = value

    def flush(self) -> None:
        """Nothing is held back."""

    def forked(self) -> None:
        """Begin anew in a forked process: what was counted so far was its parent's."""
        self._series.clear()

    def collect(self):  # type: ignore[no-untyped-def]
        """Give the series to prometheus_client."""
        for metric, series in list(self._series.items()):
            family = _family(metric)
            for labels, value in list(series.items()):
                family.add_metric([*self._common, *labels], value)
            yield family


def _family(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    names = [*COMMON_LABELS, *metric.labels]
    if metric.type == "counter" and metric.name.endswith("_total"):
        return CounterMetricFamily(metric.name, metric.help, labels=names)
    # `x_bucket`, `x_sum` and `x_count` are counters whose names must stay as they are.
    return GaugeMetricFamily(metric.name, metric.help, labels=names)
