"""How fast labels find their predictions: ``python -m benchmarks.labels`` (``make bench-labels``).

Predictions come as the files that workers write; labels in any order, 5 % of them twice and 2 % corrected. Prints rows
a second of wall-clock and of CPU time of the store alone, and writes benchmarks/results/labels.json.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import RESULTS, machine
from torchvitals.worker.prediction_files import PredictionFiles, Predictions
from torchvitals_labels.collecting import Collector
from torchvitals_labels.database import Database
from torchvitals_labels.store import Label, Store

CLASSES = ("on time", "late", "very late")
FILE_ROWS, LABEL_ROWS = 5_000, 10_000
LEAST_LABELS_A_SECOND = 20_000


def predictions_of(ids: list[str], rng: np.random.Generator) -> Predictions:
    """Return predictions with these ids."""
    scores = rng.dirichlet(np.ones(len(CLASSES)), len(ids))
    confidence = scores.max(axis=1)
    return Predictions(
        kind="class",
        classes=CLASSES,
        ids=ids,
        segments=[],
        times=np.full(len(ids), time.time()),
        predicted=scores.argmax(axis=1).astype(np.float64),
        confidence=confidence,
        expected=confidence,
        scores=scores,
    )


def labels_of(ids: list[str], rng: np.random.Generator) -> Iterator[list[Label]]:
    """Yield a label for each id in any order, some of them wrong at first, and some twice."""
    wrong = rng.choice(len(ids), len(ids) // 50, replace=False)
    order = np.concatenate([rng.permutation(len(ids)), rng.choice(len(ids), len(ids) // 20)])
    for rows, shift in ((wrong, 1), (order, 0)):
        for start in range(0, len(rows), LABEL_ROWS):
            part = rows[start : start + LABEL_ROWS].tolist()
            yield [Label(ids[row], CLASSES[(row + shift) % len(CLASSES)]) for row in part]


class Rate:
    """Rows a second of what is timed."""

    def __init__(self) -> None:
        self.rows = 0
        self._wall = self._cpu = 0.0

    def time(self, work: Callable[[], object], rows: int) -> None:
        """Run it, and count its rows."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self._wall += time.perf_counter() - wall
        self._cpu += time.process_time() - cpu
        self.rows += rows

    def as_json(self) -> dict[str, float]:
        """Return what was measured."""
        return {
            "rows": self.rows,
            "rows_a_second": round(self.rows / self._wall),
            "rows_a_cpu_second": round(self.rows / self._cpu),
        }


def main(
    rows: Annotated[int, typer.Option(help="Predictions.")] = 1_000_000,
    store: Annotated[
        str, typer.Option(help="File of SQLite, or address of PostgreSQL; new by default.")
    ] = "",
) -> None:
    """Measure, print, and write the result of SQLite."""
    rng = np.random.default_rng(0)
    ids = [f"{number:08x}-{rng.integers(2**62):x}" for number in rng.permutation(rows).tolist()]
    # The benchmark's own objects are nothing that a service would have to look through.
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(store or str(Path(folder) / "labels.sqlite"))
        opened = Store(database, "benchmark")
        predictions, labels = Rate(), Rate()
        waiting = Path(folder) / "predictions"
        files = PredictionFiles(
            waiting, model_name="flights", model_version="1.0", worker="9000", max_bytes=2**40
        )
        collector = Collector([waiting])
        for start in range(0, rows, FILE_ROWS):
            some = ids[start : start + FILE_ROWS]
            files.write(predictions_of(some, rng))
            predictions.time(lambda: collector.collect(opened), len(some))
        for given in labels_of(ids, rng):
            labels.time(lambda: opened.take_labels(given), len(given))  # noqa: B023
        right = sum(
            -total.value if total.change == "taken_back" else total.value
            for total in opened.totals()
            if total.quantity == "model_labelled"
        )
        database.close()
    assert right == rows, (right, rows)
    table = Table("", "rows", "a second", "a CPU second", title=f"{database.kind}, {os.cpu_count()} cores")
    found = {"predictions": predictions.as_json(), "labels": labels.as_json()}
    for name, measured in found.items():
        table.add_row(name, *(f"{value:,}" for value in measured.values()))
    Console().print(table)
    if not store:
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        content = {"date": date, "machine": machine(), **found}
        (RESULTS / "labels.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if found["labels"]["rows_a_second"] < LEAST_LABELS_A_SECOND:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
