"""The wheel, built once, and environments of their own outside the clone that have it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")


def environment(venv: Path) -> dict[str, str]:
    """Return the environment of a user who has activated it; its texts are wide and plain."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERMINAL_WIDTH": "200"}
    return {**kept, **plain, "PATH": f"{venv / 'bin'}:{kept['PATH']}"}


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel. folder: of a user, who has no clone."""

    venv: Path
    folder: Path

    def run(self, *words: str, status: int = 0) -> str:
        """Run a program of the environment in the user's folder; return what it said."""
        program = self.venv / "bin" / words[0]
        done = subprocess.run(
            [program if program.exists() else words[0], *words[1:]],
            cwd=self.folder,
            env=environment(self.venv),
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of the working copy."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def names(wheel: Path) -> set[str]:
    """Return the names of the wheel's files."""
    with zipfile.ZipFile(wheel) as packed:
        return set(packed.namelist())


def python_of(version: str) -> str | None:
    """Return a Python of this version that starts; None where there is none on PATH or among pyenv's versions."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    here = [sys.executable] if sys.version.startswith(f"{version}.") else []
    for program in (
        *here,
        *sorted(map(str, pyenv.glob(f"{version}.*/bin/python"))),
        shutil.which(f"python{version}"),
    ):
        if (
            program
            and subprocess.run([program, "-c", "import ensurepip"], capture_output=True).returncode == 0
        ):
            return program
    return None


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Installed]:
    """Return what installs the wheel, and what it asks for, on a version of Python; without torch."""
    made: dict[str, Installed] = {}

    def install(version: str) -> Installed:
        if version not in made:
            python = python_of(version)
            if python is None:
                pytest.skip(f"there is no Python {version} on this machine")
            folder = tmp_path_factory.mktemp(f"python{version}")
            subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
            pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet"]
            subprocess.run(
                [*pip, "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:", wheel],
                check=True,
            )
            (folder / "user").mkdir()
            made[version] = Installed(folder / "venv", folder / "user")
        return made[version]

    return install


@pytest.fixture(scope="session")
def serving(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel beside the torch, torchserve and pandas of this environment, which are gigabytes to install anew.

    The packages of this environment are seen through a path file, which does not bring its editable torchvitals.
    """
    folder = tmp_path_factory.mktemp("serving")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (place,) = (venv / "lib").glob("python*/site-packages")
    (other,) = (Path(sys.prefix) / "lib").glob("python*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place)
    (place / "beside.pth").write_text(f"{other}\n")
    # As pip writes them.
    for name, entry in {
        "torchvitals": "torchvitals.cli:app",
        "torchserve": "ts.model_server:start",
    }.items():
        module, function = entry.split(":")
        program = venv / "bin" / name
        program.write_text(f"#!{venv / 'bin' / 'python'}\nfrom {module} import {function}\n{function}()\n")
        program.chmod(0o755)
    (folder / "user").mkdir()
    return Installed(venv, folder / "user")
