"""The committed dashboards are what the table in grafana/build says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grafana import build
from grafana.build import __main__ as command

ROOT = Path(__file__).resolve().parents[2]


def test_committed_files_equal_generated() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in build.FOLDER.glob("*.json")}
    assert committed == build.generate(), "run 'python -m grafana.build' and commit the result"


def test_check_passes_as_a_command() -> None:
    subprocess.run([sys.executable, "-m", "grafana.build", "--check"], cwd=ROOT, check=True, timeout=120)


def test_check_names_each_file_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in build.generate().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    changed = tmp_path / "torchvitals-model.json"
    changed.write_text(
        changed.read_text(encoding="utf-8").replace('"refresh": "30s"', '"refresh": "1s"'), encoding="utf-8"
    )
    (tmp_path / "stray.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["grafana.build", "--check"])

    assert command.main() == 1
    said = capsys.readouterr().err
    assert "torchvitals-model.json differs" in said
    assert "stray.json differs" in said
    assert "torchvitals-drift.json" not in said

    monkeypatch.setattr(sys, "argv", ["grafana.build"])
    assert command.main() == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == build.generate()
