"""The same baseline on a local Ray as in one process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from torchvitals import Baseline

MODEL = """
import torch

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, rows):
        return self.layer(rows)
"""
ROWS = 600_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)).astype("float32"), columns=["a", "b", "c"])
    frame["label"] = (frame["a"] > 0).astype(int)
    for number, part in enumerate(np.array_split(np.arange(ROWS), 3)):
        frame.iloc[part].to_parquet(folder / f"{number}.parquet")
    (folder / "model.py").write_text(MODEL)
    weights = {"layer.weight": torch.tensor([[-1.0, 0, 0], [1, 0, 0]]), "layer.bias": torch.zeros(2)}
    torch.save(weights, folder / "weights.pt")
    return folder


def build(folder, output, *options):
    command = [
        str(Path(sys.executable).parent / "torchvitals"),
        "baseline",
        "build",
        "--output",
        output,
        *options,
    ]
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    environment = {**os.environ, **quiet}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1200, check=False
    )


@pytest.mark.timeout(420)
def test_a_baseline_on_ray_is_that_of_one_process(folder):
    options = (
        "--data",
        "*.parquet",
        "--model",
        "model.py",
        "--weights",
        "weights.pt",
        "--label-column",
        "label",
    )
    for engine in ("local", "ray"):
        done = build(folder, f"{engine}-1.0.json", *options, "--engine", engine)
        assert done.returncode == 0, done.stderr
    local, distributed = (Baseline.load(folder / f"{engine}-1.0.json") for engine in ("local", "ray"))
    assert distributed.samples == local.samples == ROWS
    assert distributed.accuracy == local.accuracy
    assert local.accuracy.ratio == 1.0
    names = ["a", "b", "c", "row_distance", "predicted_class", "confidence", "energy"]
    assert [feature.name for feature in distributed.features] == names
    for mine, true in zip(distributed.features, local.features, strict=True):
        assert (mine.kind, mine.count, mine.missing) == (true.kind, true.count, true.missing)
        if mine.name != "row_distance":
            assert (mine.mean, mine.std, mine.max) == pytest.approx((true.mean, true.std, true.max), rel=1e-9)
    rows = np.random.default_rng(1).normal(size=(1000, 3))
    assert not distributed.compare(rows).drifted
    assert distributed.compare(rows + [0.5, 0, 0]).features["a"].drifted


@pytest.mark.timeout(420)
def test_an_error_of_a_block_is_one_clear_line(folder):
    frame = pd.read_parquet(folder / "0.parquet")
    frame.assign(label="maybe").to_parquet(folder / "wrong-labels.parquet")
    options = ("--model", "model.py", "--weights", "weights.pt", "--label-column", "label", "--engine", "ray")
    done = build(folder, "wrong-1.0.json", "--data", "wrong-labels.parquet", *options)
    assert done.returncode == 1
    assert "torchvitals: unknown class 'maybe'; give class names (0, 1)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "wrong-1.0.json").exists()


def test_ray_and_the_order_of_time_exclude_each_other(folder):
    done = build(folder, "x.json", "--data", "0.parquet", "--engine", "ray", "--time-column", "a")
    assert done.returncode == 1
    assert "--engine ray does not go with --time-column" in done.stderr
