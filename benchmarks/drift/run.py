"""Runs every tool in a process of its own, in its own environment, over the same data sets."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from .adapters import Data
from .environments import SETTINGS, NotInstalledError, interpreter
from .figures import figures
from .peers import BY_KEY, PEERS, Peer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".run" / "bench-drift"
TOOL_SECONDS = 900


class ToolError(Exception):
    """A tool failed on a data set; the message has the end of what it said."""


def write_jobs(data: Iterable[Data], folder: Path) -> dict[str, Path]:
    """Write the data sets, and a list of those for verdicts and one of those for CPU times; return the lists.

    A list without data sets is left out.
    """
    entries: dict[str, list[dict[str, Any]]] = {"verdicts": [], "timed": []}
    for one in data:
        file = f"{one.name}.npz"
        np.savez(folder / file, reference=one.reference, windows=one.windows)
        entries["timed" if one.timed else "verdicts"].append(
            {
                "name": one.name,
                "file": file,
                "columns": one.columns,
                "categorical": one.categorical,
                "ordered": one.ordered,
                "timed": one.timed,
            }
        )
    packages = {peer.key: peer.package for peer in PEERS}
    jobs = {name: folder / f"{name}.json" for name in entries if entries[name]}
    for name, job in jobs.items():
        job.write_text(json.dumps({"packages": packages, "data": entries[name]}))
    return jobs


def run_tool(
    peer: Peer, python: Path, job: Path, done: Callable[[str], None] = lambda name: None
) -> dict[str, Any]:
    """Run one tool over a job; `done` is told the name of each data set. Raises ToolError."""
    result, errors = (job.parent / f"{job.stem}-{peer.key}{suffix}" for suffix in (".json", ".err"))
    command = [str(python), "-m", "benchmarks.drift.adapters", peer.key, str(job), str(result)]
    environment = {**os.environ, **SETTINGS}
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
        limit = threading.Timer(TOOL_SECONDS, process.kill)
        limit.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                done(line.strip())
            status = process.wait()
        finally:
            limit.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
    if status != 0:
        raise ToolError(f"{peer.title} ended with {status}:\n{errors.read_text()[-2000:]}")
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def install(folder: Path = FOLDER) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the interpreter of each tool that installs, and the reason of each that does not."""
    folder.mkdir(parents=True, exist_ok=True)

    def one(peer: Peer) -> tuple[str, Path | None, str]:
        try:
            return peer.key, interpreter(peer, folder), ""
        except NotInstalledError as error:
            return peer.key, None, str(error)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, PEERS))
    pythons = {key: python for key, python, _ in found if python is not None}
    return pythons, {key: reason for key, python, reason in found if python is None}


def run(
    data: Iterable[Data],
    pythons: dict[str, Path],
    missing: dict[str, str],
    *,
    done: Callable[[str, str], None] = lambda tool, name: None,
) -> dict[str, Any]:
    """Measure every installed tool and return what goes into the JSON file.

    Verdicts first, two tools at a time; then CPU times, a tool alone.
    """
    found: dict[str, dict[str, Any]] = {key: {} for key in pythons}
    versions: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="bench-drift-") as folder:
        jobs = write_jobs(data, Path(folder))

        def measure(key: str, job: Path) -> None:
            result = run_tool(BY_KEY[key], pythons[key], job, lambda name: done(key, name))
            found[key].update(result["data"])
            versions[key] = result["version"]

        if "verdicts" in jobs:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda key: measure(key, jobs["verdicts"]), pythons))
        load = os.getloadavg()[0]
        if "timed" in jobs:
            for key in pythons:
                measure(key, jobs["timed"])
    tools = {key: figures(result) for key, result in found.items()}
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "load": round(load, 1)},
        "python": platform.python_version(),
        "versions": {key: versions[key] for key in tools},
        "missing": missing,
        "tools": tools,
    }


def merged(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return a result with the figures of a later run, of some data sets, in place of its own.

    Raises ToolError where the later run had other tools or other versions of them: their figures do not belong
    in one table.
    """
    if before["versions"] != after["versions"]:
        raise ToolError(
            f"measured before: {before['versions']}; now: {after['versions']}; measure everything again, without --only"
        )
    tools = {key: {**figures, **after["tools"][key]} for key, figures in before["tools"].items()}
    timed = any(name.startswith("cpu_") for figures in after["tools"].values() for name in figures)
    machine = after["machine"] if timed else before["machine"]
    return {**before, "date": after["date"], "machine": machine, "tools": tools}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
