"""From verdicts to figures: what share was flagged, was it the right column, after how many rows, at what cost."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from .scenarios import DRIFTS, PERIODS, QUIET_SIZES, STRIDE, TIMED, WINDOW

WINDOWS_PER_STREAM = WINDOW // STRIDE


def figures(data: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one tool from its result of each data set.

    Shares from 0 to 1, CPU seconds a window (median), rows as median over streams (None: more than a window).
    """
    found: dict[str, Any] = {}
    for size in QUIET_SIZES:
        found[f"quiet_{size}"] = _share(data[f"quiet_{size}"]["flagged"])
    for kind, column in DRIFTS.items():
        flagged = data[f"drift_{kind}"]["flagged"]
        streams = [
            flagged[start : start + WINDOWS_PER_STREAM]
            for start in range(0, len(flagged), WINDOWS_PER_STREAM)
        ]
        whole = [stream[-1] for stream in streams]
        found[f"detected_{kind}"] = float(np.mean([column in names for names in whole]))
        found[f"first_{kind}"] = float(np.mean([names[:1] == [column] for names in whole]))
        found[f"only_{kind}"] = float(np.mean([names == [column] for names in whole]))
        found[f"rows_{kind}"] = _finite(float(np.median([rows_until(stream, column) for stream in streams])))
    for period in PERIODS:
        found[f"flights_{period}"] = _share(data[f"flights_{period}"]["flagged"])
        found[f"windows_{period}"] = len(data[f"flights_{period}"]["flagged"])
    found["cpu_verdict"] = float(np.median(data["quiet_1000"]["cpu_seconds"]))
    for columns in TIMED:
        found[f"cpu_{columns}"] = float(np.median(data[f"cpu_{columns}"]["cpu_seconds"]))
        found[f"cpu_windows_{columns}"] = len(data[f"cpu_{columns}"]["cpu_seconds"])
        found[f"fit_{columns}"] = data[f"cpu_{columns}"]["fit_seconds"]
    return found


def rows_until(stream: list[list[str]], column: str) -> float:
    """Return how many drifted rows the first window had in which `column` was flagged; infinite for none."""
    for index, names in enumerate(stream, start=1):
        if column in names:
            return float(STRIDE * index)
    return math.inf


def _share(flagged: list[list[str]]) -> float:
    return float(np.mean([bool(names) for names in flagged]))


def _finite(value: float) -> Optional[float]:
    return value if math.isfinite(value) else None
