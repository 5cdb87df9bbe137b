"""A baseline, a batch at a time."""

from __future__ import annotations

from typing import Any, Optional, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline import Baseline, Feature, Outputs
from ..errors import BaselineError
from ..fitting import name_classes, new_baseline
from ..signals import Scores, detect_scores, output_signals
from .batches import columns_of, inputs_of, to_array
from .column import Column
from .texts import EXACT_TEXTS, Texts

# Rows that are worked on at once; bounds the memory that a large batch takes.
CHUNK_ROWS = 65_536
CLASS = "predicted_class"


class BaselineBuilder:
    """Learns a baseline in one pass over any amount of data, in memory that does not grow with it.

    Builders of parts of the data merge into the builder of the whole, in any order, and can be sent to another
    process. Counts of missing and infinite values, mean, std, min and max are exact, and so is everything of a
    column with up to 2,048 different values. Of any other column, bin edges and quantiles come from a KLL sketch:
    their ranks are right within 0.14 % of the rows. An empty builder is neutral in a merge.

    After an error the builder has taken part of a batch; start anew.
    """

    def __init__(
        self,
        *,
        feature_names: Optional[list[str]] = None,
        class_names: Optional[list[str]] = None,
        name: str = "model",
        version: str = "1.0",
    ) -> None:
        self.name = name
        self.version = version
        self.samples = 0
        self._names = feature_names
        self._class_names = class_names
        self._inputs: dict[str, Column] = {}
        self._outputs = OutputColumns(class_names)

    def update(self, batch: Any, outputs: Any = None) -> None:
        """Add rows. Raises BaselineError.

        batch: (n, d) array or tensor, a DataFrame (text columns are categorical), or a tuple of which the first is
        one of these; NaN is missing. outputs: (n, classes) logits or probabilities, or (n,) values; with each
        batch or with none.
        """
        columns = columns_of(inputs_of(batch), self._names)
        rows = len(next(iter(columns.values())))
        if not rows:
            return
        if self.samples and (outputs is not None) != self._outputs.seen:
            raise BaselineError("outputs came with some batches and not with others; give them with each")
        if outputs is not None:
            scores = np.asarray(to_array(outputs), dtype=np.float64)
            if len(scores) != rows:
                raise BaselineError(f"outputs have {len(scores)} rows, the batch has {rows}; give one a row")
            for start in range(0, rows, CHUNK_ROWS):
                self._outputs.update(scores[start : start + CHUNK_ROWS])
        # Later batches must have the columns of the first.
        self._names = list(columns)
        for name, values in columns.items():
            column = self._inputs.setdefault(name, Column(name))
            for start in range(0, rows, CHUNK_ROWS):
                column.update(values[start : start + CHUNK_ROWS])
        self.samples += rows

    def merge(self, other: BaselineBuilder) -> BaselineBuilder:
        """Add what another builder has seen, which stays as it is; returns this one. Raises BaselineError."""
        if not other.samples:
            return self
        if self.samples and set(self._inputs) != set(other._inputs):
            apart = ", ".join(sorted(set(self._inputs) ^ set(other._inputs)))
            raise BaselineError(f"the parts have different features; only one has: {apart}")
        if self.samples and self._outputs.seen != other._outputs.seen:
            raise BaselineError("one part was built with the model's outputs and the other without")
        self._outputs.merge(other._outputs)
        for name, column in other._inputs.items():
            self._inputs.setdefault(name, Column(name)).merge(column)
        self._names = list(self._inputs)
        self.samples += other.samples
        return self

    def baseline(self, *, mergeable: bool = False) -> Baseline:
        """Return the baseline of all rows so far. Raises BaselineError where there are none.

        mergeable: keep what `Baseline.merge` needs, about 30 kB a feature.
        """
        if not self.samples:
            raise BaselineError("the training data have no rows; give at least a few hundred")
        features = []
        for column in self._inputs.values():
            feature = column.describe("input")
            features.append(_with_summary(feature, column) if mergeable else feature)
        spec = None
        if self._outputs.seen:
            spec = self._outputs.spec
            features += self._outputs.describe(mergeable=mergeable)
        return new_baseline(features, spec, samples=self.samples, name=self.name, version=self.version)

    @classmethod
    def resume(cls, baseline: Baseline) -> BaselineBuilder:
        """Return the builder that a mergeable baseline came from. Raises BaselineError for any other baseline."""
        builder = cls(name=baseline.name, version=baseline.version)
        builder.samples = baseline.samples
        for feature in baseline.features:
            if feature.summary is None:
                raise BaselineError(
                    f"baseline '{baseline.name}' version {baseline.version} was not built to be merged; rebuild it "
                    "with 'torchvitals baseline build --mergeable', or in Python with "
                    "BaselineBuilder().baseline(mergeable=True)"
                )
            if feature.source == "input":
                builder._inputs[feature.name] = Column.resume(feature.name, feature.summary)
        builder._names = list(builder._inputs)
        if baseline.outputs is not None:
            builder._outputs = OutputColumns.resume(baseline.outputs, baseline.of_source("output"))
        return builder


class OutputColumns:
    """The features of a model's outputs while they are built."""

    def __init__(self, class_names: Optional[list[str]] = None) -> None:
        self._class_names = class_names
        self._shape: Optional[Outputs] = None
        self._scores: Optional[Scores] = None
        self._columns: dict[str, Union[Column, Texts]] = {}

    @property
    def seen(self) -> bool:
        """Whether any outputs came."""
        return self._shape is not None

    @property
    def spec(self) -> Outputs:
        """What the outputs are, as far as it is known."""
        assert self._shape is not None  # noqa: S101 - for the type checker; see `seen`
        return msgspec.structs.replace(self._shape, scores=self._scores or self._shape.scores)

    def update(self, scores: NDArray[np.float64]) -> None:
        """Add outputs, (n, classes) or (n,)."""
        self._settle(scores)
        spec = self.spec
        for name, values in output_signals(scores, spec).items():
            column = self._columns.setdefault(name, self._column(name))
            if isinstance(column, Texts):
                known = values[~np.isnan(values)].astype(np.intp)
                times = np.bincount(known, minlength=len(spec.classes)).tolist()
                column.update({text: count for text, count in zip(spec.classes, times) if count})
                column.missing += len(values) - len(known)
            else:
                column.update(values)

    def merge(self, other: OutputColumns) -> None:
        """Add the outputs of another part. Raises BaselineError where they are of another kind."""
        if not other.seen:
            return
        if self.seen and _kind(self.spec) != _kind(other.spec):
            raise BaselineError("the parts have outputs of different models: another kind, or other classes")
        if None not in (self._scores, other._scores) and self._scores != other._scores:
            raise BaselineError(f"the outputs of one part are {self._scores}, of the other {other._scores}")
        self._shape = self._shape or other._shape
        self._scores = self._scores or other._scores
        for name, column in other._columns.items():
            mine: Any = self._columns.setdefault(name, self._column(name))
            mine.merge(column)

    def describe(self, *, mergeable: bool) -> list[Feature]:
        """Return the output features."""
        features = []
        for name, column in self._columns.items():
            if isinstance(column, Texts):
                feature = column.describe(name=name, source="output", categories=self.spec.classes)
            else:
                feature = column.describe("output")
            features.append(_with_summary(feature, column) if mergeable else feature)
        return features

    @classmethod
    def resume(cls, spec: Outputs, features: list[Feature]) -> OutputColumns:
        """Return the columns of a mergeable baseline."""
        columns = cls(spec.classes)
        columns._shape, columns._scores = spec, spec.scores
        for feature in features:
            if feature.summary is None:
                continue
            if feature.name == CLASS:
                columns._columns[CLASS] = Texts.resume(feature.summary, _class_limit(spec))
            else:
                columns._columns[feature.name] = Column.resume(feature.name, feature.summary)
        return columns

    def _settle(self, scores: NDArray[np.float64]) -> None:
        """Learn from the first batches what the outputs are. Raises BaselineError when a later one differs."""
        kind = detect_scores(scores)
        if kind == "values":
            shape = Outputs(kind="regression", scores="values")
        else:
            given = name_classes(scores.shape[1], self._class_names)
            shape = Outputs(kind="classification", scores="logits", classes=given)
        if self._shape is not None and _kind(shape) != _kind(self._shape):
            raise BaselineError(
                f"a batch of outputs has shape {scores.shape}, which is not that of the first"
            )
        self._shape = shape
        if kind != "values" and not np.isfinite(scores).all(axis=1).any():
            return
        if self._scores is None:
            self._scores = kind
        elif self._scores == "probabilities" and kind != "probabilities":
            raise BaselineError(
                "the outputs of the first batches are probabilities, and those of a later batch are not; "
                "give all as logits or all as probabilities"
            )

    def _column(self, name: str) -> Union[Column, Texts]:
        """Return an empty column; the classes of a model are known, and all are counted exactly."""
        return Texts(_class_limit(self.spec)) if name == CLASS else Column(name)


def _class_limit(spec: Outputs) -> int:
    return max(EXACT_TEXTS, len(spec.classes))


def _kind(spec: Outputs) -> tuple[str, list[str]]:
    return spec.kind, spec.classes


def _with_summary(feature: Feature, source: Any) -> Feature:
    return msgspec.structs.replace(feature, summary=source.summary())
