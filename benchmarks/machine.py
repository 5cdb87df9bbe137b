"""Where a benchmark ran, and where its results go."""

from __future__ import annotations

import platform
import re
from importlib.metadata import version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def machine() -> dict[str, str]:
    """Return processor, cores and the versions that matter."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": model.group(1) if model else platform.processor(),
        "cores": str(psutil.cpu_count()),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchserve", "numpy")},
    }
