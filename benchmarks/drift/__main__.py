"""Compare drift detectors: ``python -m benchmarks.drift`` (``make bench-drift``).

Makes an environment for each tool in .run/bench-drift, measures them all, prints the table, and writes
benchmarks/results/drift.json and docs/drift-comparison.md.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .document import DOCUMENT, RESULT, NoReasonError, document
from .run import install, run
from .scenarios import DRIFTS, PERIODS, QUIET_SIZES, TIMED, all_data
from .table import printed

DATA_SETS = len(QUIET_SIZES) + len(DRIFTS) + len(PERIODS) + len(TIMED)


def main(
    only_document: Annotated[
        bool, typer.Option("--only-document", help="Measure nothing; print and write what the JSON has.")
    ] = False,
) -> None:
    """Measure false alarms, detections, rows until detection and CPU time of drift detectors."""
    console = Console() if sys.stdout.isatty() else Console(width=180)  # the table is wide
    if not only_document:
        started = perf_counter()
        with console.status("Installing the tools, each into an environment of its own"):
            pythons, missing = install()
        for key, reason in missing.items():
            console.print(f"{key} is left out: {reason}", markup=False)
        installed = perf_counter()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("making the data", total=DATA_SETS * len(pythons))
            result = run(
                all_data,
                pythons,
                missing,
                done=lambda tool, name: progress.update(task, advance=1, description=f"{tool}: {name}"),
            )
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        console.print(
            f"Installed in {installed - started:.0f} s, measured in {perf_counter() - installed:.0f} s.",
            highlight=False,
        )
    result = json.loads(RESULT.read_text())
    console.print(printed(result))
    try:
        text = document(result)
    except NoReasonError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from error
    DOCUMENT.write_text(text)
    console.print(f"Written: {DOCUMENT.name}, {RESULT.name}", highlight=False)


if __name__ == "__main__":
    typer.run(main)
