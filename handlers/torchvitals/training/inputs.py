"""The features of a model's inputs while a baseline is built: a learner, and what it gives to describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import msgspec

from ..baseline.schema import BaselineData, Feature
from ..errors import BaselineError
from ..featurizers import Featurizer, Learner
from ..featurizers.codes import CodedColumns
from ..featurizers.column_inputs import ColumnsLearner
from ..featurizers.row_distance import RowDistance
from ..featurizers.tables import Columns
from .coded import with_codes
from .column import Column
from .rounded import TwoBytes, two_bytes_of, with_rounding


class InputFeatures(msgspec.Struct, frozen=True):
    """What the inputs of all batches make."""

    features: list[Feature]
    inputs: Optional[Featurizer] = None
    rows: Optional[RowDistance] = None


class InputColumns:
    """Takes batches of one kind of input, and merges with another of its kind.

    exact: describe every value exactly. columns: what is described so far. rounded: the type of two bytes that it came
    in, if it was one.
    """

    def __init__(
        self,
        kind: str,
        learner: Learner,
        *,
        exact: bool = False,
        columns: Optional[Mapping[str, Column]] = None,
        rounded: TwoBytes = "",
    ) -> None:
        self.kind = kind
        self.exact = exact
        self._learner = learner
        self._columns = dict(columns or {})
        self._rounded: TwoBytes = rounded

    def update(self, batch: Any) -> None:
        """Add a batch. Raises BaselineError."""
        self._rounded = two_bytes_of(batch) or self._rounded
        self.add(self._learner.update(batch))

    def add(self, columns: Columns) -> None:
        """Add the values of columns. Raises BaselineError."""
        for name, values in columns.items():
            if len(values):
                self._column(name).update(values)

    def empty(self) -> InputColumns:
        """Return one of this kind that has seen nothing."""
        return InputColumns(self.kind, self._learner.empty(), exact=self.exact)

    def merge(self, other: InputColumns) -> None:
        """Add what another part has seen, which stays as it is. Raises BaselineError where the features differ."""
        if self.kind != other.kind:
            raise BaselineError(f"one part was built from {self.kind}, the other from {other.kind}")
        if self._columns and set(self._columns) != set(other._columns):
            apart = ", ".join(sorted(set(self._columns) ^ set(other._columns)))
            raise BaselineError(f"the parts have different features; only one has: {apart}")
        self._learner.merge(other._learner)
        self._rounded = other._rounded or self._rounded
        for name, column in other._columns.items():
            self._column(name).merge(column)

    def describe(self, *, mergeable: bool) -> InputFeatures:
        """Return a feature a column, and those that are known only in the end.

        mergeable: keep what a later merge needs, and leave out what belongs to rows as a whole. Raises BaselineError
        for a kind that needs rows to merge.
        """
        if mergeable and not self._learner.mergeable:
            raise BaselineError(
                f"a baseline of {self.kind} cannot be built to be merged; leave 'mergeable' out"
            )
        learned = self._learner.finish()
        features = [
            with_rounding(with_codes(column.describe("input"), learned.codes.get(name)), self._rounded)
            for name, column in self._columns.items()
        ]
        if mergeable:
            pairs = zip(features, self._columns.values())
            features = [msgspec.structs.replace(f, summary=column.summary()) for f, column in pairs]
            return InputFeatures(features, learned.featurizer)
        last = InputColumns(self.kind, self._learner, exact=True)
        last.add(learned.columns)
        features += [column.describe("input") for column in last._columns.values()]
        return InputFeatures(features, learned.featurizer, learned.rows)

    @classmethod
    def resume(cls, baseline: BaselineData) -> InputColumns:
        """Return what goes on where a mergeable baseline ended; it holds no rows."""
        columns = {
            feature.name: Column.resume(feature.name, feature.summary)
            for feature in baseline.column_features
            if feature.summary is not None
        }
        coded = CodedColumns.resumed({feature.name: feature.codes for feature in baseline.column_features})
        learner = (
            ColumnsLearner(list(columns), None, coded)
            if baseline.inputs is None
            else baseline.inputs.resumed()
        )
        types: list[TwoBytes] = [feature.rounded for feature in baseline.column_features if feature.rounded]
        return cls(baseline.input_kind, learner, columns=columns, rounded=types[0] if types else "")

    def _column(self, name: str) -> Column:
        return self._columns.setdefault(name, Column(name, exact=self.exact))
