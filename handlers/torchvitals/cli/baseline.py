"""`torchvitals baseline`: build one from training data, merge, compare, and look at one."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Optional

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..baseline.describing import described, described_segments
from ..baseline.pooling import is_wide
from ..baseline.schema import Feature
from ..baseline.selection import Features
from ..baseline.variation import DEFAULT_WINDOWS, shortfall
from ..config import read_config
from ..drift.sight import blind_spots
from ..errors import BaselineError, ConfigurationError, one_line
from ..featurizers.time_parts import parts_in
from ..training.baseline import Baseline, BaselineBuilder
from ..training.difference import differences
from ..training.options import BuildOptions
from .building.csv_files import MISSING_NUMBERS, ColumnKinds, CsvOptions, form_of
from .building.pictures import ImageFiles, Pictures, images_in, numbers_of, size_of
from .building.ray import build_on_ray
from .building.recipe import (
    Recipe,
    build_from_images,
    build_in_order,
    build_streaming,
    with_held_out,
    with_held_out_images,
    with_time_formats,
)
from .building.tables import columns_in, files_of, is_csv
from .building.taken import Taken, names_in, taken
from .console import clear_errors, console
from .recalibrate import recalibrate
from .wide import changes, summaries

# By the rule of thumb, a PSI that says that two baselines differ.
LARGE_PSI = 0.1
BARS = " ▁▂▃▄▅▆▇█"


class Engine(str, enum.Enum):
    """Where rows are counted."""

    local = "local"
    ray = "ray"


app = typer.Typer(help="What a model saw in training.", no_args_is_help=True)
app.command()(recalibrate)


@app.command()
def build(
    data: list[str] = typer.Option(
        ...,
        help="Training data in the units that the model is given: a .parquet or .csv file, a folder, or a pattern "
        "in quotes such as 'train/*.parquet'; or a folder of images, a folder a class. May be given several times.",
    ),
    output: Path = typer.Option(..., help="File to write, for example baselines/fraud-1.0.json."),
    columns: Optional[str] = typer.Option(
        None,
        help="Input columns, in the model's order: a,b,c, or @FILE with a name a line. Default: all but the label, the "
        "time and what is excluded.",
    ),
    column: list[str] = typer.Option(
        [], help="Input column, whatever commas its name holds; may be given several times, after --columns."
    ),
    exclude: list[str] = typer.Option(
        [], help="Columns that are not inputs: a,b, one name, or @FILE; may be given several times."
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
    time_format: Optional[str] = typer.Option(
        None, help="How times are written as text, where that can be read in several ways: '%d/%m/%Y %H:%M'."
    ),
    time_parts: list[str] = typer.Option(
        [],
        help="Column of times that becomes its parts hour, weekday and month, or those named: departure=hour,month; "
        "may be given several times.",
    ),
    identifier: list[str] = typer.Option(
        [],
        help="Column whose texts tell rows apart (an account, an email address); none of them is kept. May be given "
        "several times. Default: columns of nearly unique texts.",
    ),
    segments: list[str] = typer.Option(
        [],
        help="Column of categories, or two as a,b, of whose values each is also compared with its own training rows: "
        "carrier. May be given twice.",
    ),
    window: list[int] = typer.Option(
        [*DEFAULT_WINDOWS],
        help="Window size in rows that the model is watched with; may be given several times.",
    ),
    label_column: Optional[str] = typer.Option(
        None,
        help="Column with the true class, by name or number from 0; for the estimate of accuracy. It is no input.",
    ),
    separator: Optional[str] = typer.Option(
        None, help="Between the fields of a CSV file. Default: recognised."
    ),
    decimal: Optional[str] = typer.Option(None, help="Decimal mark in CSV files. Default: recognised."),
    thousands: Optional[str] = typer.Option(None, help="Mark between thousands in CSV files. Default: none."),
    encoding: Optional[str] = typer.Option(None, help="Encoding of CSV files. Default: UTF-8."),
    missing_text: list[str] = typer.Option(
        [],
        help="Text that means missing in CSV files, beside the empty field; may be given several times. Default: NA, "
        "NaN, null and the like, in columns of numbers alone.",
    ),
    no_missing_text: bool = typer.Option(
        False,
        "--no-missing-text",
        help="No text in CSV files means missing; an empty field is an empty text.",
    ),
    image_size: Optional[str] = typer.Option(
        None,
        help="Pixels that images of a folder are scaled and cropped to: 224, or 320x240. Default: as they are.",
    ),
    image_grey: bool = typer.Option(
        False, "--image-grey", help="Images have one channel. Default: red, green, blue."
    ),
    image_mean: Optional[str] = typer.Option(
        None, help="Subtracted from each channel, after it is made 0 to 1."
    ),
    image_std: Optional[str] = typer.Option(None, help="Divides each channel, after --image-mean."),
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
        files = CsvOptions(
            separator=_unescaped(separator),
            decimal=decimal,
            thousands=thousands,
            encoding=encoding,
            missing=() if no_missing_text else tuple(missing_text) or None,
            texts=tuple(identifier),
        )
        files.validate()
        images = images_in(data)
        _refuse_contradictions(
            time_column=time_column,
            mergeable=mergeable,
            engine=engine,
            label_column=label_column,
            held_out=held_out,
            model=model,
            images=images is not None,
            columns=[*([columns] if columns else []), *column, *exclude, *time_parts, *identifier, *segments],
            missing_text=bool(missing_text) and no_missing_text,
        )
        found_name, found_version = _name_and_version(output)
        recipe = Recipe(
            names=[],
            label=label_column if model else None,
            model=model,
            weights=weights,
            options=BuildOptions(
                class_names=_split(class_names),
                features=_by_segment(_of_kind(_features_in(config), output_kind), segments),
                name=name or found_name,
                version=version or found_version,
            ),
            files=files,
            time_format=time_format,
        )
        if images is not None:
            pictures = Pictures(
                size=size_of(image_size),
                grey=image_grey,
                mean=numbers_of(image_mean, "--image-mean"),
                std=numbers_of(image_std, "--image-std"),
            )
            baseline = _from_images(
                images, pictures, recipe, held_out, labelled=model is not None, mergeable=mergeable
            )
            _write(baseline, output)
            return
        kinds = ColumnKinds()
        tables, extra = files_of(data), files_of(held_out)
        have = columns_in(tables[0], files)
        found = taken(
            have,
            [*names_in([columns] if columns else [], have, "--columns"), *column],
            label=label_column,
            time=time_column,
            exclude=names_in(exclude, have, "--exclude"),
        )
        _say_how_it_is_read(tables[0], files, found)
        recipe = _with_columns(recipe, found.names, time_parts, identifier)
        recipe = with_time_formats(recipe, tables)
        labelled = recipe.label is not None and not extra
        if time_column:
            baseline = build_in_order(recipe, tables, time_column, tuple(window), kinds, labelled=labelled)
        elif engine is Engine.ray:
            baseline = build_on_ray(recipe, tables, labelled=labelled, mergeable=mergeable)
        else:
            baseline = build_streaming(recipe, tables, kinds, labelled=labelled, mergeable=mergeable)
        if extra:
            baseline = with_held_out(baseline, recipe, extra)
        for kept_in, texts in kinds.kept.items():
            _say(
                f"column '{kept_in}' is one of texts, and {', '.join(sorted(texts))} in it is a text like any other; "
                "if it means missing, give --missing-text"
            )
        _write(baseline, output, window if time_column else DEFAULT_WINDOWS)
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
            *("" if math.isnan(value) else f"{value:.3f}" for value in numbers),
            f"{row.missing_ratio_a:.1%}",
            f"{row.missing_ratio_b:.1%}",
            style="bold" if row.psi >= LARGE_PSI else None,
        )
    console.print(table)
    for line in changes(first, second):
        console.print(line, markup=False, highlight=False)
    differ = sum(row.psi >= LARGE_PSI for row in found)
    console.print(f"{differ} of {len(found)} features have a PSI of {LARGE_PSI} or more.")


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
    for line in [
        *summaries(baseline),
        *described_segments(baseline),
        *blind_spots(baseline, DEFAULT_WINDOWS),
    ]:
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


def _write(baseline: Baseline, output: Path, windows: Sequence[int] = DEFAULT_WINDOWS) -> None:
    if baseline.identifiers:
        names = ", ".join(f"{name} (no text of it is kept)" for name in baseline.identifiers)
        _say(f"identifiers: {names}")
    output.parent.mkdir(parents=True, exist_ok=True)
    baseline.save(output)
    console.print(f"wrote {output}: {baseline.samples:,} rows, {len(baseline.features)} features")
    console.print(described(baseline), markup=False, highlight=False)
    for line in [*described_segments(baseline), *blind_spots(baseline, windows)]:
        _say(line)


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


def _from_images(
    images: ImageFiles,
    pictures: Pictures,
    recipe: Recipe,
    held_out: list[str],
    *,
    labelled: bool,
    mergeable: bool,
) -> Baseline:
    """Build from pictures; their folders name the classes where nobody else does. Raises BaselineError."""
    pictures.validate()
    extra = images_in(held_out)
    if held_out and extra is None:
        raise BaselineError(
            f"--held-out: '{held_out[0]}' has no images, and --data has; give a folder of images"
        )
    options = recipe.options
    kind = options.features.of_outputs.kind
    if labelled and options.class_names is None and kind in (None, "classification", "binary"):
        options = msgspec.structs.replace(options, class_names=images.classes or None)
        recipe = replace(recipe, options=options)
    classes = f"classes {', '.join(images.classes)}" if images.classes else "no folder names a class"
    _say(f"{len(images.paths):,} images; {pictures}; {classes}")
    labelled = labelled and bool(images.classes)
    baseline = build_from_images(
        recipe, images, pictures, labelled=labelled and extra is None, mergeable=mergeable
    )
    return with_held_out_images(baseline, recipe, extra, pictures) if extra is not None else baseline


def _with_columns(recipe: Recipe, names: list[str], time_parts: list[str], identifiers: list[str]) -> Recipe:
    """Return the recipe for these columns. Raises BaselineError for parts, or identifiers, of other columns."""
    features = recipe.options.features
    parts = {**features.time_parts, **dict(map(parts_in, time_parts))}
    if identifiers:
        features = msgspec.structs.replace(features, identifiers=identifiers)
    for option, columns in (("--time-parts", parts), ("--identifier", features.identifiers or ())):
        for column in columns:
            if column not in names:
                raise BaselineError(
                    f"{option}: '{column}' is not among the columns taken: {', '.join(names)}"
                )
    options = msgspec.structs.replace(
        recipe.options, feature_names=names, features=msgspec.structs.replace(features, time_parts=parts)
    )
    files = replace(recipe.files, texts=tuple(features.identifiers or ()))
    return replace(recipe, names=names, options=options, files=files)


def _say_how_it_is_read(path: Path, options: CsvOptions, found: Taken) -> None:
    said = [str(found)]
    if is_csv(path):
        said += form_of(path, options).says
        missing = ["empty", *(options.missing or ())] if options.missing != () else ["none"]
        also = f", and in columns of numbers {', '.join(MISSING_NUMBERS[:4])} and the like"
        said.append(f"missing: {', '.join(missing)}{also if options.missing is None else ''}")
    _say("; ".join(said))


def _say(line: str) -> None:
    """Print one line, whatever brackets and length names have."""
    console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


def _unescaped(separator: Optional[str]) -> Optional[str]:
    """Return a separator as a shell passes it: a tab is hard to type."""
    return {"\\t": "\t", "tab": "\t"}.get(separator, separator) if separator else separator


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


def _by_segment(features: Features, segments: list[str]) -> Features:
    """Return what is described with the segments that the command line says. Raises BaselineError."""
    if not segments:
        return features
    names = [name.strip() for text in segments for name in text.split(",")]
    try:
        return msgspec.structs.replace(features, segments=names)
    except ConfigurationError as error:
        raise BaselineError(f"--segments: {error}") from error


def _refuse_contradictions(
    *,
    time_column: Optional[str],
    mergeable: bool,
    engine: Engine,
    label_column: Optional[str],
    held_out: list[str],
    model: Optional[Path],
    images: bool,
    columns: list[str],
    missing_text: bool,
) -> None:
    if images:
        for option, given in (
            ("--time-column", time_column),
            ("--label-column", label_column),
            ("--engine ray", engine is Engine.ray),
            ("--columns and what else names columns", columns),
        ):
            if given:
                raise BaselineError(f"{option}: a folder of images has no columns; leave it out")
        if held_out and model is None:
            raise BaselineError("--held-out needs --model: accuracy is of the model's predictions")
        return
    if missing_text:
        raise BaselineError("--missing-text and --no-missing-text exclude each other; leave one out")
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
    if held_out and model is None:
        raise BaselineError("--held-out needs --model: accuracy is of the model's predictions")
