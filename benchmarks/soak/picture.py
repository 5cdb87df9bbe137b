"""A picture of the soak's memory over time, drawn from benchmarks/results/soak.json.

python -m benchmarks.soak.picture
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.hotpath.curves import BLUE, ORANGE
from benchmarks.machine import RESULTS, ROOT
from benchmarks.soak.growth import MEGABYTE

PICTURE = ROOT / "docs" / "images" / "soak.png"
COLORS = {"plain": BLUE, "monitored": ORANGE}
STYLES = ("-", "--", ":", "-.")


def draw(results: Mapping[str, Any], picture: Path = PICTURE) -> Path:
    """Draw the workers' memory, whole and as growth since the warm-up ended; return the picture's path."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    whole, grown = figure.subplots(1, 2)
    warm = results["settings"]["warmup_seconds"] / 60
    seen = dict.fromkeys(COLORS, 0)
    for worker in results["processes"]:
        if worker["model"] not in COLORS or not worker["samples"]["seconds"]:
            continue
        style = STYLES[seen[worker["model"]] % len(STYLES)]
        seen[worker["model"]] += 1
        look = {
            "color": COLORS[worker["model"]],
            "linestyle": style,
            "label": worker["name"],
            "linewidth": 1.3,
        }
        minutes = [second / 60 for second in worker["samples"]["seconds"]]
        megabytes = [value / MEGABYTE for value in worker["samples"]["rss_bytes"]]
        whole.plot(minutes, megabytes, **look)
        begin = next((value for minute, value in zip(minutes, megabytes) if minute >= warm), megabytes[-1])
        grown.plot(minutes, [value - begin for value in megabytes], **look)
    whole.set(xlabel="minutes", ylabel="MB", ylim=(0, None), title="Resident memory of the workers")
    grown.set(xlabel="minutes", ylabel="MB", title="Growth since the warm-up ended")
    whole.legend(frameon=False, loc="lower right")
    for axes in (whole, grown):
        axes.axvspan(0, warm, color="0.93", linewidth=0)
        axes.set_xlim(0, results["settings"]["minutes"])
        axes.grid(visible=True, axis="y", alpha=0.3)
    figure.savefig(picture, dpi=110, metadata={"Software": None})
    return picture


if __name__ == "__main__":
    draw(json.loads((RESULTS / "soak.json").read_text(encoding="utf-8")))
