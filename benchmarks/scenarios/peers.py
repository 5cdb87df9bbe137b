"""The tools that judge the same windows, each in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ..drift.environments import SETTINGS, NotInstalledError, interpreter
from ..drift.peers import BY_KEY
from ..drift.run import FOLDER, ROOT


@dataclass(frozen=True)
class Tool:
    """One tool: its key, how the table calls it, the module of its adapter, and the package whose version counts."""

    key: str
    title: str
    module: str
    package: str

    def python(self) -> Path:
        """Return the interpreter that has it. Raises NotInstalledError."""
        return interpreter(BY_KEY[self.key], FOLDER) if self.key in BY_KEY else Path(sys.executable)


TOOLS = (
    Tool("ks", "KS + BH", "benchmarks.scenarios.ks", "scipy"),
    *(
        Tool(key, BY_KEY[key].title, f"benchmarks.drift.adapters.{key}", BY_KEY[key].package)
        for key in ("evidently", "alibi_detect", "nannyml")
    ),
)


def compare(
    keys: Iterable[str], *, quick: bool = False, done: Callable[[str, str], None] = lambda tool, key: None
) -> dict[str, dict[str, Any]]:
    """Return what each tool says of the cases: its version and figures, or why it has none.

    done: is told of each case that a tool has judged.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    job = {"keys": list(keys), "quick": quick}
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda tool: _judged(tool, job, done), TOOLS)
        return dict(zip((tool.key for tool in TOOLS), found))


def _judged(tool: Tool, job: dict[str, Any], done: Callable[[str, str], None]) -> dict[str, Any]:
    try:
        python = tool.python()
    except NotInstalledError as error:
        return {"missing": str(error)}
    with tempfile.TemporaryDirectory(prefix="scenarios-") as folder:
        files = {name: Path(folder) / name for name in ("job.json", "result.json", "errors")}
        files["job.json"].write_text(json.dumps(job))
        command = [str(python), "-m", "benchmarks.scenarios.peer", tool.module, tool.package]
        command += [str(files["job.json"]), str(files["result.json"])]
        with files["errors"].open("w") as errors:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **SETTINGS},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            with process:
                for line in process.stdout or ():
                    done(tool.key, line.strip())
        if process.returncode != 0:
            return {"missing": f"it ended with {process.returncode}: {_last(files['errors'])}"}
        found: dict[str, Any] = json.loads(files["result.json"].read_text())
        return found


def _last(errors: Path) -> Optional[str]:
    lines = errors.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else None
