"""Reading TorchServe's /metrics page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from stack import Stack
from torchvitals.telemetry import catalogue as m

SILENT_SECONDS = 15.0

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(stack: Stack) -> Series:
    """Return all series of the page, by name and labels."""
    text = httpx.get(f"{stack.metrics_url}/metrics").raise_for_status().text
    # The parser adds `_total` to a counter's name; the counters of our histograms are not called so.
    return {
        (_name(family.name, sample.name), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _name(family: str, sample: str) -> str:
    return family if family.endswith(("_bucket", "_sum", "_count")) else sample


def total(series: Series, metric: str, **labels: str) -> float:
    """Return the sum of a metric's series that carry these labels."""
    wanted = set(labels.items())
    return sum(value for (found, own), value in series.items() if found == metric and wanted <= own)


def settled(stack: Stack, condition: Callable[[Series], bool], *, seconds: float = 20) -> Series:
    """Return the page once a condition holds and the flush that made it so is over; after `seconds`, as it is then."""
    deadline = time.monotonic() + seconds
    held: dict[frozenset[tuple[str, str]], float] | None = None
    while True:
        series = scrape(stack)
        flushes = _flushes(series)
        if held is None and condition(series):
            held = flushes
        # A flush takes a while, and the time of the latest is the last that it sends.
        over = held is not None and all(
            flushes.get(worker, math.inf) > ended for worker, ended in held.items()
        )
        if over or time.monotonic() > deadline:
            return series
        time.sleep(0.25)


def _flushes(series: Series) -> dict[frozenset[tuple[str, str]], float]:
    """Return when each worker flushed last, of those that still do; the page keeps the series of all others."""
    ended = {labels: value for (name, labels), value in series.items() if name == m.WINDOW_EVALUATED.name}
    newest = max(ended.values(), default=0.0)
    return {worker: value for worker, value in ended.items() if newest - value < SILENT_SECONDS}
