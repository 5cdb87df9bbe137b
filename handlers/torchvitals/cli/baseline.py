"""`torchvitals baseline`: build one from training data, merge, compare, and look at one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..baseline import Baseline, Feature
from ..building import BaselineBuilder
from ..building.difference import differences
from ..errors import BaselineError
from ..variation import shortfall
from ..verdict import PSI_FLOOR
from .console import clear_errors, console
from .model_outputs import Model
from .progress import reading
from .tables import batches_of, columns_in, files_of

BARS = " ▁▂▃▄▅▆▇█"

app = typer.Typer(help="What a model saw in training.", no_args_is_help=True)


@app.command()
def build(
    data: list[str] = typer.Option(
        ...,
        help="Training data in the units that the model is given: a .parquet or .csv file, a folder, or a pattern "
        "in quotes such as 'train/*.parquet'; may be given several times.",
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
        None,
        help="Column with the time of each row; the baseline then learns how its own windows vary. "
        "Reads all rows into memory.",
    ),
    window: list[int] = typer.Option(
        [1000], help="Window size in rows that the model is watched with; may be given several times."
    ),
    mergeable: bool = typer.Option(
        False, "--mergeable", help="Keep what 'torchvitals baseline merge' needs; about 30 kB a feature."
    ),
    name: Optional[str] = typer.Option(
        None, help="Model name. Default: from the file's name (NAME-VERSION.json)."
    ),
    version: Optional[str] = typer.Option(None, help="Model version. Default: from the file's name."),
) -> None:
    """Build a baseline from training data of any size."""
    with clear_errors():
        if mergeable and time_column:
            raise BaselineError(
                "--mergeable does not go with --time-column: how windows vary cannot be merged; leave one out"
            )
        files = files_of(data)
        names = _input_columns(files, _split(columns), time_column)
        network = Model(model, weights) if model else None
        found_name, found_version = _name_and_version(output)
        name, version = name or found_name, version or found_version
        classes = _split(class_names)
        if time_column:
            frame = _in_order_of_time(files, names, time_column)
            baseline = Baseline.fit(
                frame[names],
                outputs=_outputs(network, frame[names]),
                class_names=classes,
                ordered=True,
                windows=tuple(window),
                name=name,
                version=version,
            )
        else:
            builder = BaselineBuilder(feature_names=names, class_names=classes, name=name, version=version)
            with reading(files) as show:
                for file in files:
                    for batch in batches_of(file, names):
                        builder.update(batch.frame[names], outputs=_outputs(network, batch.frame[names]))
                        show(file, batch.file_bytes, builder.samples)
            baseline = builder.baseline(mergeable=mergeable)
        _write(baseline, output)
    for size in window if time_column else ():
        lacking = shortfall(baseline.samples, size)
        if lacking:
            console.print(
                f"window {size:,}: the rows are too few to learn how such windows vary; {lacking:,} more would do. "
                "The limits of the next smaller window are used, if there is one."
            )


@app.command()
def merge(
    files: list[Path] = typer.Argument(..., help="Baseline files, each built with --mergeable."),
    output: Path = typer.Option(..., help="File to write, for example baselines/fraud-1.0.json."),
    mergeable: bool = typer.Option(False, "--mergeable", help="Let the result be merged again."),
) -> None:
    """Merge baselines of parts of the training data into one."""
    with clear_errors():
        name, version = _name_and_version(output)
        builder = BaselineBuilder(name=name, version=version)
        varied = False
        for file in files:
            part = Baseline.load(file)
            varied = varied or any(feature.variation for feature in part.features)
            try:
                builder.merge(BaselineBuilder.resume(part))
            except BaselineError as error:
                raise BaselineError(f"'{file}': {error}") from error
        _write(builder.baseline(mergeable=mergeable), output)
    if varied:
        console.print(
            "How the training data's own windows vary cannot be merged and was left out; for limits learned from it, "
            "build one baseline from all rows with --time-column."
        )


@app.command()
def compare(
    a: Path = typer.Argument(..., help="A baseline file."),
    b: Path = typer.Argument(..., help="The baseline file that is compared with it."),
) -> None:
    """Show how much two baselines differ, feature by feature, the largest difference first."""
    with clear_errors():
        first, second = Baseline.load(a), Baseline.load(b)
        found = differences(first, second)
    for letter, path, baseline in (("A", a, first), ("B", b, second)):
        console.print(
            f"[bold]{letter}[/] {path}: {baseline.name} version {baseline.version}, {baseline.samples:,} rows, "
            f"built {baseline.created}"
        )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading in ("feature", "source"):
        table.add_column(heading, no_wrap=True)
    for heading in ("KL", "PSI", "JS", "mean shift (σ of A)", "missing A", "missing B"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found:
        numbers = (row.kl_divergence, row.psi, row.js_distance, row.mean_shift_sigmas)
        table.add_row(
            row.name,
            row.source,
            *(f"{value:.3f}" for value in numbers),
            f"{row.missing_ratio_a:.1%}",
            f"{row.missing_ratio_b:.1%}",
            style="bold" if row.psi >= PSI_FLOOR else None,
        )
    console.print(table)
    differ = sum(row.psi >= PSI_FLOOR for row in found)
    console.print(f"{differ} of {len(found)} features have a PSI of {PSI_FLOOR} or more.")


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


def _name_and_version(output: Path) -> tuple[str, str]:
    name, _, version = output.stem.rpartition("-")
    return (name, version) if name else (output.stem, "1.0")


def _write(baseline: Baseline, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    baseline.save(output)
    console.print(f"wrote {output}: {baseline.samples:,} rows, {len(baseline.features)} features")


def _input_columns(files: list[Path], columns: Optional[list[str]], time_column: Optional[str]) -> list[str]:
    """Return the input columns, which each file must have. Raises BaselineError that names a file that lacks one."""
    have = columns_in(files[0])
    names = columns or [column for column in have if column != time_column]
    for file in files:
        have = columns_in(file)
        missing = [column for column in (*names, *filter(None, [time_column])) if column not in have]
        if missing:
            raise BaselineError(f"'{file}' has no column {', '.join(missing)}; it has: {', '.join(have)}")
    return names


def _in_order_of_time(files: list[Path], names: list[str], time_column: str) -> Any:
    import pandas as pd

    wanted = list(dict.fromkeys([*names, time_column]))
    with reading(files) as show:
        frames: list[Any] = []
        rows = 0
        for file in files:
            for batch in batches_of(file, wanted):
                frames.append(batch.frame)
                rows += len(batch.frame)
                show(file, batch.file_bytes, rows)
    whole = pd.concat(frames, ignore_index=True)
    return whole.sort_values(time_column, kind="stable", ignore_index=True)


def _outputs(network: Optional[Model], frame: Any) -> Optional[Any]:
    """Return the model's outputs for a table's rows; None without a model."""
    if network is None:
        return None
    try:
        rows = frame.to_numpy(dtype="float32")
    except (ValueError, TypeError) as error:
        raise BaselineError(
            f"--model takes numbers, and a column is text: {error}; choose --columns"
        ) from error
    return network.outputs(rows)
