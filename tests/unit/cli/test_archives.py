"""`torchvitals package` and `check`: what is packed, and what is found in an archive before it is served."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from torchvitals import Baseline
from torchvitals.cli import app
from torchvitals.cli.archives import requirements

HANDLER = (
    "import helper\nfrom torchvitals import MonitoredHandler\n\n\nclass H(MonitoredHandler):\n    pass\n"
)
CLASSES = ["legitimate", "fraud"]


def run(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == status, done.output
    return " ".join(done.output.split())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder: a handler that imports a module and a package beside it, weights, settings and a baseline."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handler.py").write_text(HANDLER)
    (tmp_path / "helper.py").write_text("from words import clean\n")
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "__init__.py").write_text("from .inner import clean\n")
    (tmp_path / "words" / "inner.py").write_text("clean = str.strip\n")
    (tmp_path / "unrelated.py").write_text("")
    torch.save({"layer.weight": torch.zeros(1, 3)}, tmp_path / "model.pt")
    settings(tmp_path, baseline="fraud-1.0.json")
    X = np.random.default_rng(1).normal(size=(500, 3))
    scores = np.random.default_rng(2).uniform(size=(500, 1))
    Baseline.fit(X, outputs=scores, class_names=CLASSES, name="fraud").save(tmp_path / "fraud-1.0.json")
    return tmp_path


def settings(folder: Path, **monitoring: object) -> None:
    (folder / "model-config.yaml").write_text(yaml.safe_dump({"handler": {"monitoring": monitoring}}))


def package(*more: str, status: int = 0) -> str:
    return run(
        *(
            "package",
            "--name",
            "fraud",
            "--serialized-file",
            "model.pt",
            "--handler",
            "handler.py",
            "--force",
        ),
        *more,
        status=status,
    )


def checked(status: int = 1) -> str:
    return run("check", "model-store/fraud.mar", status=status)


def test_an_archive_has_what_the_handler_imports_and_no_more(folder: Path) -> None:
    assert "wrote model-store/fraud.mar: fraud 1.0 with fraud-1.0.json, helper.py, words" in package()
    with zipfile.ZipFile("model-store/fraud.mar") as packed:
        names = set(packed.namelist())
    wanted = {"handler.py", "helper.py", "words/__init__.py", "words/inner.py", "fraud-1.0.json", "model.pt"}
    assert wanted | {"torchvitals/__init__.py", "torchvitals/worker/monitor.py"} <= names
    assert not [name for name in names if name.startswith(("unrelated", "torchvitals/cli"))]
    assert "baseline 'fraud' version 1.0: 3 features: 3 numbers" in checked(status=0)


def test_requirements_are_the_models_and_ours(folder: Path) -> None:
    (folder / "needs.txt").write_text("xgboost==2.0")
    package("--requirements-file", "needs.txt")
    with zipfile.ZipFile("model-store/fraud.mar") as packed:
        lines = packed.read("requirements.txt").decode().splitlines()
    assert lines[0] == "xgboost==2.0"
    assert "msgspec>=0.19" in lines


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "fraud-1.0.json").unlink(), "names the baseline 'fraud-1.0.json'"),
        (lambda folder: (folder / "handler.py").unlink(), "there is no file 'handler.py'"),
        (lambda folder: (folder / "handler.py").write_text("def ("), "cannot be read as Python"),
        (lambda folder: (folder / "model-config.yaml").write_text("a: ["), "is no YAML"),
        (lambda folder: (folder / "model-config.yaml").write_text("[1]"), "must be a section of settings"),
        (lambda folder: (folder / "model-config.yaml").unlink(), "there is no file 'model-config.yaml'"),
    ],
)
def test_what_cannot_be_packed_is_said_in_a_line(folder: Path, spoil: object, said: str) -> None:
    assert callable(spoil)
    spoil(folder)
    assert said in package(status=1)
    assert not (folder / "model-store" / "fraud.mar").exists()


def test_an_archive_is_not_written_over_unasked(folder: Path) -> None:
    package()
    before = (folder / "model-store" / "fraud.mar").read_bytes()
    said = run(
        "package", "--name", "fraud", "--serialized-file", "model.pt", "--handler", "handler.py", status=1
    )
    assert "model-store/fraud.mar exists; give --force to write over it" in said
    assert (folder / "model-store" / "fraud.mar").read_bytes() == before


def test_two_files_of_a_name_are_refused(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "helper.py").write_text("")
    assert "two files to pack are called 'helper.py'" in package("--extra-file", "other/helper.py", status=1)


def repacked(folder: Path, changes: dict[str, bytes | None]) -> None:
    """Change files of the archive; None takes one out."""
    package()
    mar = folder / "model-store" / "fraud.mar"
    with zipfile.ZipFile(mar) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(mar, "w") as packed:
        for name, content in {**files, **changes}.items():
            if content is not None:
                packed.writestr(name, content)


FAULTS: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no baseline": (
        {"fraud-1.0.json": None},
        "error: model-config.yaml names the baseline 'fraud-1.0.json', which is not in the archive",
    ),
    "half a baseline": (
        {"fraud-1.0.json": b'{"name": "fr'},
        "error: baseline 'fraud-1.0.json' is not whole JSON",
    ),
    "unknown setting": (
        {"model-config.yaml": b"handler: {monitoring: {baselin: x}}"},
        "error: model-config.yaml: handler.monitoring: unknown key 'baselin'; did you mean 'baseline'?",
    ),
    "a list of settings": ({"model-config.yaml": b"[1, 2]"}, "must be a mapping of settings, and is list"),
    "a feature that is not there": (
        {
            "model-config.yaml": b"handler: {monitoring: {baseline: fraud-1.0.json, features: {ignore: [amont]}}}"
        },
        "the baseline has no feature 'amont'",
    ),
    "handler that is not Python": ({"handler.py": b"def ("}, "error: handler.py: cannot be read as Python"),
    "no handler": (
        {"handler.py": None},
        "error: its handler 'handler.py' is neither in it nor one of TorchServe's",
    ),
    "not monitored": (
        {"handler.py": b"class H: pass", "helper.py": b""},
        "error: its handler 'handler.py' is not monitored",
    ),
    "other classes": (
        {"index_to_name.json": json.dumps({"0": "fraud", "1": "legitimate"}).encode()},
        "error: class 0 is 'fraud' in index_to_name.json and 'legitimate' in the baseline",
    ),
    "more classes": (
        {"index_to_name.json": json.dumps({"0": "a", "1": "b", "2": "c"}).encode()},
        "error: index_to_name.json names 3 classes, and the baseline has 2",
    ),
    "classes that are no mapping": ({"index_to_name.json": b"[1]"}, "index_to_name.json cannot be read"),
    "unknown base handler": (
        {
            "model-config.yaml": b"handler: {monitoring: {baseline: fraud-1.0.json, base_handler: imag_classifier}}"
        },
        "error: model-config.yaml: base_handler 'imag_classifier' is neither in the archive nor one of TorchServe's",
    ),
}
WARNINGS: dict[str, tuple[dict[str, bytes | None], str]] = {
    "an import that is nowhere": (
        {"helper.py": b"import a_package_that_nobody_installed"},
        "warning: helper.py imports 'a_package_that_nobody_installed', which is not in the archive",
    ),
    "another version of ours": (
        {"torchvitals/_version.py": b'__version__ = "9.9.9"'},
        "warning: it holds torchvitals 9.9.9, and",
    ),
    "no package": (
        {"torchvitals/_version.py": None},
        "warning: it does not hold the package torchvitals, which its handler imports",
    ),
    "no baseline named": (
        {"model-config.yaml": b"minWorkers: 1"},
        "warning: model-config.yaml names no baseline",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_fails(folder: Path, fault: str) -> None:
    changes, said = FAULTS[fault]
    repacked(folder, changes)
    assert said in checked(status=1)


@pytest.mark.parametrize("fault", WARNINGS)
def test_what_may_be_meant_is_a_warning(folder: Path, fault: str) -> None:
    changes, said = WARNINGS[fault]
    repacked(folder, changes)
    assert said in checked(status=0)


def test_another_models_baseline_is_a_warning(folder: Path) -> None:
    run(
        *("package", "--name", "churn", "--version", "2.0", "--serialized-file", "model.pt"),
        *("--handler", "handler.py"),
    )
    said = run("check", "model-store/churn.mar")
    assert "warning: its baseline is of 'fraud' 1.0, and it holds 'churn' 2.0" in said


def test_what_torchserves_own_handler_lacks_is_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(folder, baseline="fraud-1.0.json", base_handler="image_classifier")
    run("package", "--name", "fraud", "--serialized-file", "model.pt")
    there = requirements.find_spec

    def without(name: str) -> object:
        return None if name in ("torchvision", "captum") else there(name)

    assert "baseline 'fraud'" in checked(status=0)
    monkeypatch.setattr(requirements, "find_spec", without)
    said = checked(status=0)
    assert "warning: TorchServe's 'image_classifier' needs" in said
    assert "captum" in said
    assert "torchvision" in said
    assert "neither" not in said


def test_a_torchserve_handler_by_itself_is_not_monitored(folder: Path) -> None:
    repacked(folder, {})
    manifest = {"model": {"modelName": "fraud", "modelVersion": "1.0", "handler": "image_classifier"}}
    repacked(folder, {"MAR-INF/MANIFEST.json": json.dumps(manifest).encode()})
    assert "its handler is TorchServe's 'image_classifier', which nothing monitors" in checked(status=1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.mar", None, "there is no archive 'none.mar'"),
        ("text.mar", b"text", "text.mar: cannot be unpacked"),
        ("half.mar", b"PK\x03\x04half", "half.mar: cannot be unpacked"),
    ],
)
def test_what_is_no_archive_is_said(
    name: str, content: bytes | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert said in run("check", name, status=1)


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil").write_text("evil")
    with tarfile.open("evil.tar.gz", "w:gz") as packed:
        packed.add("evil", arcname="../outside")
    assert "'../outside' is no plain file in the archive's folder" in run("check", "evil.tar.gz", status=1)
    with zipfile.ZipFile("evil.mar", "w") as zipped:
        zipped.writestr("../../outside", "evil")
    assert "has no MAR-INF/MANIFEST.json" in run("check", "evil.mar", status=1)
    assert not list(tmp_path.parent.rglob("outside"))


def test_nothing_of_an_archive_is_run(folder: Path) -> None:
    (folder / "helper.py").write_text("open('it-ran', 'w').close()\n")
    package()
    checked(status=0)
    assert not (folder / "it-ran").exists()
