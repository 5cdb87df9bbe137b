"""Pictures of what monitoring costs, drawn from benchmarks/results/hotpath.json.

python -m benchmarks.hotpath.curves
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.machine import RESULTS, ROOT

PICTURE = ROOT / "docs" / "images" / "cost-curves.png"
BLUE, ORANGE = "#1f6fb4", "#d9822b"
MICROSECONDS = 1e6


def draw(results: Mapping[str, Any], picture: Path = PICTURE) -> None:
    """Draw the four curves side by side."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(9.5, 6.4), layout="constrained")
    by_features, by_batch, by_image, over_time = figure.subplots(2, 2).flat
    added = results["seconds_added"]
    _curve(by_features, added["features"], "features", "µs", "Added to a request, by features (batch 1)")
    by_features.set(yscale="linear", ylim=(0, 2 * max(added["features"].values()) * MICROSECONDS))
    _curve(by_batch, added["batch"], "rows in a batch", "µs", "Added to a call, by batch (10 features)")
    _curve(
        by_image, added["image side"], "side of a 3 × side × side image", "µs", "Added to a request, by image"
    )
    served = results["served"]
    millions = [turn["millions"] for turn in served]
    costs = [turn["seconds"] * MICROSECONDS for turn in served]
    over_time.plot(millions, costs, marker="o", color=BLUE)
    over_time.set(
        xlabel=f"million requests served, {results['settings']['served_batch']} a batch",
        ylabel="µs a request, flush included",
        ylim=(0, 1.6 * max(costs)),
        title="Cost and memory over time",
    )
    memory = over_time.twinx()
    memory.plot(millions, [turn["rss_bytes"] / 1e6 for turn in served], marker="s", color=ORANGE)
    memory.set(
        ylabel="memory of the process, MB", ylim=(0, 1.6 * max(turn["rss_bytes"] / 1e6 for turn in served))
    )
    memory.yaxis.label.set_color(ORANGE)
    over_time.yaxis.label.set_color(BLUE)
    figure.savefig(picture, dpi=110, metadata={"Software": None})


def _curve(axes: Any, seconds: Mapping[Any, float], xlabel: str, ylabel: str, title: str) -> None:
    numbers = [int(number) for number in seconds]
    axes.plot(numbers, [cost * MICROSECONDS for cost in seconds.values()], marker="o", color=BLUE)
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel, title=title)
    axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
    axes.minorticks_off()
    axes.grid(visible=True, axis="y", alpha=0.3)


if __name__ == "__main__":
    draw(json.loads((RESULTS / "hotpath.json").read_text(encoding="utf-8")))
