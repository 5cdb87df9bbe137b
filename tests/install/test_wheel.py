"""The wheel has what a clone has and a user needs, and its command works on every Python, without torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .conftest import VERSIONS, Installed

Install = Callable[[str], Installed]


def test_the_wheel_has_all_that_a_user_needs(names: set[str]) -> None:
    assert "torchvitals/py.typed" in names
    for folder in ("alertmanager", "grafana/dashboards", "grafana/provisioning"):
        files = [file.relative_to(ROOT).as_posix() for file in (ROOT / folder).rglob("*") if file.is_file()]
        assert files
        assert {f"torchvitals/shipped/{file}" for file in files} <= names
    assert "torchvitals/shipped/handlers/monitored_handler.py" in names
    assert "torchvitals_stack/runner.py" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "stack/"))]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_command_works_without_torch(version: str, installed: Install) -> None:
    user = installed(version)
    assert user.run("torchvitals", "--version").startswith("torchvitals ")
    said = user.run("torchvitals", "--help")
    for command in (
        "baseline",
        "check",
        "doctor",
        "export",
        "init",
        "merge",
        "metrics",
        "package",
        "report",
        "rules",
        "up",
    ):
        assert command in said
    assert "torchvitals baseline needs torch: pip install torch" in user.run(
        "torchvitals", "baseline", "show", "x.json", status=1
    )
    assert "'torchvitals[report]'" in user.run("torchvitals", "report", "--model", "m", status=1)
    user.run(
        "python", "-c", "import torchvitals; assert torchvitals.__version__; torchvitals.TorchVitalsError"
    )


def test_what_is_exported_is_what_the_repository_has_and_is_kept(installed: Install) -> None:
    user = installed("3.11")
    user.run("torchvitals", "export", "ours")
    ours = user.folder / "ours"
    assert (ours / "prometheus" / "rules.yml").read_bytes() == (
        ROOT / "prometheus" / "rules.yml"
    ).read_bytes()
    assert (ours / "torchserve" / "metrics.yaml").read_bytes() == (ROOT / "metrics.yaml").read_bytes()
    dashboards = sorted(path.name for path in (ours / "grafana" / "dashboards").iterdir())
    assert dashboards == sorted(path.name for path in (ROOT / "grafana" / "dashboards").iterdir())
    (ours / "prometheus" / "rules.yml").write_text("groups: []\n")
    (ours / "prometheus" / "alerts.yml").unlink()
    said = user.run("torchvitals", "export", "ours", status=1)
    assert "left ours/prometheus/rules.yml, which is changed" in said
    assert "wrote ours/prometheus/alerts.yml" in said
    assert (ours / "prometheus" / "rules.yml").read_text() == "groups: []\n"
    user.run("torchvitals", "export", "ours", "--force")
    assert json.loads((ours / ".torchvitals.json").read_text())["files"]
    assert user.run("torchvitals", "export", "ours") == ""


def test_a_file_of_the_users_is_never_written_over(installed: Install) -> None:
    user = installed("3.11")
    entry = "    - {name: my_own, unit: count, dimensions: []}\n"
    own = f"dimensions: []\nmode: prometheus\nmodel_metrics:\n  counter:\n{entry}"
    (user.folder / "metrics.yaml").write_text(own)
    (user.folder / "docs").mkdir()
    (user.folder / "docs" / "metrics.md").write_text("# Our metrics\n")
    said = user.run("torchvitals", "metrics", "generate", status=1)
    assert "metrics.yaml is not generated, so it is not written over" in said
    assert (user.folder / "metrics.yaml").read_text() == own
    assert (user.folder / "docs" / "metrics.md").read_text() == "# Our metrics\n"
    added = (ROOT / "metrics.yaml").read_text() + entry
    (user.folder / "metrics.yaml").write_text(added)
    (user.folder / "docs" / "metrics.md").unlink()
    said = user.run("torchvitals", "metrics", "generate", status=1)
    assert "has 'my_own', which is not ours" in said
    assert (user.folder / "metrics.yaml").read_text() == added
    (user.folder / "mine").mkdir()
    assert "wrote mine/rules.yml" in user.run("torchvitals", "rules", "generate", "--root", "mine")


def test_the_repository_is_not_on_the_path(installed: Install) -> None:
    user = installed("3.11")
    place = user.run("python", "-c", "import torchvitals; print(torchvitals.__file__)")
    assert Path(place.strip()).is_relative_to(user.venv)
