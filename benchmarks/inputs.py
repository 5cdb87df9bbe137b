"""What each kind of input costs on the request path: describing it, or copying it, and writing the call down.

    make bench-models      (python -m benchmarks.inputs)

CPU time of one thread that a monitored call takes beyond a plain one, in turns; the median counts. The table is that of
docs/what-is-compared.md.
"""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.hotpath import actions
from benchmarks.hotpath.turns import TURNS_OF_IMAGES, added_seconds
from torchvitals import Baseline, Features

ROWS, COLUMNS = 300, 10
WORDS = [f"word{index}" for index in range(5_000)]


class Case(NamedTuple):
    """One request of a kind: how many of what it holds, a baseline's training data, and what is served.

    coded: columns of which the numbers are codes.
    """

    kind: str
    size: str
    training: Any
    served: Any
    coded: tuple[str, ...] = ()


def cases(generator: np.random.Generator) -> list[Case]:
    """Return a request of each kind, in the sizes that people have."""
    found = [
        Case("columns", f"{columns} columns", generator.normal(size=(ROWS, columns)), torch.randn(1, columns))
        for columns in (10, 100, 1_000)
    ]
    found += [
        Case("columns", f"{COLUMNS} columns with {what}", *few_columns(generator, what))
        for what in ("few values", "codes", "texts", "identifiers")
    ]
    small = generator.random((ROWS, 3, 32, 32), dtype=np.float32)
    for side in (32, 224, 1024):
        found.append(Case("images", f"3 × {side} × {side}", small, torch.rand(1, 3, side, side)))
    for length in (128, 2_048):
        ids = generator.integers(0, 30_000, (ROWS, length))
        found.append(Case("tokens", f"{length:,} ids", ids, torch.from_numpy(ids[:1])))
    for length in (100, 2_000):
        texts = [" ".join(generator.choice(WORDS, length)) for _ in range(ROWS)]
        found.append(Case("texts", f"{length:,} words", texts, texts[:1]))
    for size in (384, 1_536):
        rows = generator.normal(size=(ROWS, size)).astype(np.float32)
        found.append(Case("embeddings", f"{size:,} numbers", rows, torch.from_numpy(rows[:1])))
    return found


def few_columns(generator: np.random.Generator, what: str) -> tuple[Any, Any, tuple[str, ...]]:
    """Return training data of columns, one of which holds what is said, a served row, and the columns of codes."""
    rows = generator.normal(size=(ROWS, COLUMNS)).astype(object)
    if what in ("few values", "codes"):
        rows[:, 0] = generator.integers(0, 5, ROWS)
        numbers = rows.astype(np.float32)
        return numbers, torch.from_numpy(numbers[:1]), ("f0",) if what == "codes" else ()
    rows[:, 0] = (
        generator.choice(WORDS[:5], ROWS) if what == "texts" else [f"id-{row}" for row in range(ROWS)]
    )
    return rows, rows[:1], ()


def added(case: Case, turns: int) -> float:
    """Return the CPU seconds that the monitor adds to a call with one such input."""
    features = Features(inputs=case.kind, categories=dict.fromkeys(case.coded, "codes"))
    baseline = Baseline.fit(case.training, features=features, name="inputs")
    return added_seconds(actions.monitored(baseline, case.served), actions.plain(case.served), turns)


def main(
    turns: int = typer.Option(TURNS_OF_IMAGES, help="Turns of a plain and a monitored handler."),
    rounds: int = typer.Option(3, help="How often each kind is measured; the median counts."),
) -> None:
    """Measure, and print a table."""
    torch.set_num_threads(1)
    table = Table("kind", "an input", "added to a request, µs")
    for case in cases(np.random.default_rng(actions.SEED)):
        seconds = statistics.median(added(case, turns) for _ in range(rounds))
        table.add_row(case.kind, case.size, f"{seconds * 1e6:.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
