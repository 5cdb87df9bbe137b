"""Compare estimated accuracy with the truth: ``python -m benchmarks.estimated_accuracy``.

Prints a table, and writes docs/estimated-accuracy.md. It takes two minutes.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from .data import cases, data_sets
from .document import DOCUMENT, document
from .flights import months
from .measure import Estimate, measured


def main(
    seeds: Annotated[int, typer.Option(help="How often each data set is split anew.", min=1)] = 3,
) -> None:
    """Measure how far stated estimates are from the truth, and what is withheld."""
    found: list[Estimate] = []
    for name in data_sets():
        for seed in range(seeds):
            for case in cases(seed, name):
                found += measured(case, np.random.default_rng(seed))
    text = document(found, list(months()))
    typer.echo(text)
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    typer.run(main)
