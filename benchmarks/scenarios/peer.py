"""Judges the same windows by another tool: ``python -m benchmarks.scenarios.peer MODULE PACKAGE JOB.json RESULT.json``.

Runs in the tool's environment, which has NumPy, SciPy and pandas, and not this project's package.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..drift.adapters import Data
from .catalogue import Case, cases
from .shares import shares, worst

# Of each case the first windows: what takes others seconds has to end.
MOST_WINDOWS = {10_000: 10}
WINDOWS = 20


def judge(case: Case, detector_class: type, *, quick: bool = False) -> dict[str, Any]:
    """Return the figures of a case, or why the tool has none."""
    source, right = case.scenario.source, case.scenario.right
    count = min(MOST_WINDOWS.get(case.window, WINDOWS), case.count(quick=quick))
    found = []
    for number in range(case.scenario.baselines):
        data = Data(
            name=case.key,
            columns=list(source.columns),
            categorical=list(source.categorical),
            ordered=False,
            timed=False,
            reference=case.reference(number),
            windows=np.stack([case.rows(place) for place in range(count)]),
        )
        try:
            detector = detector_class(data)
            flagged = [
                [str(name) for name in detector.evaluate(detector.prepare(rows))] for rows in data.windows
            ]
        except Exception as fault:
            return {"failed": f"{type(fault).__name__}: {fault}"[:200]}
        found.append(shares(flagged, right))
    return worst(found, right)


def main(module: str, package: str, job_file: str, result_file: str) -> None:
    warnings.simplefilter("ignore")  # of the tools, about pandas and about chunk counts
    np.seterr(all="ignore")
    job = json.loads(Path(job_file).read_text())
    detector_class = importlib.import_module(module).Detector
    wanted = set(job["keys"])
    found: dict[str, Any] = {}
    # No tool is told the order, so two cases that differ in it alone are one.
    known: dict[tuple[Any, ...], dict[str, Any]] = {}
    for case in cases():
        if case.key in wanted:
            same = (case.scenario.name, case.training, case.window)
            if same not in known:
                known[same] = judge(case, detector_class, quick=job["quick"])
            found[case.key] = known[same]
            print(case.key, flush=True)
    Path(result_file).write_text(json.dumps({"version": importlib.metadata.version(package), "cases": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
