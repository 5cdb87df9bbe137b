"""What the verdict sees and who is told: ``python -m benchmarks.scenarios`` (``make bench-drift``).

Judges every scenario of the catalogue, plays it to the shipped alerts, asks other tools about the same windows, prints
the tables, and writes benchmarks/results/scenarios.json and docs/drift-scenarios.md.
"""

from __future__ import annotations

import json
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from time import perf_counter
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .alerts import promtool
from .catalogue import SCENARIOS, Case, cases
from .document import DOCUMENT, RESULT, document
from .notifying import notified
from .over_time import STORIES, Story, tell
from .own import judge
from .peers import TOOLS, compare
from .table import printed

STORIES_AT_ONCE = 4


def main(
    only: Annotated[
        Optional[list[str]],
        typer.Option(help="Measure the scenarios whose names begin so, print them alone, and write nothing."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A fifth of the windows; writes nothing.")] = False,
    peers: Annotated[bool, typer.Option(help="Ask other tools too.")] = True,
    alerts: Annotated[bool, typer.Option(help="Ask the shipped alerts too; needs promtool.")] = True,
    render: Annotated[
        bool, typer.Option("--render", help="Measure nothing; write what the JSON has.")
    ] = False,
) -> None:
    """Measure what is flagged and notified, scenario by scenario."""
    console = Console() if sys.stdout.isatty() else Console(width=200)  # the table is wide
    if not render:
        rows = tuple(one for one in cases() if _wanted(one, only))
        stories = tuple(one for one in STORIES if _wanted(one.case, only))
        if not rows and not stories:
            names = dict.fromkeys(
                [one.name for one in SCENARIOS] + [one.case.scenario.name for one in STORIES]
            )
            raise typer.BadParameter(f"no scenario begins so; there are {', '.join(names)}")
        if alerts and promtool() is None:
            raise typer.BadParameter(
                "promtool is not installed; install Prometheus ('make setup' does), or give --no-alerts"
            )
        result = _measured(rows, stories, console, quick=quick, peers=peers, alerts=alerts)
        if quick or only:
            _print(result, console)
            return
        if not peers and RESULT.exists():
            result["peers"] = json.loads(RESULT.read_text())["peers"]
        RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    elif not RESULT.exists():
        raise typer.BadParameter(f"{RESULT} is not there; measure first, without --render")
    result = json.loads(RESULT.read_text())
    _print(result, console)
    DOCUMENT.write_text(document(result))
    console.print(f"Written: {DOCUMENT.name}, {RESULT.name}", highlight=False)


def _wanted(case: Case, only: Optional[list[str]]) -> bool:
    return not only or case.scenario.name.startswith(tuple(only))


def _measured(
    rows: tuple[Case, ...],
    stories: tuple[Story, ...],
    console: Console,
    *,
    quick: bool,
    peers: bool,
    alerts: bool,
) -> dict[str, Any]:
    """Return what goes into the JSON file."""
    started = perf_counter()
    result: dict[str, Any] = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "cases": {},
        "stories": {},
        "peers": {},
    }
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("scenarios", total=len(rows) + len(stories) + peers * len(TOOLS) * len(rows))
        # The monitors of stories rest for most of the time, as they do beside requests.
        with ThreadPoolExecutor(STORIES_AT_ONCE) as pool:
            told = {one.key: pool.submit(tell, one, quick=quick, alerts=alerts) for one in stories}
            for case in rows:
                progress.update(task, description=case.key)
                result["cases"][case.key] = judge(case, quick=quick)
                if alerts and case.scenario.notified:
                    result["cases"][case.key] |= notified(case, quick=quick)
                progress.advance(task)
            for key, story in told.items():
                progress.update(task, description=key)
                result["stories"][key] = story.result()
                progress.advance(task)
        if peers:
            result["peers"] = compare(
                [case.key for case in rows],
                quick=quick,
                done=lambda tool, key: progress.update(task, advance=1, description=f"{tool}: {key}"),
            )
    console.print(f"Measured in {perf_counter() - started:.0f} s.", highlight=False)
    return result


def _print(result: dict[str, Any], console: Console) -> None:
    for table in printed(result):
        console.print(table)


if __name__ == "__main__":
    typer.run(main)
