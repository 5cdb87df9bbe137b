"""`torchvitals baseline`: build one from training data, merge, compare, and look at one."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Optional

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..baseline.describing import described
from ..baseline.pooling import is_wide
from ..baseline.schema import Feature
from ..baseline.selection import Features
from ..baseline.variation import shortfall
from ..config import read_config
from ..drift.verdict import PSI_FLOOR
from ..errors import BaselineError, ConfigurationError
from ..training.baseline import Baseline, BaselineBuilder
from ..training.difference import differences
from ..training.options import BuildOptions
from .building.ray import build_on_ray
from .building.recipe import Recipe, build_in_order, build_streaming, with_held_out
from .building.tables import columns_in, files_of
from .console import clear_errors, console
from .wide import changes, summaries

BARS = " ▁▂▃▄▅▆▇█"


class Engine(str, enum.Enum):
    """Where rows are counted."""

    local = "local"
    ray = "ray"


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
        None, help="Names of the classes, labels or values, in the model's order: no,yes."
    ),
    output_kind: Optional[str] = typer.Option(
        None,
        help="What the model gives, where it is not recognised: classification, binary, multilabel, decided, "
        "regression, values, embeddings, tokens, sequences, detections, masks or none.",
    ),
    time_column: Optional[str] = typer.Option(
        None,
        help="Column with the time of each row; the baseline then learns how its own windows vary. "
        "Reads all rows into memory.",
    ),
    window: list[int] = typer.Option(
        [1000], help="Window size in rows that the model is watched with; may be given several times."
    ),
    label_column: Optional[str] = typer.Option(
        None, help="Column with the true class, by name or number from 0; for the estimate of accuracy."
    ),
    held_out: list[str] = typer.Option(
        [], help="Labelled rows that the model was not trained on, for the estimate of accuracy; as --data."
    ),
    config: Optional[Path] = typer.Option(
        None, help="The model-config.yaml; its handler: monitoring: features: section says what is described."
    ),
    mergeable: bool = typer.Option(
        False,
        "--mergeable",
        help="Keep what 'torchvitals baseline merge' needs; about 30 kB a feature. Leaves the row distance out.",
    ),
    engine: Engine = typer.Option(
        Engine.local, help="Where rows are counted: in this process, or on the cluster that Ray finds."
    ),
    name: Optional[str] = typer.Option(
        None, help="Model name. Default: from the file's name (NAME-VERSION.json)."
    ),
    version: Optional[str] = typer.Option(None, help="Model version. Default: from the file's name."),
) -> None:
    """Build a baseline from training data of any size."""
    with clear_errors():
        _refuse_contradictions(
            time_column=time_column,
            mergeable=mergeable,
            engine=engine,
            label_column=label_column,
            held_out=held_out,
            model=model,
        )
        files, extra = files_of(data), files_of(held_out)
        found_name, found_version = _name_and_version(output)
        apart = [column for column in (time_column, label_column) if column]
        features = _of_kind(_features_in(config), output_kind)
        names = _split(columns) or [column for column in columns_in(files[0]) if column not in apart]
        recipe = Recipe(
            names=names,
            label=label_column,
            model=model,
            weights=weights,
            options=BuildOptions(
                feature_names=names,
                class_names=_split(class_names),
                features=features,
                name=name or found_name,
                version=version or found_version,
            ),
        )
        labelled = label_column is not None and not extra
        if time_column:
            baseline = build_in_order(recipe, files, time_column, tuple(window), labelled=labelled)
        elif engine is Engine.ray:
            baseline = build_on_ray(recipe, files, labelled=labelled, mergeable=mergeable)
        else:
            baseline = build_streaming(recipe, files, labelled=labelled, mergeable=mergeable)
        if extra:
            baseline = with_held_out(baseline, recipe, extra)
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
    for line in changes(first, second):
        console.print(line, markup=False, highlight=False)
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
    console.print(f"inputs are {baseline.input_kind}")
    console.print(described(baseline), markup=False, highlight=False)
    if baseline.accuracy is not None:
        console.print(
            f"accuracy {baseline.accuracy.ratio:.1%} on {baseline.accuracy.samples:,} labelled rows"
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
    for line in summaries(baseline):
        console.print(line, markup=False, highlight=False)


def bars(feature: Feature, width: int = 24) -> str:
    """Return the distribution as a line of blocks: equal steps of value for numbers, a block a category.

    A numeric feature's bins hold equal shares, so its shape is drawn from its quantiles. Of many categories the largest
    are drawn, in their order.
    """
    if is_wide(feature):
        heights = sorted(map(float, feature.counts[:-2]), reverse=True)[:width]
    elif feature.kind != "numeric":
        heights = [float(count) for count in feature.counts[:-2]]
    else:
        low, high = (feature.quantiles[0], feature.quantiles[-1]) if feature.quantiles else (0.0, 0.0)
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
    console.print(described(baseline), markup=False, highlight=False)


def _features_in(config: Optional[Path]) -> Features:
    """Return the `features:` section of a model-config.yaml. Raises ConfigurationError, BaselineError."""
    if config is None:
        return Features()
    import yaml

    try:
        content = yaml.safe_load(config.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise BaselineError(f"--config: '{config}' cannot be read: {error}") from error
    return read_config(content, str(config)).features


def _of_kind(features: Features, output_kind: Optional[str]) -> Features:
    """Return what is described with the kind of outputs that the command line says. Raises BaselineError."""
    if output_kind is None:
        return features
    said = features.of_outputs
    if said.kind not in (None, output_kind):
        raise BaselineError(
            f"--output-kind says {output_kind}, and --config says {said.kind} (features: outputs: kind); leave one out"
        )
    try:
        return msgspec.structs.replace(features, outputs=msgspec.structs.replace(said, kind=output_kind))
    except ConfigurationError as error:
        raise BaselineError(f"--output-kind: {error}") from error


def _refuse_contradictions(
    *,
    time_column: Optional[str],
    mergeable: bool,
    engine: Engine,
    label_column: Optional[str],
    held_out: list[str],
    model: Optional[Path],
) -> None:
    if mergeable and time_column:
        raise BaselineError(
            "--mergeable does not go with --time-column: how windows vary cannot be merged; leave one out"
        )
    if engine is Engine.ray and time_column:
        raise BaselineError(
            "--engine ray does not go with --time-column: the order of time is not kept across parts; leave one out"
        )
    if held_out and not label_column:
        raise BaselineError("--held-out needs --label-column: the column with the true class")
    if label_column and model is None:
        raise BaselineError("--label-column needs --model: accuracy is of the model's predictions")
