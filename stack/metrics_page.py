"""Reading TorchServe's /metrics page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from torchvitals.telemetry import catalogue as m

from . import Stack
from .loopback import http
from .waiting import PATIENCE_SECONDS, eventually

SILENT_SECONDS = 15.0
POLL_SECONDS = 0.25

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(stack: Stack, *metrics: str) -> Series:
    """Return all series of the page, or of it those of some metrics, by name and labels."""
    params = [("name[]", name) for name in metrics]
    text = http.get(f"{stack.metrics_url}/metrics", params=params).raise_for_status().text
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
    while not condition(series := scrape(stack)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    held = _flushes(series)
    # A flush takes a while, and the time of the latest is the last that it sends.
    while time.monotonic() < deadline:
        ended = _flushes(scrape(stack, m.WINDOW_EVALUATED.name))
        if all(ended.get(worker, math.inf) > before for worker, before in held.items()):
            break
        time.sleep(POLL_SECONDS)
    return scrape(stack)


def flushed(stack: Stack) -> Series:
    """Return the page once each worker has flushed twice: the second of the two began after this was called.

    Raises TimeoutError.
    """
    seen: dict[frozenset[tuple[str, str]], set[float]] = {}

    def twice() -> bool:
        now = _flushes(scrape(stack, m.WINDOW_EVALUATED.name))
        for worker, ended in now.items():
            seen.setdefault(worker, set()).add(ended)
        # The first of the times is that of a flush before this was called.
        return bool(now) and all(len(seen[worker]) > 2 for worker in now)

    eventually(twice, "two flushes of each worker")
    return scrape(stack)


def _flushes(series: Series) -> dict[frozenset[tuple[str, str]], float]:
    """Return when each worker flushed last, of those that still do; the page keeps the series of all others."""
    ended = {labels: value for (name, labels), value in series.items() if name == m.WINDOW_EVALUATED.name}
    newest = max(ended.values(), default=0.0)
    return {worker: value for worker, value in ended.items() if newest - value < SILENT_SECONDS}
