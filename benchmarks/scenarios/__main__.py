"""``python -m benchmarks.scenarios``: what is flagged and notified, scenario by scenario, in one table."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Annotated, Any, Optional

import typer
from rich.console import Console

from .catalogue import SCENARIOS, cases
from .own import judge
from .table import printed


def main(
    only: Annotated[
        Optional[list[str]],
        typer.Option(help="Measure the scenarios whose names begin so, and print them alone."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A fifth of the windows.")] = False,
) -> None:
    """Measure every scenario."""
    console = Console() if sys.stdout.isatty() else Console(width=200)
    started = perf_counter()
    wanted = tuple(one for one in SCENARIOS if not only or one.name.startswith(tuple(only)))
    if not wanted:
        raise typer.BadParameter(
            f"no scenario begins with that; there are {', '.join(o.name for o in SCENARIOS)}"
        )
    found: dict[str, dict[str, Any]] = {}
    for case in cases(wanted):
        began = perf_counter()
        found[case.key] = judge(case, quick=quick)
        print(f"{case.key}: {found[case.key]}, {perf_counter() - began:.1f} s", file=sys.stderr, flush=True)
    console.print(printed(found, cases(wanted)))
    console.print(f"Measured in {perf_counter() - started:.0f} s.", highlight=False)


if __name__ == "__main__":
    typer.run(main)
