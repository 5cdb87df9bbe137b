"""Baselines of categories that the model is given as codes, from files."""

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
    def forward(self, rows):
        return torch.stack([rows[:, 1] * 0, rows[:, 1]], dim=1)
"""
ORDER = ["red", "green", "blue"]
CODES = np.arange(600) % 3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"size": rng.normal(size=600), "colour": np.array(ORDER)[CODES]})
    frame.to_csv(tmp_path / "texts.csv", index=False)
    colours = pd.Categorical(frame["colour"], categories=ORDER)
    frame.assign(colour=colours).to_parquet(tmp_path / "ordered.parquet")
    frame.assign(colour=CODES).to_csv(tmp_path / "codes.csv", index=False)
    (tmp_path / "model.py").write_text(MODEL)
    torch.save({}, tmp_path / "weights.pt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(folder, data, said, *more):
    section = f"handler: {{monitoring: {{features: {{categories: {{colour: {said}}}}}}}}}"
    (folder / "model-config.yaml").write_text(section)
    arguments = ["baseline", "build", "--data", data, "--output", "m-1.json", "--config", "model-config.yaml"]
    return CliRunner().invoke(app, [*arguments, *more])


@pytest.mark.parametrize(
    ("data", "said", "names"),
    [
        ("texts.csv", "[red, green, blue]", ORDER),
        ("texts.csv", "{0: red, 1: green, 2: blue}", ORDER),
        ("texts.csv", "sorted", sorted(ORDER)),
        ("ordered.parquet", "sorted", ORDER),
        ("codes.csv", "codes", ["0", "1", "2"]),
        ("codes.csv", "[red, green, blue]", ORDER),
    ],
)
def test_a_section_says_what_codes_mean(folder, data, said, names):
    result = build(folder, data, said)
    assert result.exit_code == 0, result.output
    assert Baseline.load("m-1.json").features[1].codes == dict(enumerate(names))


def test_a_model_of_codes_is_given_them(folder):
    result = build(
        folder, "texts.csv", "[red, green, blue]", "--model", "model.py", "--weights", "weights.pt"
    )
    assert result.exit_code == 0, result.output
    confidence = next(f for f in Baseline.load("m-1.json").features if f.name == "confidence")
    assert confidence.categories == pytest.approx([1 / (1 + np.exp(-code)) for code in (0, 1, 2)], abs=1e-6)


def test_a_model_of_codes_that_are_not_listed_is_refused(folder):
    result = build(folder, "texts.csv", "sorted", "--model", "model.py", "--weights", "weights.pt")
    assert result.exit_code == 1
    assert "list its categories in the order of their codes" in " ".join(result.output.split())
