"""Building a baseline from files: in one pass, in the order of time, or on Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...errors import BaselineError
from ...featurizers import COLUMNS
from ...featurizers.batches import is_table
from ...featurizers.columns import holds_texts
from ...featurizers.outputs import joined
from ...featurizers.tables import columns_of
from ...training.baseline import Baseline, BaselineBuilder
from ...training.options import BuildOptions
from ...training.outputs import NOT_COMPARED
from ...training.window_limits import with_window_limits
from .model_outputs import FEW_ROWS, Model
from .progress import reading
from .tables import batches_of, columns_in


@dataclass(frozen=True)
class Recipe:
    """How rows of a table become rows of a baseline. It can be sent to another process.

    names: the input columns. label: the column with the true class. model, weights: files of the model whose outputs
    join the baseline. options: what is built.
    """

    names: list[str]
    label: Optional[str]
    model: Optional[Path]
    weights: Optional[Path]
    options: BuildOptions

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
        """Return what the model is given of some rows: the columns, or what one column of lists or texts holds."""
        return self.options.prepared(self.options.features.inputs or COLUMNS, frame[self.names])

    def outputs(self, network: Optional[Model], inputs: Any) -> Any:
        """Return the model's outputs; None without a model. Raises BaselineError where it does not take the inputs."""
        if network is None:
            return None
        return network.outputs(self.given(inputs))

    def given(self, inputs: Any) -> Any:
        """Return inputs as the model takes them. Raises BaselineError where a column is text."""
        if not is_table(inputs):
            return inputs
        columns = columns_of(inputs, self.names)
        texts = [name for name, values in columns.items() if holds_texts(values)]
        if texts:
            raise BaselineError(
                f"--model takes numbers, and a column is text: '{texts[0]}'; leave it out with --columns"
            )
        return np.column_stack(list(columns.values()))

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


def build_streaming(recipe: Recipe, files: list[Path], *, labelled: bool, mergeable: bool) -> Baseline:
    """Build in one pass and constant memory. labelled: the rows' labels count for the estimate of accuracy."""
    builder, network = recipe.builder(), recipe.network()
    for frame in frames(files, recipe.wanted):
        recipe.add(builder, frame, network, labelled=labelled)
    return builder.baseline(mergeable=mergeable)


def build_in_order(
    recipe: Recipe, files: list[Path], time_column: str, windows: tuple[int, ...], *, labelled: bool
) -> Baseline:
    """Build from all rows in the order of time, in memory."""
    import pandas as pd

    parts = list(frames(files, list(dict.fromkeys([*recipe.wanted, time_column]))))
    frame = pd.concat(parts, ignore_index=True).sort_values(time_column, kind="stable", ignore_index=True)
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
    for frame in frames(files, recipe.wanted):
        inputs = recipe.inputs(frame)
        outputs.append(recipe.outputs(network, inputs))
        labels.append(recipe.labels(frame))
    return baseline.with_accuracy(joined(outputs), np.concatenate(labels))


def frames(files: list[Path], columns: list[str]) -> Iterator[Any]:
    """Yield the rows of all files, some at a time, with a progress bar. Raises BaselineError for a missing column."""
    require(files, columns)
    with reading(files) as show:
        rows = 0
        for file in files:
            for batch in batches_of(file, columns):
                rows += len(batch.frame)
                yield batch.frame
                show(file, batch.file_bytes, rows)


def require(files: list[Path], columns: list[str]) -> None:
    """Raise BaselineError that names a file which lacks one of the columns."""
    for file in files:
        have = columns_in(file)
        missing = [column for column in columns if column not in have]
        if missing:
            raise BaselineError(f"'{file}' has no column {', '.join(missing)}; it has: {', '.join(have)}")
