"""``python -m tests.oldest``: the core on Python 3.9, with the smallest versions that pyproject.toml allows.

Finds a python3.9 on PATH or among pyenv's versions, makes an environment in .run/oldest, and runs there those files of
tests/unit that need nothing else. With torch 2.4 for CPUs where https://download.pytorch.org can be reached; without
it, the files that need no tensor.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".run" / "oldest"
EXTRAS = ("cli", "prometheus")
TORCH = "torch==2.4.0"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
# What the tests themselves need, in the last releases for Python 3.9.
TOOLS = ("hypothesis==6.141.1", "pytest==8.4.2", "pytest-timeout==2.4.0")
# Tests that need more than they import: a worker with torchserve, and models in processes of their own.
NEEDING_MORE = {"test_package.py", "test_forks.py", "test_input_kinds.py"}
LEAST_FILES = 10
SKIPPED = "skipped: there is no python3.9 on PATH or in ~/.pyenv/versions; 'pyenv install 3.9' brings one"


def find_python() -> str | None:
    """Return a Python 3.9 that starts, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for program in (*sorted(map(str, pyenv.glob("3.9.*/bin/python"))), shutil.which("python3.9")):
        if (
            program
            and subprocess.run([program, "-c", "import ensurepip"], capture_output=True).returncode == 0
        ):
            return program
    return None


def smallest() -> list[str]:
    """Return the smallest version of each requirement of the package and of EXTRAS."""
    tomllib = __import__("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in EXTRAS for name in project["optional-dependencies"][extra]),
    ]
    return [name.replace(">=", "==") for name in wanted]


def environment(python: str) -> tuple[Path, bool]:
    """Return the interpreter of an environment with all of it, and whether that has torch."""
    wanted = [*smallest(), *TOOLS]
    stamp = FOLDER / f"made-{hashlib.sha256(repr((python, wanted, TORCH)).encode()).hexdigest()[:16]}"
    program = FOLDER / "venv" / "bin" / "python"
    if not stamp.exists():
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run([python, "-m", "venv", FOLDER / "venv"], check=True)
        install = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--only-binary", ":all:", *wanted], check=True)
        # An index of its own, as PyPI's torch for this Python brings gigabytes of CUDA; a constraint may forbid it too.
        there = subprocess.run(
            [*install, "--retries", "0", "--index-url", TORCH_INDEX, TORCH], capture_output=True
        )
        stamp.write_text("with torch" if there.returncode == 0 else "without torch")
    return program, stamp.read_text() == "with torch"


def imported(file: Path) -> Iterator[str]:
    """Yield the first part of each module that a file, and each of its own folder's files that it imports, imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            names = [folder, *(folder / name.name for name in node.names)]
            for module in {place.with_suffix(".py") for place in names} - {file}:
                yield from imported(module) if module.is_file() else ()


def chosen(*, with_torch: bool) -> list[str]:
    """Return the files of tests/unit that import what the environment has."""
    absent = {
        "aiohttp",
        "benchmarks",
        "examples",
        "fastapi",
        "polars",
        "ray",
        "sklearn",
        "tests",
        "torchvitals_labels",
        "ts",
        "yaml",
    }
    absent |= set() if with_torch else {"torch"}
    files = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))
    return [
        str(file.relative_to(ROOT))
        for file in files
        if file.name not in NEEDING_MORE and absent.isdisjoint(imported(file))
    ]


def main() -> int:
    """Run the tests; return pytest's status, or 0 where no Python 3.9 is found."""
    python = find_python()
    if python is None:
        print(SKIPPED)
        return 0
    program, with_torch = environment(python)
    files = chosen(with_torch=with_torch)
    if len(files) < LEAST_FILES:
        print(
            f"{len(files)} files of tests/unit can run on Python 3.9, not {LEAST_FILES}: {', '.join(files)}"
        )
        return 1
    print(f"Python 3.9, {'torch 2.4' if with_torch else f'no torch: {TORCH_INDEX} has none for here'}")
    subprocess.run([program, "-m", "pip", "list", "--disable-pip-version-check"], check=True)
    path = [ROOT / "handlers", ROOT, *([] if with_torch else [ROOT / "tests" / "oldest" / "without_torch"])]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    build_a_baseline(program, variables)
    words = ["--noconftest", "--config-file", "tests/oldest/pytest.ini", "--rootdir", "tests", *files]
    return subprocess.run([program, "-m", "pytest", *words], cwd=ROOT, env=variables).returncode


def build_a_baseline(program: Path, variables: dict[str, str]) -> None:
    """Build a baseline from a CSV file on the command line, and show it; raise where that fails."""
    data, baseline = FOLDER / "data.csv", FOLDER / "baseline.json"
    data.write_text("hour,temp\n" + "".join(f"{row % 24},{row * 0.37 % 11:.2f}\n" for row in range(2000)))
    baseline.unlink(missing_ok=True)
    command = [program, "-m", "torchvitals", "baseline"]
    build = [*command, "build", "--data", data, "--output", baseline]
    subprocess.run(build, cwd=FOLDER, env=variables, check=True)
    shown = subprocess.run(
        [*command, "show", baseline], cwd=FOLDER, env=variables, check=True, capture_output=True, text=True
    )
    assert {"hour", "temp"} <= set(shown.stdout.split()), shown.stdout


if __name__ == "__main__":
    sys.exit(main())
