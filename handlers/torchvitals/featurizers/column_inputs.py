"""Columns of a table as a kind of input: each is a feature, and how they go together is one more."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, ClassVar, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from .codes import CodedColumns
from .columns import as_float32, holds_texts
from .familiarity import learn_familiarity, measure_familiarity
from .featurizer import Featurizer, Learned, Learner, Settings
from .row_distance import MAX_COLUMNS, NAME, ROWS_PER_COLUMN, RowDistance, learn_row_distance
from .row_sample import RowSample, halves
from .tables import Columns, columns_of


class ColumnInputs(Featurizer, msgspec.Struct, frozen=True, tag="columns", tag_field="kind"):
    """Inputs that are columns. They are features already, so a baseline file holds no featurizer for them."""

    learns: ClassVar[bool] = True

    def validate(self) -> None:
        """Raise BaselineError: where inputs are columns, the file's `inputs` is left out."""
        raise BaselineError("inputs of kind 'columns' are features already; leave `inputs` out")

    @classmethod
    def recognises(cls, value: Any, names: Optional[list[str]]) -> bool:
        """Take what no other kind recognises."""
        return True

    @classmethod
    def learner(cls, settings: Settings) -> Learner:
        """Return an empty learner."""
        sample = RowSample() if settings.row_distance else None
        coded = CodedColumns(settings.categories)
        return ColumnsLearner(settings.names, sample, coded, identifiers=settings.identifiers)


class ColumnsLearner(Learner):
    """Takes tables apart into columns, and samples whole rows for the row distance.

    names: the columns that are wanted; by default the first batch's. sample: None where rows are not compared. coded:
    what is known of columns of codes. identifiers: columns that take no part in the row distance.
    """

    def __init__(
        self,
        names: Optional[list[str]] = None,
        sample: Optional[RowSample] = None,
        coded: Optional[CodedColumns] = None,
        *,
        identifiers: Collection[str] = (),
    ) -> None:
        self._names = names
        self._sample = sample
        self._coded = coded or CodedColumns()
        self._identifiers = frozenset(identifiers)

    def update(self, batch: Any) -> Columns:
        """Take in a table or (n, d) rows; return its columns. Later batches must have the columns of the first."""
        columns = self._coded.decoded(columns_of(batch, self._names), batch)
        rows = len(next(iter(columns.values())))
        if rows:
            self._names = list(columns)
            if self._sample is not None:
                self._sample.update(rows, lambda places: self._matrix(columns, places))
        return columns

    def empty(self) -> Learner:
        """Return a learner for any columns."""
        sample = None if self._sample is None else RowSample(self._sample.size)
        return ColumnsLearner(None, sample, self._coded.empty(), identifiers=self._identifiers)

    def merge(self, other: ColumnsLearner) -> None:
        """Add the rows of another part. Raises BaselineError where its codes mean something else."""
        self._coded.merge(other._coded)
        in_order = self._names in (None, other._names)
        self._names = self._names or other._names
        if self._sample is None or other._sample is None or not in_order:
            # A part from a file has no rows; rows of columns in another order are not these rows.
            self._sample = None
        else:
            self._sample.merge(other._sample)

    def finish(self) -> Learned:
        """Learn how numeric columns go together.

        Nothing comes of it where fewer than two columns are numbers that vary, or more than MAX_COLUMNS, or where the
        rows are too few. Raises BaselineError where a column has the feature's name, or does not say its codes.
        """
        bare = Learned(codes=self._coded.codes())
        if self._sample is None or self._names is None:
            return bare
        learn, measure = halves(self._sample.rows())
        if not learn:
            return bare
        rows = np.stack(learn)
        places = [place for place in range(rows.shape[1]) if _varies(rows[:, place])]
        if not 2 <= len(places) <= MAX_COLUMNS:
            return bare
        names = [self._names[place] for place in places]
        if len(learn) < ROWS_PER_COLUMN * len(places):
            few = np.stack(learn + measure)[:, places].astype(np.float64)
            return Learned(codes=bare.codes, familiarity=partial(learn_familiarity, few, names))
        if NAME in self._names:
            raise BaselineError(
                f"a column is named '{NAME}', as is the feature that compares whole rows; rename it, or switch the "
                "feature off (features: row_distance: false)"
            )
        distance: RowDistance = learn_row_distance(rows[:, places].astype(np.float64), names)
        measured = np.stack(measure)[:, places].astype(np.float64)
        return Learned(
            columns={NAME: as_float32(distance.of(measured))},
            rows=distance,
            codes=bare.codes,
            familiarity=partial(measure_familiarity, measured, distance),
        )

    def _matrix(self, columns: Columns, places: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return whole rows; texts, and numbers that tell rows apart, are missing."""
        return np.column_stack(
            [
                np.full(len(places), np.nan, dtype=np.float32)
                if name in self._identifiers or holds_texts(values)
                else values[places]
                for name, values in columns.items()
            ]
        )


def _varies(values: NDArray[np.float32]) -> bool:
    finite = values[np.isfinite(values)]
    return bool(len(finite) and finite.min() < finite.max())
