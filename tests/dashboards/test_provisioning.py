"""The files with which Grafana finds its data sources and dashboards."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dashboards.queries import FOLDER, load, names

PROVISIONING = Path(__file__).resolve().parents[2] / "grafana" / "provisioning"
DATASOURCES = PROVISIONING / "datasources" / "torchvitals.yml"
DASHBOARDS = PROVISIONING / "dashboards" / "torchvitals.yml"

ENVIRONMENT = {
    "PROMETHEUS_URL": "http://127.0.0.1:9090",
    "ALERTMANAGER_URL": "http://127.0.0.1:9093",
    "PROMETHEUS_SCRAPE_INTERVAL": "15s",
    "GRAFANA_DASHBOARDS_PATH": str(FOLDER),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def provisioned(path: Path) -> Any:
    """Read a file and expand ${NAME}, as Grafana does (pkg/services/provisioning/values)."""
    return yaml.safe_load(os.path.expandvars(path.read_text(encoding="utf-8")))


def test_only_known_variables_are_read() -> None:
    used = {
        name
        for path in (DATASOURCES, DASHBOARDS)
        for line in path.read_text(encoding="utf-8").splitlines()
        for name in re.findall(r"\$\{?(\w+)", line.partition("#")[0])
    }
    assert used == set(ENVIRONMENT)


def test_no_default_in_a_variable() -> None:
    # Grafana would take all of ${NAME:-default} for the name and put nothing in its place.
    for path in (DATASOURCES, DASHBOARDS):
        assert ":-" not in path.read_text(encoding="utf-8")


def test_datasources() -> None:
    prometheus, alertmanager = provisioned(DATASOURCES)["datasources"]
    assert (prometheus["type"], prometheus["uid"]) == ("prometheus", "torchvitals-prometheus")
    assert prometheus["url"] == "http://127.0.0.1:9090"
    # The dashboards take the default Prometheus.
    assert prometheus["isDefault"] is True
    assert prometheus["jsonData"]["timeInterval"] == "15s"
    assert (alertmanager["type"], alertmanager["uid"]) == ("alertmanager", "torchvitals-alertmanager")
    assert alertmanager["url"] == "http://127.0.0.1:9093"
    assert prometheus["jsonData"]["alertmanagerUid"] == alertmanager["uid"]
    assert not prometheus["editable"]
    assert not alertmanager["editable"]


def test_dashboards_are_found_where_the_path_says() -> None:
    [provider] = provisioned(DASHBOARDS)["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    found = {path.stem for path in Path(provider["options"]["path"]).glob("*.json")}
    assert found == set(names())
    assert {load(name)["uid"] for name in found} == found
