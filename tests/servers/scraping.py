"""Reading the metrics page of any server."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from stack.loopback import http
from stack.metrics_page import Series, total
from stack.waiting import eventually
from torchvitals.telemetry import catalogue as m

__all__ = ["Series", "counted", "scrape", "total"]

OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def scrape(*addresses: str) -> Series:
    """Return all series of some pages, by name and labels; those of several pages are added up."""
    found: Series = {}
    for address in addresses:
        text = http.get(address).raise_for_status().text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                # The parser adds `_total` to a counter's name.
                name = family.name if family.name.endswith(OF_HISTOGRAMS) else sample.name
                key = name, frozenset(sample.labels.items())
                found[key] = found.get(key, 0.0) + sample.value
    return found


def counted(requests: int, *addresses: str, **labels: str) -> Series:
    """Return the pages once they count so many requests, of the models with these labels; raise TimeoutError."""

    def there() -> Series | None:
        series = scrape(*addresses)
        return series if total(series, m.REQUESTS.name, **labels) >= requests else None

    def what() -> str:
        return f"{requests} requests, not {total(scrape(*addresses), m.REQUESTS.name, **labels):g}"

    found = eventually(there, what)
    assert found is not None
    return found
