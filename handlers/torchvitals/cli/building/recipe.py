"""Building a baseline from files: in one pass, in the order of time, or on Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...errors import BaselineError
from ...featurizers import COLUMNS
from ...featurizers.batches import is_table
from ...featurizers.codes import codes_of, numbers_of
from ...featurizers.columns import holds_texts
from ...featurizers.outputs import joined
from ...featurizers.tables import columns_of
from ...training.baseline import Baseline, BaselineBuilder
from ...training.options import BuildOptions
from ...training.outputs import NOT_COMPARED
from ...training.window_limits import with_window_limits
from .csv_files import UNNAMED, ColumnKinds, CsvOptions
from .model_outputs import FEW_ROWS, Model
from .pictures import ImageFiles, Pictures
from .progress import reading
from .tables import PLAIN, batches_of, columns_in
from .times import decided, parsed, times_in


@dataclass(frozen=True)
class Recipe:
    """How rows of a table become rows of a baseline. It can be sent to another process.

    names: the input columns. label: the column with the true class. model, weights: files of the model whose outputs
    join the baseline. options: what is built. files: how files are written. time_formats: how columns that become
    their parts are written, where they are texts. time_format: the same of the column that rows are sorted by.
    """

    names: list[str]
    label: Optional[str]
    model: Optional[Path]
    weights: Optional[Path]
    options: BuildOptions
    files: CsvOptions = PLAIN
    time_format: Optional[str] = None
    time_formats: Mapping[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> list[str]:
        """The columns to read."""
        return [*self.names, *filter(None, [self.label])]

    def network(self) -> Optional[Model]:
        """Load the model, unless nothing of its outputs is wanted. Raises BaselineError."""
        wanted = self.options.outputs.kind != NOT_COMPARED
        return Model(self.model, self.weights) if self.model and wanted else None

    def builder(self) -> BaselineBuilder:
        """Return an empty builder."""
        return BaselineBuilder(self.options)

    def inputs(self, frame: Any) -> Any:
        """Return what the model is given of some rows: the columns, or what one column of lists or texts holds.

        Raises BaselineError for a column of times that is not to become its parts.
        """
        kind = self.options.features.inputs or COLUMNS
        if kind != COLUMNS:
            return self.options.prepared(kind, frame[self.names])
        parts = {
            name: parsed(frame[name], name, form, "--time-parts") for name, form in self.time_formats.items()
        }
        return self.options.prepared(kind, frame[self.names].assign(**parts))

    def outputs(self, network: Optional[Model], inputs: Any) -> Any:
        """Return the model's outputs; None without a model. Raises BaselineError where it does not take the inputs."""
        if network is None:
            return None
        return network.outputs(self.given(inputs))

    def given(self, inputs: Any) -> Any:
        """Return inputs as the model takes them. Raises BaselineError where a column is text."""
        if not is_table(inputs):
            return inputs
        columns = columns_of(inputs)
        return np.column_stack([self._numbers(*column) for column in columns.items()])

    def _numbers(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return what the model is given of a column. Raises BaselineError for texts whose codes are not listed."""
        if not holds_texts(values):
            return values
        said = self.options.features.categories.get(name)
        if said is None or isinstance(said, str):
            raise BaselineError(
                f"--model takes numbers, and a column is text: '{name}'; leave it out with --columns, or list its "
                "categories in the order of their codes in --config (features: categories)"
            )
        return numbers_of(values, codes_of(said, name))

    def labels(self, frame: Any) -> Optional[NDArray[Any]]:
        """Return the true classes of some rows."""
        return None if self.label is None else np.asarray(frame[self.label].to_numpy())

    def add(self, builder: BaselineBuilder, frame: Any, network: Optional[Model], *, labelled: bool) -> None:
        """Add a table's rows to a builder."""
        inputs = self.inputs(frame)
        labels = self.labels(frame) if labelled else None
        rows = len(frame) if network is None else network.rows_at_once(self.given(inputs[:FEW_ROWS]))
        for start in range(0, max(len(frame), 1), max(rows, 1)):
            part = slice(start, start + rows)
            some = inputs[part]
            builder.add(some, self.outputs(network, some), None if labels is None else labels[part])


def with_time_formats(recipe: Recipe, files: list[Path]) -> Recipe:
    """Return the recipe with how the texts are written that become parts of times. Raises BaselineError.

    One batch may be written in any of several ways, so all of a column decide.
    """
    forms: dict[str, str] = {}
    for name in recipe.options.features.time_parts:
        parts = (frame[name].dropna() for frame in frames(files, [name], recipe.files))
        texts = [part for part in parts if part.dtype.kind in "OT" and all(isinstance(v, str) for v in part)]
        if texts:
            forms[name] = recipe.time_format or decided(texts, name, "--time-parts")
    return replace(recipe, time_formats=forms)


def build_streaming(
    recipe: Recipe, files: list[Path], kinds: ColumnKinds, *, labelled: bool, mergeable: bool
) -> Baseline:
    """Build in one pass and constant memory. labelled: the rows' labels count for the estimate of accuracy."""
    builder, network = recipe.builder(), recipe.network()
    for frame in frames(files, recipe.wanted, recipe.files, kinds):
        recipe.add(builder, frame, network, labelled=labelled)
    return builder.baseline(mergeable=mergeable)


def build_from_images(
    recipe: Recipe, images: ImageFiles, pictures: Pictures, *, labelled: bool, mergeable: bool
) -> Baseline:
    """Build from pictures; their folders' names are the labels. Raises BaselineError."""
    builder, network = recipe.builder(), recipe.network()
    for batch, labels in images.batches(pictures):
        builder.add(batch, recipe.outputs(network, batch), labels if labelled else None)
    return builder.baseline(mergeable=mergeable)


def with_held_out_images(
    baseline: Baseline, recipe: Recipe, images: ImageFiles, pictures: Pictures
) -> Baseline:
    """Return the baseline with what confidence is worth on pictures that the model was not trained on."""
    network = recipe.network()
    outputs: list[Any] = []
    labels: list[Any] = []
    for batch, classes in images.batches(pictures):
        outputs.append(recipe.outputs(network, batch))
        labels.append(classes)
    return baseline.with_accuracy(np.concatenate(outputs), np.concatenate(labels))


def build_in_order(
    recipe: Recipe,
    files: list[Path],
    time_column: str,
    windows: tuple[int, ...],
    kinds: ColumnKinds,
    *,
    labelled: bool,
) -> Baseline:
    """Build from all rows in the order of time, in memory."""
    import pandas as pd

    wanted = list(dict.fromkeys([*recipe.wanted, time_column]))
    parts = list(frames(files, wanted, recipe.files, kinds))
    frame = pd.concat(parts, ignore_index=True)
    order = times_in(frame[time_column], time_column, recipe.time_format).argsort(kind="stable")
    frame = frame.iloc[order.to_numpy()].reset_index(drop=True)
    inputs = recipe.inputs(frame)
    builder = BaselineBuilder(msgspec.structs.replace(recipe.options, exact=True))
    outputs = recipe.outputs(recipe.network(), inputs)
    builder.add(inputs, outputs, recipe.labels(frame) if labelled else None)
    return with_window_limits(builder.baseline(), inputs, outputs=outputs, windows=windows)


def with_held_out(baseline: Baseline, recipe: Recipe, files: list[Path]) -> Baseline:
    """Return the baseline with what confidence is worth on rows that the model was not trained on."""
    network = recipe.network()
    outputs: list[Any] = []
    labels: list[Any] = []
    for frame in frames(files, recipe.wanted, recipe.files):
        inputs = recipe.inputs(frame)
        outputs.append(recipe.outputs(network, inputs))
        labels.append(recipe.labels(frame))
    return baseline.with_accuracy(joined(outputs), np.concatenate(labels))


def frames(
    files: list[Path],
    columns: list[str],
    options: CsvOptions = PLAIN,
    kinds: Optional[ColumnKinds] = None,
) -> Iterator[Any]:
    """Yield the rows of all files, some at a time, with a progress bar. Raises BaselineError for a missing column."""
    require(files, columns, options)
    kinds = kinds or ColumnKinds()
    with reading(files) as show:
        rows = 0
        for file in files:
            for batch in batches_of(file, columns, options, kinds):
                rows += len(batch.frame)
                yield batch.frame
                show(file, batch.file_bytes, rows)


def require(files: list[Path], columns: list[str], options: CsvOptions = PLAIN) -> None:
    """Raise BaselineError that names a file which lacks one of the columns."""
    for file in files:
        have = columns_in(file, options)
        missing = [column for column in columns if column not in have]
        if missing:
            names = ", ".join(name for name in have if not name.startswith(UNNAMED))
            raise BaselineError(f"'{file}' has no column {', '.join(missing)}; it has: {names}")
