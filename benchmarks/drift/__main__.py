"""Compare drift detectors: ``python -m benchmarks.drift`` (``make bench-drift``).

Makes an environment for each tool in .run/bench-drift, measures them all, prints the table, and writes
benchmarks/results/drift.json and docs/drift-comparison.md.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .document import DOCUMENT, RESULT, NoReasonError, document
from .run import ToolError, install, merged, run
from .scenarios import DATA_SETS, make
from .table import printed


def main(
    only_document: Annotated[
        bool, typer.Option("--only-document", help="Measure nothing; print and write what the JSON has.")
    ] = False,
    only: Annotated[
        Optional[list[str]],
        typer.Option(
            help=f"Measure this data set alone, and keep the other figures; one of {', '.join(DATA_SETS)}."
        ),
    ] = None,
) -> None:
    """Measure false alarms, detections, rows until detection and CPU time of drift detectors."""
    console = Console() if sys.stdout.isatty() else Console(width=180)  # the table is wide
    wanted = only or list(DATA_SETS)
    if unknown := set(wanted) - set(DATA_SETS):
        raise typer.BadParameter(
            f"no data set {', '.join(sorted(unknown))}; there are {', '.join(DATA_SETS)}"
        )
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
            task = progress.add_task("making the data", total=len(wanted) * len(pythons))
            result = run(
                map(make, wanted),
                pythons,
                missing,
                done=lambda tool, name: progress.update(task, advance=1, description=f"{tool}: {name}"),
            )
        if only:
            try:
                result = merged(json.loads(RESULT.read_text()), result)
            except ToolError as error:
                console.print(str(error), markup=False)
                raise typer.Exit(1) from error
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
