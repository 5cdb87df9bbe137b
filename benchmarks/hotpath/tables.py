"""The tables that are printed, but for the budgets (benchmarks/budgets.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from .micro import Micro
from .peers import Cost
from .results import Results
from .scales import IMAGE_SIDE, WINDOW_COLUMNS

GENERATIONS = ("young", "middle", "oldest")
MEMORY_PARTS = {
    "imports": "imports",
    "at_rest": "monitor and baseline at rest",
    "waiting_calls": "calls waiting",
    "flushes": "flushes",
    "total": "at its most",
    "scipy": "scipy's special functions, beside",
}


def tables(results: Results) -> list[Table]:
    """Return all tables."""
    return [
        others_table(results),
        window_table(results),
        memory_table(results.memory),
        garbage_table(results.garbage_requests, results.garbage),
        *curve_tables(results),
        micro_table(results.micro),
    ]


def others_table(results: Results) -> Table:
    """Return what the monitor adds to a request, and what others add or take, in the same run."""
    table = _table("A request, and what others take, in the same run", "what", "µs")
    features, batch, image = (results.added[name] for name in ("features", "batch", "image side"))
    ours = (
        ("TorchVitals, a request of 10 features", features[10]),
        ("TorchVitals, a request of 100 features", features[100]),
        ("TorchVitals, a call of 64 rows of 10 features", batch[64]),
        (f"TorchVitals, a request of one image, 3 × {IMAGE_SIDE} × {IMAGE_SIDE}", image[IMAGE_SIDE]),
    )
    for title, seconds in ours:
        table.add_row(title, f"{seconds * 1e6:.1f}")
    for title, cost in results.others.items():
        table.add_row(f"{title} ({cost.version})" if cost.version else title, _microseconds(cost))
    return table


def window_table(results: Results) -> Table:
    """Return what judging a window of 1,000 rows takes, with ours beside Evidently."""
    headings = [f"{number} columns, ms" for number in WINDOW_COLUMNS]
    table = _table("Judging a window of 1,000 rows", "what", *headings)
    windows = results.windows
    table.add_row("TorchVitals, all statistics", *_milliseconds(results.evaluate))
    if windows.missing:
        table.add_row("Evidently", windows.missing)
    else:
        table.add_row(f"Evidently {windows.version}, its report", *_milliseconds(windows.report))
        table.add_row(f"Evidently {windows.version}, its column tests alone", *_milliseconds(windows.tests))
    return table


def memory_table(memory: Mapping[int, Mapping[str, int]]) -> Table:
    """Return what a worker's memory grows by, and what of it is what."""
    table = _table("Memory a worker, MB", "what", *(f"{features} features" for features in memory))
    for part, title in MEMORY_PARTS.items():
        table.add_row(title, *(f"{parts[part] / 1e6:.1f}" for parts in memory.values()))
    return table


def garbage_table(requests: int, garbage: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the collections of each generation and how long they held all threads."""
    table = _table(f"Garbage collections in {requests:,} requests of one row", "", *garbage)
    for generation, name in enumerate(GENERATIONS):
        table.add_row(
            f"collections, {name} generation",
            *(str(found["counts"][generation]) for found in garbage.values()),
        )
        table.add_row(
            f"longest, {name} generation, ms",
            *(f"{found['worst_seconds'][generation] * 1e3:.2f}" for found in garbage.values()),
        )
    table.add_row("all of them, ms", *(f"{found['total_seconds'] * 1e3:.1f}" for found in garbage.values()))
    return table


def curve_tables(results: Results) -> list[Table]:
    """Return what costs grow with."""
    by_features = (
        ("added to a request, µs", results.added["features"]),
        ("flush of 1,000 requests, µs", results.flush),
        ("of it evaluating, µs", results.evaluate),
    )
    return [
        _curve_table("Cost by features, batch 1", "features", by_features),
        _curve_table(
            "Cost by batch, 10 features", "batch", [("added to a call, µs", results.added["batch"])]
        ),
        _curve_table(
            "Cost by image, 3 × side × side",
            "side",
            [("added to a request, µs", results.added["image side"])],
        ),
    ]


def micro_table(micro: Micro) -> Table:
    """Return what pytest-benchmark found, each action alone."""
    headings = ("action", "median µs", "interquartile range µs", "least µs", "rounds × calls")
    table = _table("Each action alone, by pytest-benchmark", *headings)
    for name, one in micro.items():
        figures = (f"{seconds * 1e6:.2f}" for seconds in (one.median, one.iqr, one.min))
        table.add_row(name.replace("[", "\\["), *figures, f"{one.rounds} × {one.iterations}")
    return table


def _table(title: str, first: str, *headings: str) -> Table:
    """Return a table whose first column is text, and the others figures."""
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _curve_table(title: str, unit: str, columns: Sequence[tuple[str, Mapping[int, float]]]) -> Table:
    table = _table(title, unit, *(heading for heading, _ in columns))
    for number in columns[0][1]:
        table.add_row(f"{number:,}", *(f"{curve[number] * 1e6:.1f}" for _, curve in columns))
    return table


def _milliseconds(seconds: Mapping[int, float]) -> list[str]:
    return [f"{seconds[number] * 1e3:.1f}" for number in WINDOW_COLUMNS]


def _microseconds(cost: Cost) -> str:
    return cost.missing if cost.seconds is None else f"{cost.seconds * 1e6:.1f}"
