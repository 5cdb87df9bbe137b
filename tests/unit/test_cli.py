"""The command line, run as a user runs it."""

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from torchvitals import Baseline
from torchvitals.cli import app

MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 3)

    def forward(self, rows):
        return self.layer(rows)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"amount": rng.lognormal(size=1000), "hour": rng.integers(0, 24, 1000), "note": "x"})
    frame.to_parquet(tmp_path / "train.parquet")
    frame.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "model.py").write_text(MODEL)
    torch.save({"layer.weight": torch.randn(3, 2), "layer.bias": torch.zeros(3)}, tmp_path / "weights.pt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, arguments)


BUILD = ("baseline", "build", "--columns", "amount,hour", "--output", "baselines/fraud-1.2.json")
WITH_MODEL = ("--model", "model.py", "--weights", "weights.pt", "--class-names", "a,b,c")


@pytest.mark.parametrize("data", ["train.parquet", "train.csv"])
def test_build_writes_what_fit_gives(folder, data):
    result = run(*BUILD, "--data", data, *WITH_MODEL)
    assert result.exit_code == 0, result.output
    assert "wrote baselines/fraud-1.2.json: 1,000 rows, 4 features" in result.output
    baseline = Baseline.load("baselines/fraud-1.2.json")
    assert (baseline.name, baseline.version) == ("fraud", "1.2")
    assert [feature.name for feature in baseline.features] == [
        "amount",
        "hour",
        "predicted_class",
        "confidence",
    ]
    assert baseline.outputs.classes == ["a", "b", "c"]
    frame = pd.read_parquet("train.parquet")[["amount", "hour"]]
    assert baseline.of_source("input") == Baseline.fit(frame).features


def test_build_takes_torchscript(folder):
    torch.jit.trace(torch.nn.Linear(2, 1), torch.zeros(1, 2)).save("model.pt")
    assert run(*BUILD, "--data", "train.csv", "--model", "model.pt").exit_code == 0
    assert Baseline.load("baselines/fraud-1.2.json").outputs.kind == "regression"


def test_show_prints_each_feature_with_a_bar(folder):
    run(*BUILD, "--data", "train.csv", *WITH_MODEL)
    result = run("baseline", "show", "baselines/fraud-1.2.json")
    assert result.exit_code == 0
    lines = [
        line
        for line in map(str.strip, result.output.splitlines())
        if line.startswith(("amount", "hour", "confidence"))
    ]
    assert len(lines) == 3
    assert all("█" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--data", "none.csv"), "--data: there is no file 'none.csv'"),
        (("--data", "model.py"), "ends in '.py'; give a .parquet or a .csv file"),
        (("--data", "weights.parquet"), "--data: 'weights.parquet' cannot be read"),
        (
            ("--data", "train.csv", "--columns", "amount,speed"),
            "has no column speed; it has: amount, hour, note",
        ),
        (("--data", "train.csv", "--model", "none.pt"), "there is no file 'none.pt'"),
        (
            ("--data", "train.csv", "--model", "model.py"),
            "--weights is missing: 'model.py' needs its state_dict",
        ),
        (
            ("--data", "train.csv", "--columns", "amount", *WITH_MODEL),
            "'model.py' does not take rows of 1 values",
        ),
        (("--data", "train.csv", "--model", "train.csv"), "'train.csv' is not a TorchScript file"),
        (("--data", "train.csv", *WITH_MODEL[:-1], "a,b"), "2 class names for outputs with 3 classes"),
    ],
)
def test_bad_arguments_get_one_clear_line(folder, arguments, complaint):
    (folder / "weights.parquet").write_bytes(b"not parquet")
    result = run(*BUILD, *arguments)
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert result.stderr.startswith("torchvitals: ")
    assert "Traceback" not in result.output


def test_show_of_a_damaged_file_says_so(folder):
    (folder / "bad.json").write_text("{")
    result = run("baseline", "show", "bad.json")
    assert result.exit_code == 1
    assert "is not whole JSON" in result.stderr


def test_generate_writes_and_check_notices(folder):
    assert run("metrics", "generate", "--check").exit_code == 1
    assert run("metrics", "generate").exit_code == 0
    assert run("metrics", "generate", "--check").exit_code == 0
    (folder / "metrics.yaml").write_text("changed")
    result = run("metrics", "generate", "--check")
    assert result.exit_code == 1
    assert "metrics.yaml differs from metrics.py" in result.stderr
