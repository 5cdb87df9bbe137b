"""All checks, in the order in which data flow."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import TorchVitalsError
from . import alertmanager, folder, grafana, labels, logs, metrics, prometheus, torchserve
from .finding import Finding
from .page import Page
from .places import Places
from .web import Web

PROGRAMS = ("torchserve", "prometheus", "labels", "alertmanager", "grafana")


def examine(places: Places, *, without: tuple[str, ...] = ()) -> list[Finding]:
    """Return what is wrong.

    without: programs that are not looked at.

    Raises:
        TorchVitalsError: nothing answers, so nothing can be said.
    """
    addresses = {
        "torchserve": places.inference,
        "prometheus": places.prometheus,
        "alertmanager": places.alertmanager,
    }
    looked_at = [address for name, address in addresses.items() if name not in without]
    with Web() as web:
        if all(web.ask(address) is None for address in looked_at):
            raise TorchVitalsError(
                f"nothing answers at {', '.join(looked_at)}; say where the stack is: torchvitals doctor --help"
            )
        page = metrics.read(web, places)
        parts = {
            "torchserve": _torchserve(web, places, page),
            "prometheus": _prometheus(web, places, page),
            "labels": () if "prometheus" in without else _labels(web, places, page),
            "alertmanager": _alertmanager(web, places),
            "grafana": grafana.checks(web, places),
        }
        return [finding for name, found in parts.items() if name not in without for finding in found]


def _torchserve(web: Web, places: Places, page: Page | None) -> Iterator[Finding]:
    unreachable = torchserve.answers(web, places)
    yield from unreachable
    models = torchserve.served(web, places)
    if not unreachable:
        yield from torchserve.version(web, places)
        yield from torchserve.management(web, places, models)
        yield from metrics.port(page, places)
    yield from torchserve.models_load(models or [], places)
    if page is not None:
        dropped = metrics.let_through(page)
        yield from dropped
        yield from metrics.torch_version(page)
        # Of a model whose metrics are dropped, nothing is known.
        yield from metrics.watched(page, models or []) if not dropped else ()
    yield from folder.public_metrics(places)
    yield from folder.logging(places)
    yield from logs.volume(places.logs)


def _prometheus(web: Web, places: Places, page: Page | None) -> Iterator[Finding]:
    unreachable = prometheus.answers(web, places)
    yield from unreachable or prometheus.checks(web, places, page)


def _labels(web: Web, places: Places, page: Page | None) -> Iterator[Finding]:
    # What Prometheus does not say is not known.
    if not prometheus.answers(web, places):
        yield from labels.checks(web, places, page)


def _alertmanager(web: Web, places: Places) -> Iterator[Finding]:
    unreachable = alertmanager.answers(web, places)
    yield from unreachable or alertmanager.checks(web, places)
