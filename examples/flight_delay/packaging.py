"""From weights to an archive, with the commands that README shows."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from .data import CLASSES, COLUMNS, LABEL, TIME

SOURCE = "examples/flight_delay"
MODEL = "flight_delay"
MODEL_STORE = Path("model-store")
# Windows of rows that the model is watched with (model-config.yaml), and that the baseline is calibrated for.
WINDOWS = (500, 1000)


class DemoError(Exception):
    """A step of the demo failed; the message says which and how."""


def program(name: str) -> str:
    """Return the path of a program that was installed beside this Python, or is on PATH."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise DemoError(f"the program '{name}' is missing; 'make setup' installs it")
    return found


def command(console: Console, *words: str) -> None:
    """Print a command as one would type it, and run it; raise DemoError with its output when it fails."""
    console.print(f"[dim]$ {escape(shlex.join(words))}[/]", soft_wrap=True, highlight=False)
    done = subprocess.run(
        [program(words[0]), *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"'{words[0]}' ended with status {done.returncode}:\n{done.stdout}")


def build_baseline(console: Console, folder: Path, *, version: str) -> Path:
    """Build the baseline of the model in ``folder`` (model.pt) from what it was trained on (train.parquet there).

    What its confidence is worth comes from flights that it was not trained on (heldout.parquet). Returns the file;
    raises DemoError.
    """
    baseline = folder / f"{MODEL}-{version}.json"
    command(
        console,
        *("torchvitals", "baseline", "build", "--data", f"{folder}/train.parquet"),
        *("--columns", ",".join(COLUMNS), "--class-names", ",".join(CLASSES)),
        *("--time-column", TIME, *(word for size in WINDOWS for word in ("--window", str(size)))),
        *("--model", f"{SOURCE}/model.py", "--weights", f"{folder}/model.pt"),
        *("--label-column", LABEL, "--held-out", f"{folder}/heldout.parquet"),
        *("--name", MODEL, "--version", version, "--output", str(baseline)),
    )
    return baseline


def build_archive(
    console: Console,
    folder: Path,
    baseline: Path,
    *,
    version: str,
    config: Path,
    store: Path = MODEL_STORE,
    file: str = MODEL,
) -> Path:
    """Package the model in ``folder`` into the model store as ``file``.mar; raise DemoError."""
    store.mkdir(exist_ok=True)
    target = store / f"{file}.mar"
    # The archiver names the file after the model, and takes no other name.
    export = store if file == MODEL else folder
    command(
        console,
        *("torch-model-archiver", "--model-name", MODEL, "--version", version),
        *("--handler", f"{SOURCE}/handler.py", "--model-file", f"{SOURCE}/model.py"),
        *("--serialized-file", f"{folder}/model.pt", "--extra-files", f"handlers,{baseline}"),
        *("--config-file", str(config), "--export-path", str(export), "--force"),
    )
    if export != store:
        (export / f"{MODEL}.mar").replace(target)
    return target
