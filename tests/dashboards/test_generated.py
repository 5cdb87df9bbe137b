"""The committed dashboards are what the table in grafana/build says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grafana import build
from grafana.build import __main__ as command
from torchvitals_report import definitions

ROOT = Path(__file__).resolve().parents[2]


def test_committed_files_equal_generated() -> None:
    committed = {
        path: path.read_text(encoding="utf-8")
        for folder in (build.FOLDER, build.IMPORTABLE, build.PACKAGED)
        for path in folder.glob("*.json")
    }
    assert committed == build.generate(), "run 'python -m grafana.build' and commit the result"


def test_the_report_brings_the_same_dashboards() -> None:
    packaged = {
        dashboard.uid: definitions.load(dashboard.uid.split("-")[1]) for dashboard in build.DASHBOARDS
    }
    assert [f"torchvitals-{name}" for name in definitions.NAMES] == list(packaged)
    for uid, dashboard in packaged.items():
        assert dashboard == json.loads((build.FOLDER / f"{uid}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("uid", [dashboard.uid for dashboard in build.DASHBOARDS])
def test_grafana_asks_for_the_data_source_of_an_import(uid: str) -> None:
    provisioned = json.loads((build.FOLDER / f"{uid}.json").read_text(encoding="utf-8"))
    imported = json.loads((build.IMPORTABLE / f"{uid}.json").read_text(encoding="utf-8"))
    [asked] = imported.pop("__inputs")
    assert (asked["type"], asked["pluginId"]) == ("datasource", "prometheus")
    assert [entry["id"] for entry in imported.pop("__requires")] == ["prometheus"]
    variable, kept = (board["templating"]["list"][0] for board in (imported, provisioned))
    assert variable.pop("current")["value"] == f"${{{asked['name']}}}"
    kept.pop("current")
    assert imported == provisioned


def test_check_passes_as_a_command() -> None:
    subprocess.run([sys.executable, "-m", "grafana.build", "--check"], cwd=ROOT, check=True, timeout=120)


def test_check_names_each_file_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, text in build.generate(tmp_path).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    folder = tmp_path / "grafana" / "dashboards"
    changed = folder / "torchvitals-model.json"
    changed.write_text(
        changed.read_text(encoding="utf-8").replace('"refresh": "30s"', '"refresh": "1s"'), encoding="utf-8"
    )
    (folder / "stray.json").write_text("{}", encoding="utf-8")
    packaged = tmp_path / "report" / "torchvitals_report" / "dashboards" / "torchvitals-health.json"
    packaged.unlink()
    monkeypatch.setattr(sys, "argv", ["grafana.build", "--check"])

    assert command.main(tmp_path) == 1
    said = capsys.readouterr().err
    assert "grafana/dashboards/torchvitals-model.json differs" in said
    assert "grafana/dashboards/stray.json differs" in said
    assert "report/torchvitals_report/dashboards/torchvitals-health.json differs" in said
    assert "torchvitals-drift.json" not in said

    monkeypatch.setattr(sys, "argv", ["grafana.build"])
    assert command.main(tmp_path) == 0
    written = {path: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json")}
    assert written == build.generate(tmp_path)
