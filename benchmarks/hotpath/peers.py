"""What other libraries take for a row, an observation or a window, each in an environment of its own."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from benchmarks.drift.adapters import Data
from benchmarks.drift.environments import NotInstalledError, interpreter
from benchmarks.drift.peers import BY_KEY, Peer
from benchmarks.drift.run import FOLDER, run_tool, write_jobs

from .actions import SEED, WINDOW, rows_of
from .processes import measured

OPENTELEMETRY = Peer(
    key="opentelemetry",
    title="OpenTelemetry",
    package="opentelemetry-sdk",
    requirements=("opentelemetry-sdk==1.45.2",),
    decision="",
    meant_for="",
)
OBSERVING = {
    "whylogs, a row of 10 numbers": BY_KEY["whylogs"],
    "OpenTelemetry, a histogram observation": OPENTELEMETRY,
}
# The first window is not counted: in it the tool imports, and its verdict is checked.
WINDOWS = 4


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one call and the version that took them, or why there is none."""

    seconds: Optional[float] = None
    version: str = ""
    missing: str = ""


@dataclass(frozen=True)
class WindowCosts:
    """CPU seconds of judging a window, by its number of columns, or why there are none."""

    report: Mapping[int, float]
    tests: Mapping[int, float]
    version: str = ""
    missing: str = ""


def observation(peer: Peer) -> Cost:
    """Return the cost of one row or observation of a library."""
    try:
        python = _python(peer)
    except NotInstalledError as error:
        return Cost(missing=str(error))
    return Cost(**measured("observations", peer.package, python=str(python)))


def evidently_windows(columns: Sequence[int]) -> WindowCosts:
    """Return the cost of Evidently's drift report of a window, and of its column tests alone, which draw nothing."""
    peer = BY_KEY["evidently"]
    try:
        python = _python(peer)
    except NotInstalledError as error:
        return WindowCosts({}, {}, missing=str(error))
    data = [
        one for number in columns for one in (_windows(number, timed=True), _windows(number, timed=False))
    ]
    with tempfile.TemporaryDirectory(prefix="bench-windows-") as folder:
        jobs = write_jobs(data, Path(folder))
        found = {name: run_tool(peer, python, job) for name, job in jobs.items()}
    return WindowCosts(
        report=_medians(found["timed"], columns),
        tests=_medians(found["verdicts"], columns),
        version=found["timed"]["version"],
    )


def _python(peer: Peer) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    return interpreter(peer, FOLDER)


def _windows(columns: int, *, timed: bool) -> Data:
    """Return the columns of `tabular_baseline`, and windows like those that ours evaluates."""
    return Data(
        name=f"columns_{columns}",
        columns=[f"f{index}" for index in range(columns)],
        categorical=[],
        ordered=False,
        timed=timed,
        reference=rows_of(columns),
        windows=np.stack([rows_of(columns, WINDOW, seed=SEED + 2 + index) for index in range(WINDOWS)]),
    )


def _medians(found: Mapping[str, Any], columns: Sequence[int]) -> dict[int, float]:
    return {
        number: statistics.median(found["data"][f"columns_{number}"]["cpu_seconds"][1:]) for number in columns
    }
