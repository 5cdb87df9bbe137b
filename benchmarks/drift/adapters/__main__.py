"""Runs one tool over all data sets of a job: ``python -m benchmarks.drift.adapters TOOL JOB.json RESULT.json``.

Prints the name of each data set once it is done.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from . import Data

# A timed data set ends early, after this many CPU seconds and at least this many windows.
TIMED_SECONDS, TIMED_WINDOWS = 10.0, 3


def load(entry: dict, folder: Path) -> Data:
    """Read one data set of a job."""
    with np.load(folder / entry["file"]) as arrays:
        return Data(
            name=entry["name"],
            columns=entry["columns"],
            categorical=entry["categorical"],
            ordered=entry["ordered"],
            timed=entry["timed"],
            reference=arrays["reference"],
            windows=arrays["windows"],
        )


def measure(data: Data, detector_class: type) -> dict:
    """Return the flagged columns of each window, worst first, and the CPU seconds of each evaluation."""
    started = time.process_time()
    detector = detector_class(data)
    fit_seconds = time.process_time() - started
    if data.timed:
        detector.evaluate(detector.prepare(data.windows[-1]))  # imports and caches, not counted
    flagged, seconds = [], []
    for rows in data.windows:
        window = detector.prepare(rows)
        started = time.process_time()
        flagged.append([str(name) for name in detector.evaluate(window)])
        seconds.append(time.process_time() - started)
        if data.timed and sum(seconds) > TIMED_SECONDS and len(seconds) >= TIMED_WINDOWS:
            break
    return {"fit_seconds": fit_seconds, "flagged": flagged, "cpu_seconds": seconds}


def main(tool: str, job_file: str, result_file: str) -> None:
    warnings.simplefilter("ignore")  # of the tools, about pandas and about chunk counts
    job = json.loads(Path(job_file).read_text())
    detector_class = importlib.import_module(f".{tool}", __package__).Detector
    found = {}
    for entry in job["data"]:
        found[entry["name"]] = measure(load(entry, Path(job_file).parent), detector_class)
        print(entry["name"], flush=True)
    result = {"version": importlib.metadata.version(job["packages"][tool]), "data": found}
    Path(result_file).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
