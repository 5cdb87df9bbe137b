"""`torchvitals baseline`: build one from training data, and look at one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..baseline import Baseline, Feature
from ..errors import BaselineError
from ..variation import shortfall
from .console import clear_errors, console
from .model_outputs import run_model

BARS = " ▁▂▃▄▅▆▇█"

app = typer.Typer(help="What a model saw in training.", no_args_is_help=True)


@app.command()
def build(
    data: Path = typer.Option(
        ..., help="Training data as .parquet or .csv, in the units that the model is given."
    ),
    output: Path = typer.Option(..., help="File to write, for example baselines/fraud-1.0.json."),
    columns: Optional[str] = typer.Option(
        None, help="Input columns, in the model's order: a,b,c. Default: all."
    ),
    model: Optional[Path] = typer.Option(
        None, help="TorchScript file, or model.py with one class; its outputs join the baseline."
    ),
    weights: Optional[Path] = typer.Option(None, help="state_dict for model.py."),
    class_names: Optional[str] = typer.Option(
        None, help="Names of the classes, in the model's order: no,yes."
    ),
    time_column: Optional[str] = typer.Option(
        None, help="Column with the time of each row; the baseline then learns how its own windows vary."
    ),
    window: list[int] = typer.Option(
        [1000], help="Window size in rows that the model is watched with; may be given several times."
    ),
    name: Optional[str] = typer.Option(
        None, help="Model name. Default: from the file's name (NAME-VERSION.json)."
    ),
    version: Optional[str] = typer.Option(None, help="Model version. Default: from the file's name."),
) -> None:
    """Build a baseline from training data."""
    with clear_errors():
        stem_name, _, stem_version = output.stem.rpartition("-")
        frame = _read(data)
        names = _split(columns) or [str(column) for column in frame.columns if column != time_column]
        missing = [column for column in (*names, time_column or names[0]) if column not in frame.columns]
        if missing:
            raise BaselineError(
                f"'{data}' has no column {', '.join(missing)}; it has: {', '.join(map(str, frame.columns))}"
            )
        if time_column:
            frame = frame.sort_values(time_column, kind="stable", ignore_index=True)
        outputs = run_model(model, weights, frame[names].to_numpy(dtype="float32")) if model else None
        baseline = Baseline.fit(
            frame[names],
            outputs=outputs,
            class_names=_split(class_names),
            name=name or stem_name or output.stem,
            version=version or (stem_version if stem_name else "1.0"),
            ordered=time_column is not None,
            windows=tuple(window),
        )
        output.parent.mkdir(parents=True, exist_ok=True)
        baseline.save(output)
    console.print(f"wrote {output}: {baseline.samples:,} rows, {len(baseline.features)} features")
    for size in window if time_column else ():
        lacking = shortfall(baseline.samples, size)
        if lacking:
            console.print(
                f"window {size:,}: the rows are too few to learn how such windows vary; {lacking:,} more would do. "
                "The limits of the next smaller window are used, if there is one."
            )


@app.command()
def show(file: Path = typer.Argument(..., help="A baseline file.")) -> None:
    """Print a baseline as a table with small bars."""
    with clear_errors():
        baseline = Baseline.load(file)
    console.print(
        f"[bold]{baseline.name}[/] version {baseline.version}, {baseline.samples:,} rows, built {baseline.created}, "
        f"sha256 {baseline.sha256[:12]}"
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading in ("feature", "source", "kind", "distribution", "mean", "std", "min", "max", "missing"):
        number = heading in ("mean", "std", "min", "max", "missing")
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for feature in baseline.features:
        numbers = [f"{value:.4g}" for value in (feature.mean, feature.std, feature.min, feature.max)]
        if feature.kind == "categorical":
            numbers = ["", "", "", ""]
        missing = f"{feature.missing / max(baseline.samples, 1):.1%}"
        table.add_row(feature.name, feature.source, feature.kind, bars(feature), *numbers, missing)
    console.print(table)


def bars(feature: Feature, width: int = 24) -> str:
    """Return the distribution as a line of blocks: equal steps of value for numbers, a block a category.

    A numeric feature's bins hold equal shares, so its shape is drawn from its quantiles.
    """
    if feature.kind != "numeric":
        heights = [float(count) for count in feature.counts[:-2]]
    else:
        low, high = feature.quantiles[0], feature.quantiles[-1]
        span = (high - low) or 1.0
        heights = [0.0] * width
        for value in feature.quantiles:
            heights[min(int((value - low) / span * width), width - 1)] += 1
    top = max(heights, default=0.0) or 1.0
    return "".join(BARS[-(-int(height * 1000) * (len(BARS) - 1) // int(top * 1000))] for height in heights)


def _split(texts: Optional[str]) -> Optional[list[str]]:
    return [text.strip() for text in texts.split(",")] if texts else None


def _read(path: Path) -> Any:
    """Read a table. Raises BaselineError that says what is wrong with the file."""
    import pandas as pd

    readers = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
    if path.suffix not in readers:
        raise BaselineError(f"--data: '{path}' ends in '{path.suffix}'; give a .parquet or a .csv file")
    try:
        return readers[path.suffix](path)
    except FileNotFoundError as error:
        raise BaselineError(f"--data: there is no file '{path}'") from error
    except (ValueError, OSError) as error:
        raise BaselineError(f"--data: '{path}' cannot be read: {error}") from error
