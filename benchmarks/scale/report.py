"""The table and the picture of docs/scale.md, from benchmarks/results/scale.json.

python -m benchmarks.scale.report
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.machine import RESULTS, ROOT
from benchmarks.scale.fit import SHARE, lines, most, through
from stack.documents import filled
from torchvitals.drift.statistics import STATISTICS
from torchvitals.telemetry import catalogue as m

DOCUMENT = ROOT / "docs" / "scale.md"
PICTURE = ROOT / "docs" / "images" / "scale.png"


def draw(results: Mapping[str, Any], picture: Path = PICTURE) -> None:
    """Draw each group's share of its interval over the servers, and its line beyond them."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    costs = results["costs"]
    hosts = [cost["hosts"] for cost in costs]
    beyond = np.geomspace(min(hosts), 1000, 100)
    order = sorted(lines(costs).items(), key=lambda item: -item[1].at(1000) / costs[0]["intervals"][item[0]])
    for index, (name, line) in enumerate(order):
        interval, colour = costs[0]["intervals"][name], f"C{index}"
        shares = [cost["group_seconds"][name] / interval for cost in costs]
        axes.plot(hosts, shares, "o", color=colour, markersize=4)
        label = f"{name.removeprefix('torchvitals-')} (each {interval:g} s)"
        axes.plot(beyond, [line.at(size) / interval for size in beyond], color=colour, label=label)
    axes.axhline(SHARE, color="black", linewidth=1, linestyle="--")
    axes.set(
        xscale="log", yscale="log", ylim=(1e-4, 4), xlabel="servers", ylabel="share of the interval",
        title="What an evaluation of each group of rules takes, and the line through it",
    )  # fmt: skip
    ticks = [*hosts, *(size for size in (200, 500, 1000) if size > max(hosts))]
    axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axes.minorticks_off()
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper left", fontsize=8, ncols=2)
    figure.savefig(picture, dpi=110, metadata={"Software": None})


def table(results: Mapping[str, Any]) -> str:
    """Return what was measured, and the lines, in Markdown."""
    costs, settings, machine = results["costs"], results["settings"], results["machine"]
    scraped = sum(results["page"].values())
    hosts = [cost["hosts"] for cost in costs]
    found = lines(costs)
    head = " | ".join(f"{size:,}" for size in hosts)
    rows = [
        ("series", [f"{cost['series']:,}" for cost in costs], [cost["series"] for cost in costs], "{:,.0f}"),
        ("memory, GB", [f"{cost['rss_bytes'] / 1e9:.2f}" for cost in costs],
         [cost["rss_bytes"] / 1e9 for cost in costs], "{:.2f}"),
        ("cores", [f"{cost['processor']:.2f}" for cost in costs], [cost["processor"] for cost in costs], "{:.2f}"),
    ]  # fmt: skip
    measured = (
        f"Measured on {results['date']}, {machine['processor']}, {machine['cores']} cores; a server has one model of "
        f"{settings['features']} features on {settings['workers']} workers, {scraped:,} series in all. The last column "
        "is where the line through the sizes is at 1,000 servers."
    )
    text = [
        *textwrap.wrap(measured, 100),
        "",
        f"| servers | {head} | 1,000 |",
        "|---|" + "--:|" * (len(hosts) + 1),
    ]
    for name, cells, values, written in rows:
        text.append(f"| {name} | {' | '.join(cells)} | {written.format(through(hosts, values).at(1000))} |")
    for name, line in found.items():
        interval = costs[0]["intervals"][name]
        cells = [f"{cost['group_seconds'][name]:.3f}" for cost in costs]
        text.append(f"| `{name}`, seconds of {interval:g} | {' | '.join(cells)} | {line.at(1000):.2f} |")
    bound, group = most(costs)
    filled_first = (
        f"By the lines, half of its interval is filled first by `{group}`, at **{bound:,} servers**. One server more "
        f"costs {through(hosts, [cost['rss_bytes'] / 1e6 for cost in costs]).each:.0f} MB and "
        f"{through(hosts, [cost['processor'] for cost in costs]).each * 1000:.1f} thousandths of a core."
    )
    text += [
        "",
        *textwrap.wrap(filled_first, 100),
        "",
        "Series of a server:",
        "",
        "| what | series |",
        "|---|--:|",
        *(f"| {what} | {count:,} |" for what, count in kinds(results["page"]).items()),
        f"| all | {scraped:,} |",
        f"| all, if every feature had the other statistics too | {results['all_detailed']:,} |",
    ]
    return "\n".join(text) + "\n"


def kinds(page: Mapping[str, int]) -> dict[str, int]:
    """Return the series of a server's page by what they are of."""
    main = {statistic.gauge for statistic in STATISTICS if statistic.main} | {m.DRIFTED.name}
    others = {statistic.gauge for statistic in STATISTICS} | {m.ROW_SHARE.name}
    found = {
        "verdict, KL, PSI, Wasserstein distance and mean shift: features × windows × workers": main,
        "the other statistics, of features that drifted: 8 × features × windows × workers": others - main,
        "counts by bin, and the baseline's shares: 2 × features × bins": {
            m.OBSERVATIONS.name, m.BASELINE_BIN_RATIO.name,
        },
        "invalid values: features × reasons": {m.INPUT_INVALID.name},
    }  # fmt: skip
    counted = {what: sum(page.get(name, 0) for name in names) for what, names in found.items()}
    rest = sum(page.values()) - sum(counted.values())
    return {**counted, "latency, requests, memory, the monitor itself": rest}


def write(results: Mapping[str, Any], document: Path = DOCUMENT) -> None:
    """Put the table into the document; raise ValueError where it has no place for it."""
    document.write_text(
        filled(document.read_text(encoding="utf-8"), "measured", table(results)), encoding="utf-8"
    )


if __name__ == "__main__":
    measured = json.loads((RESULTS / "scale.json").read_text(encoding="utf-8"))
    draw(measured)
    write(measured)
