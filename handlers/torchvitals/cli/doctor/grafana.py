"""Grafana: is it there, with our dashboards."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from .finding import Finding
from .places import Places
from .web import Web

PART = "Grafana"
DASHBOARD = "torchvitals-overview"


def checks(web: Web, places: Places) -> Iterator[Finding]:
    """Name what is wrong, where an address is given; dashboards that need a login are not looked at."""
    if places.grafana is None:
        return
    answer = web.ask(f"{places.grafana}/api/health")
    if answer is None:
        yield Finding(
            PART, f"Grafana does not answer at {places.grafana}", "start it, or say where: --grafana"
        )
        return
    found = web.ask(f"{places.grafana}/api/dashboards/uid/{DASHBOARD}")
    if found is not None and found.status_code == httpx.codes.NOT_FOUND:
        yield Finding(
            PART,
            f"Grafana lacks the dashboard {DASHBOARD}",
            "provision them (docs/dashboards.md): torchvitals export --part grafana",
        )
