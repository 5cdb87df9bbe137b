"""`torchvitals init`: what it writes, what it refuses, and what it leaves alone."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from torchvitals.cli import app
from torchvitals.cli.kept import RECORD
from torchvitals.config import read_config


def init(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["init", *words])
    assert done.exit_code == status, done.output
    return " ".join(done.output.split())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_columns_and_classes_are_in_what_is_written(folder: Path) -> None:
    said = init("fraud", "--columns", "amount,hour of day,carrier", "--class-names", "legitimate,fraud")
    assert "put model.py, model.pt, train.parquet there, then run 'make -C fraud'" in said
    handler = ast.parse((folder / "fraud" / "handler.py").read_text())
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in handler.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert values == {"COLUMNS": ["amount", "hour of day", "carrier"], "CLASSES": ["legitimate", "fraud"]}
    assert [node.name for node in handler.body if isinstance(node, ast.ClassDef)] == ["FraudHandler"]
    config = yaml.safe_load((folder / "fraud" / "model-config.yaml").read_text())
    assert read_config(config).baseline == "fraud-1.0.json"
    makefile = (folder / "fraud" / "Makefile").read_text()
    assert len(makefile.splitlines()) == 4
    assert "--columns 'amount,hour of day,carrier'" in makefile


@pytest.mark.parametrize("inputs", ["images", "tokens", "texts", "embeddings"])
def test_a_handler_that_exists_is_named_and_none_is_written(folder: Path, inputs: str) -> None:
    init("pets", "--inputs", inputs, "--base-handler", "image_classifier", "--version", "2.1")
    assert sorted(path.name for path in (folder / "pets").iterdir()) == [
        RECORD,
        "Makefile",
        "model-config.yaml",
    ]
    config = read_config(yaml.safe_load((folder / "pets" / "model-config.yaml").read_text()))
    assert (config.base_handler, config.features.inputs, config.baseline) == (
        "image_classifier",
        inputs,
        "pets-2.1.json",
    )
    assert "--handler" not in (folder / "pets" / "Makefile").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fraud"], "--columns is missing"),
        (["x y", "--columns", "a"], "the name 'x y'"),
        (["../x", "--columns", "a"], "the name '../x'"),
        (["fraud", "--columns", "a,a"], "names must be there and differ"),
        (["fraud", "--columns", "a,,b"], "names must be there and differ"),
        (["fraud", "--columns", "a'; rm -rf /"], "letters, digits, space"),
        (["fraud", "--columns", "a", "--class-names", "$(x)"], "--class-names"),
        (["fraud", "--columns", "a", "--version", "1 0"], "--version '1 0'"),
        (["fraud", "--columns", "a", "--data", "$(x)"], "--data"),
        (["fraud", "--inputs", "sounds"], "there is no such kind; there are columns, images"),
    ],
)
def test_what_cannot_be_is_refused(folder: Path, words: list[str], said: str) -> None:
    assert said in init(*words, status=1)
    assert list(folder.iterdir()) == []


def test_what_the_user_has_changed_is_kept(folder: Path) -> None:
    init("fraud", "--columns", "a")
    handler = folder / "fraud" / "handler.py"
    handler.write_text("# mine\n")
    said = init("fraud", "--columns", "a,b", status=1)
    assert "left fraud/handler.py, which is changed; --force writes over it" in said
    assert "wrote fraud/Makefile" in said
    assert handler.read_text() == "# mine\n"
    init("fraud", "--columns", "a,b", "--force")
    assert "COLUMNS" in handler.read_text()


def test_files_that_were_there_before_are_the_users(folder: Path) -> None:
    (folder / "fraud").mkdir()
    (folder / "fraud" / "Makefile").write_text("all:\n")
    (folder / "fraud" / "handler.py").symlink_to("elsewhere.py")
    said = init("fraud", "--columns", "a", status=1)
    assert "left fraud/Makefile, which is yours" in said
    assert "left fraud/handler.py, which is no file of its own" in said
    assert (folder / "fraud" / "Makefile").read_text() == "all:\n"
    assert not (folder / "fraud" / "elsewhere.py").exists()


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"files": 3}'])
def test_a_record_that_cannot_be_read_is_said(folder: Path, record: str) -> None:
    init("fraud", "--columns", "a")
    (folder / "fraud" / RECORD).write_text(record)
    assert "cannot be read" in init("fraud", "--columns", "a", status=1)


def test_the_record_has_each_file(folder: Path) -> None:
    init("fraud", "--columns", "a")
    files = json.loads((folder / "fraud" / RECORD).read_text())["files"]
    assert sorted(files) == ["Makefile", "handler.py", "model-config.yaml"]
