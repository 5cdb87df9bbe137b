"""Runs the microbenchmarks with pytest-benchmark, and reads what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .processes import MeasuringError, run

TIMER = "thread_time"
SUITE = Path(__file__).with_name("test_micro.py")


@dataclass(frozen=True)
class Statistics:
    """CPU seconds of one call, over rounds of so many calls."""

    median: float
    iqr: float
    min: float
    rounds: int
    iterations: int


# By the name of the function and its parameter, as pytest writes it: `flush[100]`.
Micro = dict[str, Statistics]


def run_suite(file: Path) -> Micro:
    """Run the microbenchmarks in a process of their own; `file` gets all that pytest-benchmark writes.

    Raises MeasuringError when one fails or was not measured in CPU time.
    """
    options = ["-q", "-p", "no:cacheprovider", f"--benchmark-json={file}", "--benchmark-quiet"]
    run(["-m", "pytest", str(SUITE), *options])
    return read(json.loads(file.read_text(encoding="utf-8")))


def read(report: Mapping[str, Any]) -> Micro:
    """Return the figures of a pytest-benchmark report; without its rounds, and without the machine's name.

    Raises MeasuringError when one was not measured in CPU time.
    """
    for one in report["benchmarks"]:
        if one["options"]["timer"] != TIMER:
            raise MeasuringError(f"{one['name']} was measured by {one['options']['timer']}, not by {TIMER}")
    names = Statistics.__dataclass_fields__
    return {
        one["name"].removeprefix("test_"): Statistics(**{name: one["stats"][name] for name in names})
        for one in report["benchmarks"]
    }


def medians(micro: Micro, function: str) -> dict[int, float]:
    """Return the medians of one function by its number: of ``flush[10]`` and ``flush[100]`` by 10 and 100."""
    prefix = f"{function}["
    return {int(name[len(prefix) : -1]): one.median for name, one in micro.items() if name.startswith(prefix)}
