"""The estimate of a window's accuracy becomes series: the value with its interval, or why there is none."""

from __future__ import annotations

from ..accuracy.estimate import WITHHELD_REASONS, AccuracyEstimate
from . import catalogue as m
from .publisher import Publisher, remove


def publish_estimate(estimate: AccuracyEstimate, labels: tuple[str, str], publisher: Publisher) -> None:
    """Publish one window's estimate. A withheld one has no value, and what was said before is taken back.

    labels: values of `window` and `worker`.
    """
    for reason in WITHHELD_REASONS:
        publisher.set(m.ESTIMATED_ACCURACY_WITHHELD, (reason, *labels), float(reason == estimate.withheld))
    for metric, own, value in (
        (m.ESTIMATED_ACCURACY, labels, estimate.value),
        (m.ESTIMATED_ACCURACY_BOUND, ("lower", *labels), estimate.low),
        (m.ESTIMATED_ACCURACY_BOUND, ("upper", *labels), estimate.high),
    ):
        if value is None:
            remove(publisher, metric, own)
        else:
            publisher.set(metric, own, value)
