"""Every shell block: what is ours runs or is checked against the command itself; the rest names what runs it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomllib
import torch
import typer
import typer.testing
from PIL import Image

from tests.docs.blocks import KNOWN, ROOT, Block, blocks, languages
from torchvitals.cli import app

COMMANDS = [(block, words) for block in blocks("sh", "bash") for words in block.commands]
OURS = [(block, words) for block, words in COMMANDS if words[0] == "torchvitals"]
# Ours that are not run here: with an ellipsis, on other machines, on a server or on files of a user's. Their options
# are checked.
SHOWN_ONLY = re.compile(
    r"\.\.\.|--engine ray|^torchvitals (report|doctor|merge|up)|flight_delay|fraud/model-store"
)
# What runs the commands of other programs: a test, and a word of it.
RUN_BY = {
    r"make -C fraud|cd fraud|curl .*predictions/fraud": (
        "tests/install/test_first_value.py",
        '"make", "-C", "fraud"',
    ),
    r"curl .*8082/metrics": ("stack/metrics_page.py", "/metrics"),
    r"torch-model-archiver|torchserve |python -m examples\.flight_delay": ("tests/conftest.py", "archiver"),
    r"docker |curl .*127\.0\.0\.1:(8080|8081|909[56])": ("tests/compose/test_compose.py", "compose("),
    r"python -m retraining": ("tests/retraining/service.py", "retraining"),
    r"amtool|sed -i": ("tests/notifications/test_routes.py", "amtool"),
    r"victoria-metrics|vmalert": ("tests/rules/test_victoria_metrics.py", "vmalert"),
    r"\.venv/bin/python -m pytest": ("tests/unit/training/test_window_limits.py", "def test_"),
}


def named(block: Block, words: list[str]) -> str:
    return f"{block.place} {' '.join(words)[:60]}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands name: training tables, a model, pictures, and the baselines of earlier commands."""
    place = tmp_path_factory.mktemp("commands")
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(2000, 3)), columns=["amount", "hour", "merchant_age"])
    frame.to_parquet(place / "train.parquet")
    for month in ("january", "february"):
        (place / month).mkdir()
        frame.to_parquet(place / month / "part-0.parquet")
    (place / "model.py").write_text(
        "import torch\n\n\nclass Fraud(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layer = torch.nn.Linear(3, 1)\n\n    def forward(self, rows):\n"
        "        return self.layer(rows).sigmoid()\n"
    )
    torch.save({"layer.weight": torch.rand(1, 3), "layer.bias": torch.rand(1)}, place / "model.pt")
    pets = place / "pets"
    for kind in ("cat", "dog"):
        (pets / "photos" / kind).mkdir(parents=True)
        for number in range(110):
            pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(pets / "photos" / kind / f"{number}.png")
    layers = (
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(3, 2),
        torch.nn.Softmax(dim=1),
    )
    scripted = torch.jit.script(torch.nn.Sequential(*layers))
    torch.jit.save(scripted, pets / "model.pt")
    for at in (place, pets):
        (at / "baselines").mkdir()
    return place


def test_every_block_says_its_language() -> None:
    assert languages() <= KNOWN
    assert len(OURS) >= 15


@pytest.mark.parametrize(("block", "words"), [pytest.param(b, w, id=named(b, w)) for b, w in OURS])
def test_our_commands_run(
    block: Block, words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = typer.main.get_command(app)
    if SHOWN_ONLY.search(" ".join(words)):
        arguments = [word for word in words[1:] if word != "..."]
        while hasattr(command, "list_commands"):
            command = command.get_command(command.context_class(command), arguments.pop(0))
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= known
        return
    monkeypatch.chdir(folder / "pets" if "photos" in words else folder)
    if "baselines/fraud-1.1.json" in words:
        text = (folder / "baselines" / "fraud-1.0.json").read_bytes()
        (folder / "baselines" / "fraud-1.1.json").write_bytes(text)
    result = typer.testing.CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output


def others() -> list[tuple[Block, list[str]]]:
    return [
        (block, words)
        for block, words in COMMANDS
        if words[0] not in ("torchvitals", "make", "pip", "apt-get")
    ]


@pytest.mark.parametrize(("block", "words"), [pytest.param(b, w, id=named(b, w)) for b, w in others()])
def test_commands_of_others_are_run_by_a_test(block: Block, words: list[str]) -> None:
    line = " ".join(words)
    (file, word) = next((run_by for pattern, run_by in RUN_BY.items() if re.search(pattern, line)), ("", ""))
    assert file, f"{block.place}: no test is known that runs '{line}'; name it in RUN_BY"
    assert word in (ROOT / file).read_text(encoding="utf-8")


def test_what_is_made_and_installed_exists() -> None:
    targets = {words[1] for _, words in COMMANDS if words[0] == "make" and words[1] != "-C"}
    assert targets
    for target in targets:
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for block, words in COMMANDS:
        if words[0] == "pip":
            for wanted in re.findall(r"torchvitals\[([\w,]+)\]", " ".join(words)):
                assert set(wanted.split(",")) <= set(extras), block.place
