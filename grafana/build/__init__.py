"""Generates the dashboards in ``grafana/dashboards``.

A dashboard is a table of panels (``overview.py``, ``model.py``, ``drift.py``), made of the dataclasses in ``spec.py``.
``python -m grafana.build`` writes them as the classic dashboard JSON that Grafana 11 and 12 load.
"""

from __future__ import annotations

from pathlib import Path

from grafana.build import drift, model, overview
from grafana.build.render import to_json
from grafana.build.spec import Dashboard

__all__ = ["DASHBOARDS", "FOLDER", "generate"]

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"
DASHBOARDS: tuple[Dashboard, ...] = (overview.DASHBOARD, model.DASHBOARD, drift.DASHBOARD)


def generate() -> dict[str, str]:
    """Return the text of every dashboard file, by file name."""
    return {f"{dashboard.uid}.json": to_json(dashboard) for dashboard in DASHBOARDS}
