"""A handler that answers with what TorchServe's metrics API makes of values that it refuses."""

from numbers_handler import Numbers
from ts.metrics.metric_type_enum import MetricTypes


def outcome(update):
    try:
        update()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "taken"


class Handler(Numbers):
    def postprocess(self, data):
        metrics = self.context.metrics
        own = metrics.add_metric_to_cache("parity_refused", "count", ["a", "b"], MetricTypes.GAUGE)
        updates = [
            lambda: metrics.add_counter("parity_refused_total", -1),
            lambda: metrics.add_counter("parity_refused_total", "one"),
            lambda: metrics.add_counter(7, 1),
            lambda: metrics.add_counter("", 1),
            lambda: metrics.add_time("parity_refused_time", 1, unit="years"),
            lambda: metrics.add_time("parity_refused_time", None),
            lambda: metrics.add_size("parity_refused_size", 1, unit="miles"),
            lambda: metrics.add_size("parity_refused_size", [1]),
            lambda: metrics.add_percent("parity_refused_percent", "half"),
            lambda: metrics.add_metric("parity_refused_metric", "text", "count"),
            lambda: metrics.get_metric("parity_unknown", MetricTypes.COUNTER),
            lambda: metrics.add_metric_to_cache(None, "count"),
            lambda: metrics.add_metric_to_cache("parity_refused_unit", 3),
            lambda: own.add_or_update(1, ["one"]),
            lambda: own.add_or_update(1, ["one", "two", "three"]),
            lambda: own.add_or_update(1, "ab"),
            lambda: own.add_or_update(None, ["one", "two"]),
            lambda: own.add_or_update("text", ["one", "two"]),
            lambda: own.add_or_update(1, [None, ["two"]]),
            lambda: own.add_or_update(float("nan"), ["one", "two"]),
        ]
        return [[outcome(update) for update in updates] for _ in data]
