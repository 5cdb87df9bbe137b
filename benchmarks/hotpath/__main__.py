"""What the monitor adds to a request, and what its flush costs, without a server.

    make bench-hotpath      (python -m benchmarks.hotpath)

CPU time, one thread. What is added to a request is the difference between a monitored and a plain handler with the same
stages, which compute nothing: turns of both alternate, and the median of the differences counts. Each action alone is
measured by pytest-benchmark. Peers are measured in the same run, each in an environment of its own.
"""

from __future__ import annotations

import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
import typer
from rich.console import Console

from benchmarks import budgets
from benchmarks.machine import RESULTS, ROOT

from . import actions, curves, turns
from .micro import Micro, run_suite
from .peers import OBSERVING, Cost, evidently_windows, observation
from .processes import measured
from .results import Results, content
from .scales import BATCHES, FEATURES, IMAGE_SIDES, MEMORY_FEATURES, WINDOW_COLUMNS
from .tables import tables

GARBAGE_REQUESTS = 100_000
REPORT = ROOT / ".run" / "hotpath-pytest-benchmark.json"


def measure(console: Console, *, millions: int, report: Path) -> Results:
    """Measure everything."""
    console.print("what is added to a request", highlight=False)
    added = {
        "features": {features: turns.added_to_rows(1, features) for features in FEATURES},
        "batch": {rows: turns.added_to_rows(rows, 10) for rows in BATCHES},
        "image side": {side: turns.added_to_an_image(side) for side in IMAGE_SIDES},
    }
    all_at_1000_a_second = turns.all_seconds_a_request()
    console.print("each action alone, by pytest-benchmark", highlight=False)
    micro = run_suite(report)
    console.print("memory and garbage collections", highlight=False)
    memory = {features: memory_of_a_worker(features) for features in MEMORY_FEATURES}
    garbage = {way: measured("garbage", way, str(GARBAGE_REQUESTS)) for way in ("plain", "monitored")}
    console.print(f"{millions} million requests", highlight=False)
    served = turns.served_over_time(millions)
    console.print("peers", highlight=False)
    return Results(
        added=added,
        micro=micro,
        all_at_1000_a_second=all_at_1000_a_second,
        memory=memory,
        garbage_requests=GARBAGE_REQUESTS,
        garbage=garbage,
        served=served,
        others=others(micro),
        windows=evidently_windows(WINDOW_COLUMNS),
    )


def memory_of_a_worker(features: int) -> dict[str, int]:
    """Return the bytes that a monitor takes in a worker, at its most and in parts."""
    with tempfile.TemporaryDirectory() as folder:
        baseline = Path(folder) / "baseline.json"
        actions.tabular_baseline(features).save(baseline)
        parts: dict[str, int] = measured("memory", str(baseline), str(features))
        return parts


def others(micro: Micro) -> dict[str, Cost]:
    """Return what TorchServe's own ways add to a request, and what libraries take for an observation."""
    torchserve = version("torchserve")
    found = {
        "TorchServe's profile: true, a request": Cost(
            turns.added_by_torchserve(actions.profiled), torchserve
        ),
        "five metrics emitted through TorchServe, a request": Cost(
            turns.added_by_torchserve(actions.emitting), torchserve
        ),
    }
    found.update((title, observation(peer)) for title, peer in OBSERVING.items())
    found["prometheus_client, a histogram observation"] = Cost(
        micro["prometheus_client"].median, version("prometheus_client")
    )
    return found


def main(
    millions: int = typer.Option(10, min=1, help="Millions of requests to serve, for the cost over time."),
    output: Path = typer.Option(RESULTS / "hotpath.json", help="The file for all figures."),
    picture: Path = typer.Option(curves.PICTURE, help="The file for the curves."),
    benchmark_json: Path = typer.Option(REPORT, help="The file for all that pytest-benchmark says."),
) -> None:
    """Measure what the monitor costs without a server, against its budgets and peers."""
    console = Console(width=120)
    torch.set_num_threads(1)
    benchmark_json.parent.mkdir(parents=True, exist_ok=True)
    results = measure(console, millions=millions, report=benchmark_json.resolve())
    # As JSON keeps it, whose keys are texts.
    text = json.dumps(content(results), indent=1)
    kept = json.loads(text)
    console.print(budgets.table({"hotpath": kept}))
    for table in tables(results):
        console.print(table)
    output.write_text(text + "\n", encoding="utf-8")
    curves.draw(kept, picture)
    wrote = ", ".join(os.path.relpath(file) for file in (output, picture, benchmark_json))
    console.print(f"wrote {wrote}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
