"""What monitoring may cost, and what the benchmarks found it to cost.

    python -m benchmarks.budgets        (make bench measures everything first)

Each benchmark prints its own budgets; here are all, from the files in benchmarks/results.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import RESULTS

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Budget:
    """A limit on what a benchmark finds, in `unit`.

    file: the name of the results in benchmarks/results. read: takes the value out of them, in base units; `scale`
    makes `unit` of it.
    """

    what: str
    sign: Literal["≤", "≥"]
    limit: float
    unit: str
    file: str
    read: Callable[[Found], float]
    scale: float = 1.0

    def value(self, results: Found) -> float:
        """Return what was found, in `unit`."""
        return self.read(results) * self.scale

    def holds(self, results: Found) -> bool:
        """Whether what was found is within the limit."""
        value = self.value(results)
        return value <= self.limit if self.sign == "≤" else value >= self.limit


def _median_ratio(field: str, other: str = "plain") -> Callable[[Found], float]:
    """Return what takes the median over rounds of the monitored variant's figure over another's."""
    return lambda found: statistics.median(
        one["monitored"][field] / one[other][field] for one in found["rounds"]
    )


def _miscounted(found: Found) -> float:
    """Return by how many the counts of requests and predictions differ from what was sent."""
    return float(
        sum(
            abs(one[field] - one["sent"])
            for one in found["widths"].values()
            for field in ("counted", "predictions")
        )
    )


def _most(field: str, added_to: str = "") -> Callable[[Found], float]:
    """Return what takes the largest figure of all numbers of classes, or the most that it is above another."""
    return lambda found: max(
        one[field] - (one[added_to] if added_to else 0) for one in found["widths"].values()
    )


BUDGETS = (
    Budget(
        "added to a request, batch 1, 10 features",
        *("≤", 5.0, "µs", "hotpath", lambda found: found["seconds_added"]["features"]["10"], 1e6),
    ),
    Budget(
        "all of the monitor a request, flush included, 1,000 requests/s",
        *("≤", 15.0, "µs", "hotpath", lambda found: found["all_seconds_a_request"], 1e6),
    ),
    Budget(
        "worker CPU a request, monitored ÷ plain",
        *("≤", 0.80, "×", "server", _median_ratio("worker_cpu_seconds")),
    ),
    Budget("throughput, monitored ÷ plain", "≥", 1.10, "×", "server", _median_ratio("throughput")),
    Budget(
        "throughput, our settings monitored ÷ defaults unmonitored",
        *("≥", 1.30, "×", "server", _median_ratio("throughput", "defaults")),
    ),
    Budget("p99 under load, monitored ÷ plain", "≤", 1.05, "×", "server", _median_ratio("p99_seconds")),
    Budget(
        "request p99 while a flush runs, 100 features, monitored ÷ plain",
        *("≤", 1.05, "×", "flush", lambda found: found["loads"]["paced"]["p99_in_flushes_ratio"]),
    ),
    Budget(
        "evaluating all statistics, 100 features × 1,000 rows",
        *("≤", 10.0, "ms", "hotpath", lambda found: found["evaluate_seconds"]["100"], 1e3),
    ),
    Budget(
        "memory a worker beyond torch, numpy and scipy, 100 features",
        *("≤", 10.0, "MB", "hotpath", lambda found: found["memory_bytes"]["100"]["total"], 1e-6),
    ),
    Budget(
        "baseline of streamed data, a core",
        *("≥", 2.0, "M values/s", "baseline_stream", lambda found: found["values_per_second"], 1e-6),
    ),
    Budget(
        "requests and predictions not counted once, 1,000 to 100,000 classes",
        *("≤", 0.0, "", "many-classes", _miscounted),
    ),
    Budget(
        "1,000 classes on the request path, a row of a batch of 64",
        *("≤", 5.0, "µs", "many-classes", lambda found: found["widths"]["1000"]["path_seconds"], 1e6),
    ),
    Budget(
        "verdict on 1,000 to 100,000 classes, the first",
        *("≤", 50.0, "ms", "many-classes", _most("verdict_seconds"), 1e3),
    ),
    Budget("its memory", "≤", 50.0, "MB", "many-classes", _most("verdict_bytes"), 1e-6),
    Budget(
        "memory a worker of 100,000 classes, monitored less plain",
        *("≤", 50.0, "MB", "many-classes", _most("worker_bytes", "worker_plain_bytes"), 1e-6),
    ),
)


def table(results: Mapping[str, Found]) -> Table:
    """Return the budgets of these results, by file name without its ending."""
    shown = Table(title="Budgets", title_justify="left")
    for heading in ("what", "budget", "measured", ""):
        shown.add_column(heading, justify="left" if heading in ("what", "") else "right")
    for one in BUDGETS:
        if one.file in results:
            found = results[one.file]
            value, held = f"{one.value(found):.3g} {one.unit}", "holds" if one.holds(found) else "fails"
            shown.add_row(one.what, f"{one.sign} {one.limit:g} {one.unit}", value, held)
    return shown


def main() -> None:
    """Print all budgets, with what was measured last."""
    files = dict.fromkeys(one.file for one in BUDGETS)
    there = {file: RESULTS / f"{file}.json" for file in files if (RESULTS / f"{file}.json").is_file()}
    results = {file: json.loads(path.read_text(encoding="utf-8")) for file, path in there.items()}
    console = Console(width=120)
    console.print(table(results))
    for file in files:
        found = results.get(file)
        console.print(
            f"{file}: measured {found['date']}" if found else f"{file}: not measured", highlight=False
        )


if __name__ == "__main__":
    typer.run(main)
