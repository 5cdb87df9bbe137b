"""The features of a model's outputs while a baseline is built."""

from __future__ import annotations

from typing import Any, Optional, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature
from ..baseline.selection import Features
from ..errors import BaselineError
from ..featurizers.outputs import Outputs, Scores, chosen_signals, detect_scores, output_signals
from .column import Column
from .fitting import name_classes
from .texts import EXACT_TEXTS, Texts

CLASS = "predicted_class"


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
        for name in chosen_signals(spec, self._features.outputs):
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
