"""`torchvitals baseline recalibrate`: what confidence is worth, by labels of served predictions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Optional

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..accuracy.estimate import FEWEST_LABELS, ExpectedAccuracy, count_accuracy
from ..errors import BaselineError
from ..training.baseline import Baseline
from .console import clear_errors, console
from .labels import address_of, part

BINS = 10
SECONDS_A_DAY = 86_400.0


def recalibrate(
    baseline: Path = typer.Argument(..., help="A baseline file of the model."),
    output: Path = typer.Option(..., help="File to write."),
    store: str = typer.Option(
        "labels.sqlite", help="The store of 'torchvitals labels serve'; TORCHVITALS_STORE gives it too."
    ),
    model_name: Optional[str] = typer.Option(
        None, help="Name under which it is served. Default: the baseline's."
    ),
    model_version: Optional[str] = typer.Option(None, help="Its version. Default: the baseline's."),
    days: float = typer.Option(30.0, min=0.01, help="Days of predictions to take, back from now."),
) -> None:
    """Fit the estimate of accuracy to labels that came for served predictions; nothing else changes."""
    with clear_errors():
        found = Baseline.load(baseline)
        database = part("database").Database(address_of(store))
        try:
            joined = part("joined").joined_classes(
                database,
                model_name=model_name or found.name,
                model_version=model_version or found.version,
                since=time.time() - days * SECONDS_A_DAY,
            )
        finally:
            database.close()
        classes = [] if found.outputs is None else found.outputs.classes
        if joined.classes != classes:
            raise BaselineError(
                f"the predictions are of the classes {', '.join(joined.classes[:10])}, and the baseline's are "
                f"{', '.join(classes[:10]) or 'none'}; give the baseline that was served"
            )
        known = ~np.isnan(joined.confidence)
        predicted, confidence, actual = (
            column[known] for column in (joined.predicted, joined.confidence, joined.actual)
        )
        if len(predicted) < 2 * FEWEST_LABELS:
            raise BaselineError(
                f"{len(predicted)} predictions have a label and a confidence; it takes {2 * FEWEST_LABELS}"
            )
        fitted = msgspec.structs.replace(
            found, accuracy=count_accuracy(predicted, confidence, actual, classes)
        ).sealed()
        before = None if found.accuracy is None else ExpectedAccuracy(found.accuracy).of_each(confidence)
        after = _crossed(predicted, confidence, actual, classes)
        console.print(_table(confidence, predicted == actual, before, after))
        fitted.save(output)
        typer.echo(
            f"wrote {output}: accuracy {(predicted == actual).mean():.1%} on {len(predicted):,} labels"
        )


def _crossed(
    predicted: NDArray[np.float64], confidence: NDArray[np.float64], actual: NDArray[np.float64], classes: Any
) -> NDArray[np.float64]:
    """Return what each half says of the other, (n,): what is fitted to rows is no judge of the same rows."""
    expected = np.empty(len(predicted))
    odd = np.arange(len(predicted)) % 2 == 1
    for half in (odd, ~odd):
        fitted = count_accuracy(predicted[half], confidence[half], actual[half], classes)
        expected[~half] = ExpectedAccuracy(fitted).of_each(confidence[~half])
    return expected


def _table(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    before: Optional[NDArray[np.float64]],
    after: NDArray[np.float64],
) -> Table:
    table = Table("confidence", box=SIMPLE_HEAD)
    for heading in ("predictions", "right", "estimate before", "estimate after"):
        table.add_column(heading, justify="right")
    place = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1)
    parts = [(f"{(at + 1) / BINS:.1f}", place == at) for at in range(BINS) if (place == at).any()]
    for name, chosen in [*parts, ("all", np.ones(len(right), dtype=bool))]:
        table.add_row(
            name if name == "all" else f"to {name}",
            f"{chosen.sum():,}",
            f"{right[chosen].mean():.1%}",
            "none" if before is None else f"{before[chosen].mean():.1%}",
            f"{after[chosen].mean():.1%}",
        )
    return table
