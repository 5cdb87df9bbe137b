"""The dashboards, as ``python -m grafana.build`` wrote them into this package."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

# In the order of the links between them.
NAMES = ("overview", "model", "drift", "quality", "versions", "health")


def load(name: str) -> dict[str, Any]:
    """Return one dashboard, in Grafana's classic JSON."""
    file = resources.files(__package__).joinpath("dashboards", f"torchvitals-{name}.json")
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all panels and the titles of rows, from top to bottom; a row has the type ``row``."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def query_variables(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the variables whose options Prometheus gives, in the order in which they narrow each other."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable
