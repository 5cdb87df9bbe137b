"""How many servers one Prometheus takes: the rules' seconds, processor and memory, by the size of the fleet.

    make bench-scale        (python -m benchmarks.scale --hosts 1,10,25,50)

Every server is asked for a page of its own, the page of a real worker that serves a classifier of 100 numbers, four
times over, of which three columns have drifted; the rules and alerts are those of prometheus/. A line through the sizes
says at how many servers a group fills half of its interval. It writes the table and the picture in docs/scale.md.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.machine import RESULTS, machine
from benchmarks.scale.hosts import page, serving
from benchmarks.scale.prometheus import Cost, Fleet, measured, rules
from benchmarks.scale.report import draw, write

FILE = RESULTS / "scale.json"
FEATURES, WORKERS = 100, 4
ALL_FEATURES = 10 * FEATURES  # no model here is wider
SLOWEST = 10


def cost_of(hosts: int, port: int, *, seconds: float, console: Console) -> Cost:
    """Measure a fleet of so many servers, whose page is at a port."""
    with tempfile.TemporaryDirectory() as folder, Fleet(Path(folder), hosts, port) as fleet:
        fleet.fill()
        cost = measured(fleet, seconds=seconds)
        slowest = max(cost.group_seconds, key=lambda name: cost.group_seconds[name] / cost.intervals[name])
        console.print(
            f"{hosts} servers, {cost.series:,} series: {slowest} {cost.group_seconds[slowest]:.3f} s of "
            f"{cost.intervals[slowest]:g}; {cost.processor:.2f} cores, {cost.rss_bytes / 1e9:.2f} GB",
            highlight=False,
        )
        for rule in rules(fleet.address)[:SLOWEST]:
            console.print(f"  {rule.seconds:.3f} s  {rule.group}  {rule.name}", highlight=False)
        return cost


def main(
    hosts: Annotated[str, typer.Option(help="Sizes of the fleet.")] = "1,10,25,50",
    seconds: Annotated[
        float, typer.Option(help="How long each is looked at; a day's group runs every 120.")
    ] = 150,
) -> None:
    """Measure, fit, and write docs/scale.md."""
    console = Console()
    served = page(FEATURES, WORKERS)
    with serving(served) as port:
        costs = [cost_of(int(size), port, seconds=seconds, console=console) for size in hosts.split(",")]
    results = {
        "machine": machine(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "settings": {"features": FEATURES, "workers": WORKERS},
        "page": dict(served.names),
        "all_detailed": page(FEATURES, WORKERS, detailed_features=ALL_FEATURES).names.total(),
        "costs": [asdict(cost) for cost in costs],
    }
    FILE.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    draw(results)
    write(results)


if __name__ == "__main__":
    typer.run(main)
