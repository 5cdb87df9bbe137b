"""Reading TorchServe's /metrics page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from stack import Stack
from torchvitals.telemetry import catalogue as m

from .waiting import PATIENCE_SECONDS, eventually

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


def settled(
    stack: Stack, condition: Callable[[Series], bool], *, seconds: float = PATIENCE_SECONDS
) -> Series:
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


def flushed(stack: Stack) -> Series:
    """Return the page once each worker has flushed twice: the second of the two began after this was called.

    Raises TimeoutError.
    """
    seen: dict[frozenset[tuple[str, str]], set[float]] = {}

    def twice() -> Series | None:
        series = scrape(stack)
        now = _flushes(series)
        for worker, ended in now.items():
            seen.setdefault(worker, set()).add(ended)
        # The first of the times is that of a flush before this was called.
        return series if now and all(len(seen[worker]) > 2 for worker in now) else None

    page = eventually(twice, "two flushes of each worker")
    assert page is not None
    return page


def _flushes(series: Series) -> dict[frozenset[tuple[str, str]], float]:
    """Return when each worker flushed last, of those that still do; the page keeps the series of all others."""
    ended = {labels: value for (name, labels), value in series.items() if name == m.WINDOW_EVALUATED.name}
    newest = max(ended.values(), default=0.0)
    return {worker: value for worker, value in ended.items() if newest - value < SILENT_SECONDS}
