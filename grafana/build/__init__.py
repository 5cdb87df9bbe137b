"""Generates the dashboards in ``grafana/dashboards``, and their copies in the package of ``torchvitals report``.

A dashboard is a table of panels (``overview.py``, ``model.py``, …), made of the dataclasses in ``spec.py``. What
several dashboards share is in ``panels.py``, ``statistics.py`` and ``promql.py``.
``python -m grafana.build`` writes them as the classic dashboard JSON that Grafana 11 and 12 load.
"""

from __future__ import annotations

import json
from pathlib import Path

from grafana.build import drift, health, model, overview, quality, versions
from grafana.build.render import importable, to_json
from grafana.build.spec import Dashboard

__all__ = ["DASHBOARDS", "FOLDER", "IMPORTABLE", "PACKAGED", "ROOT", "generate"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
# The same for Grafana's import, which asks for the data source; provisioning does not ask.
IMPORTABLE = ROOT / "grafana" / "importable"
# pip installs the report without this folder, so it brings its own.
PACKAGED = ROOT / "report" / "torchvitals_report" / "dashboards"
DASHBOARDS: tuple[Dashboard, ...] = (
    overview.DASHBOARD,
    model.DASHBOARD,
    drift.DASHBOARD,
    quality.DASHBOARD,
    versions.DASHBOARD,
    health.DASHBOARD,
)


def generate(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of every file, by its path below ``root``."""
    files = {}
    for dashboard in DASHBOARDS:
        text = to_json(dashboard)
        files[root / FOLDER.relative_to(ROOT) / f"{dashboard.uid}.json"] = text
        files[root / IMPORTABLE.relative_to(ROOT) / f"{dashboard.uid}.json"] = importable(text)
        compact = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
        files[root / PACKAGED.relative_to(ROOT) / f"{dashboard.uid}.json"] = compact + "\n"
    return files
