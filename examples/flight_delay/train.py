"""Train the flight delay model and say what it is worth.

``python -m examples.flight_delay.train`` writes into .run/flight_delay: ``model.pt`` (a state_dict), and
``train.parquet``, ``heldout.parquet``, ``february.parquet`` and ``july.parquet`` (the ten columns, ``label`` and
``time_hour``, in the order of time).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import nn

from .data import CLASSES, COLUMNS, LABEL, SEED, Splits, load_flights, split
from .model import FlightDelayNet

OUTPUT = Path(".run/flight_delay")
EPOCHS = 20
BATCH_ROWS = 512
PEAK_LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-2


@dataclass(frozen=True)
class Figures:
    """What a model does on a set of flights; ratios from 0 to 1, log-loss in nats."""

    rows: int
    accuracy: float
    macro_f1: float
    log_loss: float
    mean_confidence: float
    class_shares: tuple[float, ...]
    majority_accuracy: float  # of always answering the class that is the most frequent in training
    prior_log_loss: float  # of always answering the class shares of the training data


def rows_of(frame: pd.DataFrame) -> torch.Tensor:
    """Return the ten columns as a float32 tensor (n, 10)."""
    return torch.from_numpy(frame[COLUMNS].to_numpy(dtype=np.float32, copy=True))


def probabilities(model: FlightDelayNet, frame: pd.DataFrame) -> np.ndarray:
    """Return the class probabilities (n, 3) of each flight of ``frame``."""
    with torch.inference_mode():
        result: np.ndarray = model(rows_of(frame)).softmax(dim=1).numpy()
    return result


def train(frame: pd.DataFrame, *, seed: int = SEED, epochs: int = EPOCHS) -> FlightDelayNet:
    """Train on ``frame`` (ten columns and ``label``) and return the model in evaluation mode."""
    rows, labels = rows_of(frame), torch.from_numpy(frame[LABEL].to_numpy(copy=True))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = FlightDelayNet()
        values = rows.double().numpy()
        model.mean.copy_(torch.from_numpy(np.nanmean(values, axis=0)))
        std = np.nanstd(values, axis=0)
        model.std.copy_(torch.from_numpy(np.where(std > 0, std, 1.0)))  # a constant column says nothing
        loss = nn.CrossEntropyLoss()
        optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        steps = epochs * -(-len(rows) // BATCH_ROWS)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps)
        for _ in range(epochs):
            for batch in torch.split(torch.randperm(len(rows)), BATCH_ROWS):
                optimizer.zero_grad()
                loss(model(rows[batch]), labels[batch]).backward()
                optimizer.step()
                schedule.step()
    return model.eval()


def evaluate(model: FlightDelayNet, frame: pd.DataFrame, *, priors: np.ndarray) -> Figures:
    """Measure ``model`` on ``frame``; ``priors`` are the class shares of the training data."""
    scores, labels = probabilities(model, frame), frame[LABEL].to_numpy()
    predicted = scores.argmax(axis=1)
    hits = np.array([np.sum((predicted == c) & (labels == c)) for c in range(len(CLASSES))])
    predictions = np.bincount(predicted, minlength=len(CLASSES))
    truths = np.bincount(labels, minlength=len(CLASSES))
    return Figures(
        rows=len(frame),
        accuracy=float(np.mean(predicted == labels)),
        macro_f1=float(np.mean(2 * hits / np.maximum(predictions + truths, 1))),
        log_loss=float(-np.mean(np.log(scores[np.arange(len(labels)), labels]))),
        mean_confidence=float(scores.max(axis=1).mean()),
        class_shares=tuple(float(share) for share in predictions / len(frame)),
        majority_accuracy=float(np.mean(labels == priors.argmax())),
        prior_log_loss=float(-np.mean(np.log(priors[labels]))),
    )


def priors_of(frame: pd.DataFrame) -> np.ndarray:
    """Return the share of each class in ``frame``."""
    return np.bincount(frame[LABEL], minlength=len(CLASSES)) / len(frame)


def write(model: FlightDelayNet, splits: Splits, output: Path) -> None:
    """Write the weights and the four sets of flights into ``output``."""
    output.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), output / "model.pt")
    for field in fields(splits):
        frame: pd.DataFrame = getattr(splits, field.name)
        frame.to_parquet(output / f"{field.name}.parquet", index=False)


def figures_table(figures: dict[str, Figures]) -> Table:
    """Return a table with a column for each named set of flights."""
    table = Table(title="What the model is worth", title_justify="left")
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")
    rows: dict[str, Callable[[Figures], str]] = {
        "flights": lambda f: f"{f.rows:,}",
        "accuracy": lambda f: f"{f.accuracy:.3f}",
        "  always 'on_time'": lambda f: f"{f.majority_accuracy:.3f}",
        "log-loss": lambda f: f"{f.log_loss:.3f}",
        "  always the training shares": lambda f: f"{f.prior_log_loss:.3f}",
        "macro F1": lambda f: f"{f.macro_f1:.3f}",
        "mean confidence": lambda f: f"{f.mean_confidence:.3f}",
    }
    for title, text in rows.items():
        table.add_row(title, *(text(f) for f in figures.values()))
    for index, name in enumerate(CLASSES):
        table.add_row(f"predicted {name}", *(f"{f.class_shares[index]:.3f}" for f in figures.values()))
    return table


def run(output: Path = OUTPUT, *, seed: int = SEED, console: Console | None = None) -> dict[str, Figures]:
    """Load, train, measure, write into ``output``, print the figures and return them by set."""
    console = console or Console()
    started = perf_counter()
    splits = split(load_flights(), seed=seed)
    model = train(splits.train, seed=seed)
    priors = priors_of(splits.train)
    figures = {
        "trained on": evaluate(model, splits.train, priors=priors),
        "held out": evaluate(model, splits.heldout, priors=priors),
        "15 to 28 February": evaluate(model, splits.february, priors=priors),
        "July": evaluate(model, splits.july, priors=priors),
    }
    write(model, splits, output)
    console.print(figures_table(figures))
    console.print(
        f"Trained in {perf_counter() - started:.1f} s; weights and flights are in {output}.", highlight=False
    )
    return figures


def main(
    output: Annotated[
        Path, typer.Option(help="Folder for the weights and the four sets of flights.")
    ] = OUTPUT,
    seed: Annotated[
        int, typer.Option(help="Seed of the split, the weights and the order of batches.")
    ] = SEED,
) -> None:
    """Train the flight delay model on 1 January to 14 February 2013 and measure it on flights that it has not seen."""
    run(output, seed=seed)


if __name__ == "__main__":
    typer.run(main)
