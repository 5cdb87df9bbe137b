"""Reading TorchServe's /metrics page."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from stack import Stack

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
    """Return the page once a condition holds; after `seconds`, as it is then."""
    deadline = time.monotonic() + seconds
    while True:
        series = scrape(stack)
        if condition(series) or time.monotonic() > deadline:
            return series
        time.sleep(0.25)
