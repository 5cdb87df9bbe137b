"""The features of a model's outputs while a baseline is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import Feature
from ..errors import BaselineError
from ..featurizers import Learner
from ..featurizers.columns import as_float32
from ..featurizers.kinds import kind_of
from ..featurizers.outputs import (
    Described,
    NoOutputs,
    Outputs,
    Sequences,
    Signals,
    TokenOutputs,
    are_probabilities,
    chosen_signals,
    reader_of,
    recognised,
    within_unit,
)
from .column import Column
from .options import BuildOptions
from .texts import EXACT_TEXTS, TextCounts

# Rows that are worked on at once, and values where rows are wide; bounds the memory that a large batch takes.
CHUNK_ROWS, CHUNK_VALUES = 65_536, 2**24
# What outputs are is told from so many rows, as far as so many values hold them.
SETTLING_ROWS, SETTLING_VALUES = 1_000, 2**20

NOT_COMPARED = kind_of(NoOutputs)

Columns = Mapping[str, Union[Column, TextCounts]]


class OutputColumns:
    """The features of a model's outputs while they are built.

    The first rows wait until they are enough to tell what the outputs are, unless that is said.

    spec: what the outputs are, where it is known. columns: what is described so far. wanted: the features to describe,
    by default those that the options say.
    """

    def __init__(
        self,
        options: BuildOptions,
        *,
        spec: Optional[Outputs] = None,
        columns: Optional[Columns] = None,
        wanted: Optional[list[str]] = None,
    ) -> None:
        self._options = options
        self._said = options.outputs
        self._wanted = self._said.features if wanted is None else wanted
        self._spec = spec
        self._learner: Optional[Learner] = None
        # How batches are read, as soon as one came.
        self._reader: Optional[type[Outputs]] = None if spec is None else type(spec)
        self._waiting: list[Any] = []
        self._waiting_rows = self._waiting_values = 0
        # Whether finite rows told how scores are to be read.
        self._scores_known = spec is not None
        self._columns: dict[str, Union[Column, TextCounts]] = dict(columns or {})

    @property
    def seen(self) -> bool:
        """Whether any outputs came."""
        return bool(self._waiting) or self._spec is not None or self._learner is not None

    @property
    def wanted(self) -> bool:
        """Whether outputs are looked at."""
        return self._said.kind != NOT_COMPARED

    @property
    def spec(self) -> Optional[Outputs]:
        """What the outputs are, as far as it is known; None of a kind that is learned of all rows."""
        self._settle()
        return self._spec

    def read(self, outputs: Any) -> Any:
        """Return a batch, with as many rows as it has, of what a model gave. Raises BaselineError."""
        if isinstance(outputs, Described):
            return outputs
        if self._reader is None:
            self._reader = reader_of(outputs, self._said)
        return self._reader.read(outputs)

    def update(self, batch: Any) -> None:
        """Add outputs that `read` returned. Raises BaselineError where they are not those of the first batches."""
        if isinstance(batch, Described):
            self._add_described(batch)
            return
        if self._spec is None and self._learner is None:
            self._wait(batch)
            return
        self._add(batch)

    def merge(self, other: OutputColumns) -> None:
        """Add the outputs of another part. Raises BaselineError where they are of another kind."""
        if not other.seen:
            return
        self._settle()
        other._settle()
        if other._learner is not None:
            self._merge_learner(other, other._learner)
        elif other._spec is not None:
            self._merge_spec(other, other._spec)
        for name, column in other._columns.items():
            mine: Any = self._column(name)
            mine.merge(column)

    def describe(self, *, mergeable: bool) -> tuple[list[Feature], Optional[Outputs]]:
        """Return the output features and what the outputs are; none where no outputs came.

        Raises BaselineError where they are too few, or of a kind that cannot be merged from files.
        """
        if not self.wanted:
            return [], NoOutputs()
        self._settle()
        spec, columns = self._spec, dict(self._columns)
        if self._learner is not None:
            if mergeable and not self._learner.mergeable:
                raise BaselineError(
                    "a baseline whose outputs are embeddings or token ids cannot be built to be merged; leave "
                    "'mergeable' out"
                )
            learned = self._learner.finish()
            found: Any = learned.featurizer
            spec = found
            for name, values in learned.columns.items():
                columns[name] = column = Column(name, exact=True)
                column.update(values)
        if spec is None:
            return [], None
        wanted = chosen_signals(spec, self._wanted)
        return [
            self._feature(name, columns[name], spec, mergeable=mergeable)
            for name in wanted
            if name in columns
        ], spec

    @classmethod
    def resume(cls, options: BuildOptions, spec: Outputs, features: list[Feature]) -> OutputColumns:
        """Return the columns of a mergeable baseline."""
        columns: dict[str, Union[Column, TextCounts]] = {}
        for feature in features:
            if feature.summary is not None and feature.name in spec.by_class:
                columns[feature.name] = TextCounts.resume(feature.summary, _most_texts(spec))
            elif feature.summary is not None:
                columns[feature.name] = Column.resume(feature.name, feature.summary)
        return cls(options, spec=spec, columns=columns, wanted=[feature.name for feature in features])

    def _feature(
        self, name: str, column: Union[Column, TextCounts], spec: Outputs, *, mergeable: bool
    ) -> Feature:
        if isinstance(column, TextCounts):
            feature = column.describe(name=name, source="output", categories=spec.classes)
        else:
            feature = column.describe("output")
        return msgspec.structs.replace(feature, summary=column.summary()) if mergeable else feature

    def _wait(self, batch: Any) -> None:
        """Keep a batch until it is known what outputs are. Raises BaselineError for what cannot be told already."""
        if self._known_kind is None:
            if self._waiting:
                self._check_beside_first(batch)
            else:
                # What is wrong with the first rows, such as their names, does not change with more of them.
                kind = recognised(batch, self._said.classes)
                if not kind.learns:
                    kind.configured(batch, self._said)
        self._waiting.append(batch)
        self._waiting_rows += _finite_rows(batch)
        self._waiting_values += getattr(batch, "size", 0)
        if self._waiting_rows >= SETTLING_ROWS or self._waiting_values >= SETTLING_VALUES:
            self._settle()

    def _check_beside_first(self, batch: Any) -> None:
        first = self._waiting[0]
        if batch.shape[1:] != first.shape[1:] and not _of_any_length(first, batch):
            raise _another_shape(batch)
        if _are_shares(first) and _finite_rows(batch) and not within_unit(batch):
            raise _no_probabilities()

    @property
    def _known_kind(self) -> Optional[type[Outputs]]:
        """The kind, where it is said or told without looking at numbers."""
        return None if self._reader is Outputs else self._reader

    def _settle(self) -> None:
        """Say what the outputs are, and add what waits."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        kind = self._known_kind or _told(waiting, self._said.classes)
        self._reader = kind
        if isinstance(waiting[0], np.ndarray) and _alike(waiting):
            waiting = [np.concatenate(waiting)]
        if kind.learns:
            self._learner = kind.learner(self._said)
        else:
            self._spec = kind.configured(waiting[0], self._said)
            self._scores_known = any(map(_finite_rows, waiting))
        for batch in waiting:
            self._add(batch)

    def _add(self, batch: Any) -> None:
        if self._learner is not None:
            for name, values in self._learner.update(batch).items():
                self._number_column(name).update(values)
            return
        self._check(batch)
        size = getattr(batch, "size", 0) // max(len(batch), 1)
        step = max(1, min(CHUNK_ROWS, CHUNK_VALUES // max(size, 1)))
        for start in range(0, len(batch), step):
            self._describe(batch[start : start + step])

    def _describe(self, batch: Any) -> None:
        assert self._spec is not None  # noqa: S101 - for the type checker: it is settled
        spec = self._spec = self._spec.grown(batch)
        self._count(spec, spec.signals(batch))

    def _add_described(self, batch: Described) -> None:
        """Add outputs that are features already, all of one kind."""
        spec = self._spec = (self._spec or batch.spec).grown_by_features(batch.rows)
        self._reader, self._scores_known = type(spec), True
        self._count(spec, spec.of_features(batch.rows))

    def _count(self, spec: Outputs, signals: Signals) -> None:
        for name in chosen_signals(spec, self._wanted):
            column, values = self._column(name), signals[name]
            if isinstance(column, Column):
                column.update(as_float32(values))
                continue
            places = values[~np.isnan(values)].astype(np.intp)
            known = places[places >= 0]
            times = np.bincount(known, minlength=len(spec.classes)).tolist()
            column.update({text: count for text, count in zip(spec.classes, times) if count})
            column.missing += len(values) - len(known)

    def _check(self, batch: Any) -> None:
        """Raise BaselineError where a batch is not what the first ones were."""
        spec: Any = self._spec
        if not spec.accepts(batch):
            raise _another_shape(batch)
        if self._said.scores is not None or spec.scores not in ("logits", "probabilities"):
            return
        if not isinstance(batch, np.ndarray) or not _finite_rows(batch):
            return
        found = type(spec).configured(batch, self._said).scores
        if not self._scores_known:
            self._scores_known = True
            self._spec = msgspec.structs.replace(spec, scores=found)
            for name in set(self._columns) - set(chosen_signals(self._spec, self._wanted)):
                del self._columns[name]
        elif spec.scores == "probabilities" and found != "probabilities":
            raise _no_probabilities()

    def _merge_learner(self, other: OutputColumns, learner: Learner) -> None:
        if self._spec is not None or (self._learner is not None and type(self._learner) is not type(learner)):
            raise _other_models()
        if self._learner is None:
            self._learner, self._reader = learner.empty(), other._reader
        mine: Any = self._learner
        mine.merge(learner)

    def _merge_spec(self, other: OutputColumns, theirs: Outputs) -> None:
        mine = self._spec
        if self._learner is not None or (mine is not None and mine.model != theirs.model):
            raise _other_models()
        if mine is not None and self._scores_known and other._scores_known and mine.scores != theirs.scores:
            raise BaselineError(f"the outputs of one part are {mine.scores}, of the other {theirs.scores}")
        if mine is None or (other._scores_known and not self._scores_known):
            self._spec = theirs if mine is None else theirs.joined(mine)
        else:
            self._spec = mine.joined(theirs)
        self._scores_known = self._scores_known or other._scores_known
        self._reader = other._reader if self._reader is None else self._reader

    def _column(self, name: str) -> Union[Column, TextCounts]:
        """Return a feature's column; the classes of a model are known, and all are counted exactly."""
        spec = self._spec
        if name not in self._columns and spec is not None and name in spec.by_class:
            self._columns[name] = TextCounts(_most_texts(spec))
        return self._columns[name] if name in self._columns else self._number_column(name)

    def _number_column(self, name: str) -> Column:
        found: Any = self._columns.setdefault(name, Column(name, exact=self._options.exact))
        column: Column = found
        return column


def _told(waiting: list[Any], names: Optional[list[str]]) -> type[Outputs]:
    """Return the kind of batches of arrays."""
    if _alike(waiting):
        return recognised(np.concatenate(waiting), names)
    return TokenOutputs if waiting[0].dtype.kind in "iu" else Sequences


def _alike(waiting: list[NDArray[Any]]) -> bool:
    """Tell whether all rows of batches are of one shape."""
    return all(batch.shape[1:] == waiting[0].shape[1:] for batch in waiting)


def _of_any_length(first: NDArray[Any], batch: NDArray[Any]) -> bool:
    """Tell whether two batches may be ids, or scores at each place, of rows of different lengths."""
    if first.ndim != batch.ndim:
        return False
    if first.ndim == 2:
        return (
            first.dtype.kind in "iu" and batch.dtype.kind in "iu" and min(first.shape[1], batch.shape[1]) > 1
        )
    return first.ndim == 3 and first.shape[2] == batch.shape[2]


def _finite_rows(batch: Any) -> int:
    if not isinstance(batch, np.ndarray):
        return len(batch)
    return int(np.isfinite(batch.reshape(len(batch), -1)).all(axis=1).sum())


def _are_shares(batch: NDArray[Any]) -> bool:
    return batch.ndim == 2 and batch.shape[1] > 1 and batch.dtype.kind == "f" and are_probabilities(batch)


def _another_shape(batch: Any) -> BaselineError:
    return BaselineError(
        f"a batch of outputs has shape {tuple(getattr(batch, 'shape', ()))}, which is not that of the first"
    )


def _no_probabilities() -> BaselineError:
    return BaselineError(
        "the outputs of the first batches are probabilities, and those of a later batch are not; "
        "give all as logits or all as probabilities, or say which they are (features: outputs: scores)"
    )


def _other_models() -> BaselineError:
    return BaselineError("the parts have outputs of different models: another kind, or other classes")


def _most_texts(spec: Outputs) -> int:
    return max(EXACT_TEXTS, len(spec.classes))
