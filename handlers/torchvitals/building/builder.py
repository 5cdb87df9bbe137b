"""A baseline, a batch at a time."""

from __future__ import annotations

from typing import Any, Optional, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..accuracy import FEWEST_LABELS, Accuracy
from ..baseline import Baseline, Feature, Outputs
from ..errors import BaselineError
from ..features import Features
from ..fitting import name_classes, new_baseline
from ..inputs import detect
from ..signals import Scores, chosen_signals, detect_scores, labelled_accuracy, output_signals
from .batches import inputs_of, to_array
from .column import Column
from .inputs import CHUNK_ROWS, InputBuilder, input_builder, resumed
from .texts import EXACT_TEXTS, Texts

CLASS = "predicted_class"


class BaselineBuilder:
    """Learns a baseline in one pass over any amount of data, in memory that does not grow with it.

    Builders of parts of the data merge into the builder of the whole, in any order, and can be sent to another
    process. Counts of missing and infinite values, mean, std, min and max are exact, and so is everything of a
    column with up to 2,048 different values. Of any other column, bin edges and quantiles come from a KLL sketch:
    their ranks are right within 0.14 % of the rows. What belongs to rows as a whole is learned from a fair sample of
    20,000 of them (8,192 embeddings). An empty builder is neutral in a merge.

    After an error the builder has taken part of a batch; start anew.
    """

    def __init__(
        self,
        *,
        feature_names: Optional[list[str]] = None,
        class_names: Optional[list[str]] = None,
        features: Optional[Features] = None,
        name: str = "model",
        version: str = "1.0",
    ) -> None:
        self.name = name
        self.version = version
        self.features = features or Features()
        self.samples = 0
        self._names = feature_names
        self._inputs: Optional[InputBuilder] = None
        self._outputs = OutputColumns(class_names, self.features)
        self._accuracy: Optional[Accuracy] = None

    def update(self, batch: Any, outputs: Any = None, labels: Any = None) -> None:
        """Add rows. Raises BaselineError.

        batch, outputs, labels: as in `Baseline.fit`; batch may be a tensor, or a tuple of which the first is the
        inputs. outputs: with each batch or with none. labels: with any batches that have outputs.
        """
        inputs = inputs_of(batch)
        if self._inputs is None:
            kind = self.features.inputs or detect(inputs, self._names)
            self._inputs = input_builder(kind, self._names, self.features)
        scores = None if outputs is None else np.asarray(to_array(outputs), dtype=np.float64)
        if self.samples and len(inputs) and (scores is not None) != self._outputs.seen:
            raise BaselineError("outputs came with some batches and not with others; give them with each")
        if scores is not None and len(scores) != len(inputs):
            raise BaselineError(
                f"outputs have {len(scores)} rows, the batch has {len(inputs)}; give one a row"
            )
        rows = self._inputs.update(inputs)
        self.samples += rows
        if scores is None or not rows:
            return
        for start in range(0, rows, CHUNK_ROWS):
            self._outputs.update(scores[start : start + CHUNK_ROWS])
        if labels is not None:
            found = labelled_accuracy(self._outputs.spec, scores, labels, fewest=0)
            self._accuracy = found if self._accuracy is None else self._accuracy.merged(found)

    def merge(self, other: BaselineBuilder) -> BaselineBuilder:
        """Add what another builder has seen, which stays as it is; returns this one. Raises BaselineError."""
        if not other.samples or other._inputs is None:
            return self
        if self.samples and self._outputs.seen != other._outputs.seen:
            raise BaselineError("one part was built with the model's outputs and the other without")
        if self._inputs is None or not self.samples:
            self._inputs = other._inputs.empty()
        if self._inputs.kind != other._inputs.kind:
            raise BaselineError(
                f"one part was built from {self._inputs.kind}, the other from {other._inputs.kind}"
            )
        self._outputs.merge(other._outputs)
        self._inputs.merge(other._inputs)
        if other._accuracy is not None:
            mine = self._accuracy
            self._accuracy = other._accuracy if mine is None else mine.merged(other._accuracy)
        self.samples += other.samples
        return self

    def baseline(self, *, mergeable: bool = False) -> Baseline:
        """Return the baseline of all rows so far. Raises BaselineError where there are none.

        mergeable: keep what `Baseline.merge` needs, about 30 kB a feature, and leave the row's distance out: to merge
        it takes rows, and a baseline holds none.
        """
        if not self.samples or self._inputs is None:
            raise BaselineError("the training data have no rows; give at least a few hundred")
        learned = self._inputs.learned(mergeable=mergeable)
        features, spec = learned.features, None
        if self._outputs.seen:
            spec = self._outputs.spec
            features += self._outputs.describe(mergeable=mergeable)
        if self._accuracy is not None and self._accuracy.samples < FEWEST_LABELS:
            raise BaselineError(
                f"only {self._accuracy.samples} rows have a label; give at least {FEWEST_LABELS}, or none"
            )
        return new_baseline(
            features,
            spec,
            samples=self.samples,
            name=self.name,
            version=self.version,
            inputs=learned.inputs,
            rows=learned.rows,
            accuracy=self._accuracy,
        )

    @classmethod
    def resume(cls, baseline: Baseline) -> BaselineBuilder:
        """Return the builder that a mergeable baseline came from. Raises BaselineError for any other baseline."""
        builder = cls(name=baseline.name, version=baseline.version)
        builder.samples = baseline.samples
        outputs = baseline.of_source("output")
        if any(feature.summary is None for feature in (*baseline.column_features, *outputs)):
            raise BaselineError(
                f"baseline '{baseline.name}' version {baseline.version} was not built to be merged; rebuild it "
                "with 'torchvitals baseline build --mergeable', or in Python with "
                "BaselineBuilder().baseline(mergeable=True)"
            )
        builder._inputs = resumed(baseline)
        builder._accuracy = baseline.accuracy
        if baseline.outputs is not None:
            builder._outputs = OutputColumns.resume(baseline.outputs, outputs)
        return builder


class OutputColumns:
    """The features of a model's outputs while they are built."""

    def __init__(self, class_names: Optional[list[str]] = None, features: Optional[Features] = None) -> None:
        self._class_names = class_names
        self._features = features or Features()
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
        signals = output_signals(scores, spec)
        for name in chosen_signals(spec, self._features):
            values = signals[name]
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
        names: Any = [feature.name for feature in features]
        columns = cls(spec.classes, Features(outputs=names))
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
