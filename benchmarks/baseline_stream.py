"""How fast a baseline is built from a stream, and in how much memory.

    python -m benchmarks.baseline_stream [--rows 10000000]

Batches of ten columns are generated on the way, so no file is read and no more than one batch is held. Only the
builder's CPU time counts, of all its threads, so the figure is per core. Exit status 1 when a budget is missed.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator
from datetime import datetime, timezone

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.machine import RESULTS, machine
from torchvitals.training import BaselineBuilder

COLUMNS = 10
BATCH_ROWS = 65_536
PARTS = 100
VALUES_PER_SECOND = 2_000_000
# What building may add to the memory of a process that has all libraries loaded and has seen one batch.
GROWTH_BYTES = 50_000_000
# How far, in standard deviations, the row's distance may differ between two samples of 20,000 rows.
SAMPLED_APART = 0.1


def batches(rows: int, seed: int = 0) -> Iterator[NDArray[np.float32]]:
    """Yield rows: six continuous columns (one with missing values), three of integers, one truth value."""
    rng = np.random.default_rng(seed)
    for start in range(0, rows, BATCH_ROWS):
        count = min(BATCH_ROWS, rows - start)
        batch = np.empty((count, COLUMNS), dtype=np.float32)
        batch[:, :6] = rng.standard_normal((count, 6), dtype=np.float32)
        np.exp(batch[:, 1], out=batch[:, 1])
        batch[:, 2] *= 1e6
        batch[rng.random(count) < 0.05, 3] = np.nan
        batch[:, 6] = rng.integers(0, 24, count)
        batch[:, 7] = rng.integers(0, 1440, count)
        batch[:, 8] = rng.integers(0, 1_000_000, count)
        batch[:, 9] = rng.integers(0, 2, count)
        yield batch


def peak_bytes() -> int:
    """Return the largest resident size that this process has had (Linux counts it in kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def build(rows: int) -> tuple[BaselineBuilder, float]:
    """Return the builder that has seen `rows` rows, and the CPU seconds that it took."""
    builder, seconds = BaselineBuilder(), 0.0
    for batch in batches(rows):
        started = time.process_time()
        builder.update(batch)
        seconds += time.process_time() - started
    return builder, seconds


def merge_in_parts(rows: int) -> tuple[BaselineBuilder, float]:
    """Return the builder merged from PARTS builders of the same rows, and the CPU seconds of merging alone."""
    parts = [BaselineBuilder() for _ in range(PARTS)]
    for index, batch in enumerate(batches(rows)):
        for place, piece in enumerate(np.array_split(batch, 4)):
            parts[(4 * index + place) % PARTS].update(piece)
    started = time.process_time()
    whole = BaselineBuilder()
    for part in parts:
        whole.merge(part)
    return whole, time.process_time() - started


def moments_apart(one: BaselineBuilder, other: BaselineBuilder) -> float:
    """Return the largest relative difference of means (to the std) and stds of two builders."""
    # The row's distance is learned from a sample of the rows, another one in each; it is compared apart.
    pairs = zip(one.baseline().column_features, other.baseline().column_features)
    return max(max(abs(a.mean - b.mean), abs(a.std - b.std)) / a.std for a, b in pairs)


def main(rows: int = typer.Option(10_000_000, help="Rows of ten columns to stream.")) -> None:
    """Time the building of a baseline from a stream."""
    build(BATCH_ROWS)
    before = peak_bytes()
    builder, seconds = build(rows)
    growth = peak_bytes() - before
    started = time.process_time()
    size = len(builder.baseline(mergeable=True).features)
    describe = time.process_time() - started
    speed = rows * COLUMNS / seconds
    print(f"streamed            {rows:,} rows x {size} columns in {seconds:.2f} s of CPU")
    print(
        f"speed               {speed / 1e6:.2f} million values/s a core (budget {VALUES_PER_SECOND / 1e6:.0f})"
    )
    print(
        f"peak RSS            {peak_bytes() / 1e6:.0f} MB, of which {growth / 1e6:.1f} MB came after the first batch"
    )
    print(f"describing          {describe * 1000:.0f} ms")

    some = min(rows, 2_000_000)
    whole, merging = merge_in_parts(some)
    once, _ = build(some)
    apart = moments_apart(whole, once)
    print(f"merging {PARTS} parts   {merging * 1000:.0f} ms ({some:,} rows)")
    print(f"merge or one pass   mean and std differ by {apart:.1e} of the std at most")
    ours, theirs = (builder.baseline().of_source("input")[-1] for builder in (whole, once))
    sampled = abs(ours.mean - theirs.mean) / theirs.std
    print(f"row_distance        mean differs by {sampled:.3f} of its std; each is learned from a sample")

    kept = speed >= VALUES_PER_SECOND and growth <= GROWTH_BYTES and apart < 1e-9 and sampled < SAMPLED_APART
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {"rows": rows, "columns": COLUMNS},
        "values_per_second": speed,
        "peak_rss_bytes": peak_bytes(),
        "growth_bytes": growth,
        "merged_moments_apart": apart,
    }
    (RESULTS / "baseline_stream.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("budgets kept" if kept else "BUDGET MISSED")
    if not kept:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
