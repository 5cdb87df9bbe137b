"""From verdicts to figures: what share was flagged, was it the right column, after how many rows, at what cost."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from .scenarios import DRIFTS, STRIDE, WHOLE_ROW, WINDOW

WINDOWS_PER_STREAM = WINDOW // STRIDE


def figures(data: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one tool from its result of each data set.

    Shares from 0 to 1, CPU seconds a window (median), rows as median over streams (None: more than a window).
    `data` may have some of the data sets only; then the figures are theirs alone.
    """
    found: dict[str, Any] = {}
    for name, result in data.items():
        family, which = name.split("_")
        if family == "drift":
            found.update(_of_drift(which, result["flagged"]))
        elif family == "cpu":
            found[f"cpu_{which}"] = float(np.median(result["cpu_seconds"]))
            found[f"cpu_windows_{which}"] = len(result["cpu_seconds"])
            found[f"fit_{which}"] = result["fit_seconds"]
        else:
            found[name] = float(np.mean([bool(names) for names in result["flagged"]]))
        if family == "flights":
            found[f"windows_{which}"] = len(result["flagged"])
        if name == f"quiet_{WINDOW}":
            found["cpu_verdict"] = float(np.median(result["cpu_seconds"]))
    return found


def _of_drift(kind: str, flagged: list[list[str]]) -> dict[str, Any]:
    right = set(DRIFTS[kind])
    streams = [
        flagged[start : start + WINDOWS_PER_STREAM] for start in range(0, len(flagged), WINDOWS_PER_STREAM)
    ]
    whole = [stream[-1] for stream in streams]
    detected = [bool(right & set(names)) for names in whole]
    # The distance of the row is no column: that it moves with one does not make the finding less exact.
    alone = [
        found and set(names) <= right | {WHOLE_ROW} for found, names in zip(detected, whole, strict=True)
    ]
    return {
        f"detected_{kind}": float(np.mean(detected)),
        f"first_{kind}": float(np.mean([bool(right & set(names[:1])) for names in whole])),
        f"only_{kind}": float(np.mean(alone)),
        f"rows_{kind}": _finite(float(np.median([rows_until(stream, right) for stream in streams]))),
    }


def rows_until(stream: list[list[str]], right: set[str]) -> float:
    """Return how many drifted rows the first window had in which one of `right` was flagged; infinite for none."""
    for index, names in enumerate(stream, start=1):
        if right & set(names):
            return float(STRIDE * index)
    return math.inf


def _finite(value: float) -> Optional[float]:
    return value if math.isfinite(value) else None
