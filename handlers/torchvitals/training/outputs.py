"""The features of a model's outputs while a baseline is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature
from ..errors import BaselineError
from ..featurizers.columns import as_float32
from ..featurizers.outputs import Outputs, chosen_signals, outputs_of
from .column import Column
from .options import BuildOptions
from .texts import EXACT_TEXTS, TextCounts

# Rows that are worked on at once; bounds the memory that a large batch takes.
CHUNK_ROWS = 65_536

Columns = Mapping[str, Union[Column, TextCounts]]


class OutputColumns:
    """The features of a model's outputs while they are built.

    shape: what the outputs are; their scores are told by the first rows that are finite. columns: what is described so
    far.
    """

    def __init__(
        self,
        options: BuildOptions,
        *,
        shape: Optional[Outputs] = None,
        scores: Optional[str] = None,
        columns: Optional[Columns] = None,
    ) -> None:
        self._options = options
        self._shape = shape
        self._scores = scores
        self._columns: dict[str, Union[Column, TextCounts]] = dict(columns or {})

    @property
    def seen(self) -> bool:
        """Whether any outputs came."""
        return self._shape is not None

    @property
    def spec(self) -> Outputs:
        """What the outputs are, as far as it is known."""
        assert self._shape is not None  # noqa: S101 - for the type checker; see `seen`
        shape: Any = self._shape
        spec: Outputs = msgspec.structs.replace(shape, scores=self._scores or shape.scores)
        return spec

    def update(self, scores: NDArray[Any]) -> None:
        """Add outputs, (n, classes) or (n,). Raises BaselineError where they are not those of the first batches."""
        for start in range(0, len(scores), CHUNK_ROWS):
            self._add(scores[start : start + CHUNK_ROWS])

    def merge(self, other: OutputColumns) -> None:
        """Add the outputs of another part. Raises BaselineError where they are of another kind."""
        if not other.seen:
            return
        if self.seen and _model(self.spec) != _model(other.spec):
            raise BaselineError("the parts have outputs of different models: another kind, or other classes")
        if None not in (self._scores, other._scores) and self._scores != other._scores:
            raise BaselineError(f"the outputs of one part are {self._scores}, of the other {other._scores}")
        self._shape = self._shape or other._shape
        self._scores = self._scores or other._scores
        for name, column in other._columns.items():
            mine: Any = self._column(name)
            mine.merge(column)

    def describe(self, *, mergeable: bool) -> list[Feature]:
        """Return the output features; none where no outputs came."""
        features = []
        for name, column in self._columns.items():
            if isinstance(column, TextCounts):
                feature = column.describe(name=name, source="output", categories=self.spec.classes)
            else:
                feature = column.describe("output")
            if mergeable:
                feature = msgspec.structs.replace(feature, summary=column.summary())
            features.append(feature)
        return features

    @classmethod
    def resume(cls, options: BuildOptions, spec: Outputs, features: list[Feature]) -> OutputColumns:
        """Return the columns of a mergeable baseline."""
        columns: dict[str, Union[Column, TextCounts]] = {}
        for feature in features:
            if feature.summary is not None and feature.name in spec.by_class:
                columns[feature.name] = TextCounts.resume(feature.summary, _most_texts(spec))
            elif feature.summary is not None:
                columns[feature.name] = Column.resume(feature.name, feature.summary)
        return cls(options, shape=spec, scores=spec.scores, columns=columns)

    def _add(self, scores: NDArray[Any]) -> None:
        self._settle(scores)
        spec = self.spec
        signals = spec.signals(scores)
        for name in chosen_signals(spec, self._options.features.outputs):
            column, values = self._column(name), signals[name]
            if isinstance(column, Column):
                column.update(as_float32(values))
                continue
            known = values[~np.isnan(values)].astype(np.intp)
            times = np.bincount(known, minlength=len(spec.classes)).tolist()
            column.update({text: count for text, count in zip(spec.classes, times) if count})
            column.missing += len(values) - len(known)

    def _settle(self, scores: NDArray[Any]) -> None:
        """Learn from the first batches what the outputs are. Raises BaselineError when a later one differs."""
        found = outputs_of(scores, self._options.class_names)
        if self._shape is not None and _model(found) != _model(self._shape):
            raise BaselineError(
                f"a batch of outputs has shape {scores.shape}, which is not that of the first"
            )
        self._shape = self._shape or found
        if found.classes and not np.isfinite(scores).all(axis=1).any():
            return
        if self._scores is None:
            self._scores = found.scores
        elif self._scores == "probabilities" and found.scores != "probabilities":
            raise BaselineError(
                "the outputs of the first batches are probabilities, and those of a later batch are not; "
                "give all as logits or all as probabilities"
            )

    def _column(self, name: str) -> Union[Column, TextCounts]:
        """Return a feature's column; the classes of a model are known, and all are counted exactly."""
        if name not in self._columns:
            self._columns[name] = (
                TextCounts(_most_texts(self.spec))
                if name in self.spec.by_class
                else Column(name, exact=self._options.exact)
            )
        return self._columns[name]


def _most_texts(spec: Outputs) -> int:
    return max(EXACT_TEXTS, len(spec.classes))


def _model(spec: Outputs) -> tuple[str, list[str]]:
    return spec.kind, spec.classes
