"""The features of a model's inputs while a baseline is built: a learner, and what it gives to describe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Optional

import msgspec

from ..baseline.schema import BaselineData, Feature, Segments, Summary
from ..errors import BaselineError
from ..featurizers import Featurizer, Learner
from ..featurizers.codes import CodedColumns
from ..featurizers.column_inputs import ColumnsLearner
from ..featurizers.familiarity import Familiarity
from ..featurizers.identifiers import Identifier, length_name, new_name
from ..featurizers.row_distance import RowDistance
from ..featurizers.tables import Columns
from .coded import with_codes
from .column import Column
from .identifiers import IdentifierCounts
from .rounded import TwoBytes, two_bytes_by_column, with_rounding
from .segments import SegmentCounts


class InputFeatures(msgspec.Struct, frozen=True):
    """What the inputs of all batches make."""

    features: list[Feature]
    inputs: Optional[Featurizer] = None
    rows: Optional[RowDistance] = None
    identifiers: dict[str, Identifier] = {}
    familiarity: Callable[[], Optional[Familiarity]] = lambda: None
    segments: Optional[Segments] = None


class InputColumns:
    """Takes batches of one kind of input, and merges with another of its kind.

    exact: describe every value exactly. columns: what is described so far. rounded: the types of two bytes that some of
    them came in. identifiers: columns whose texts are not kept, beside those whose texts tell rows apart; with an empty
    list there are none. segments: what is kept of parts of the rows.
    """

    def __init__(
        self,
        kind: str,
        learner: Learner,
        *,
        exact: bool = False,
        columns: Optional[Mapping[str, Column]] = None,
        rounded: Optional[Mapping[str, TwoBytes]] = None,
        identifiers: Optional[list[str]] = None,
        segments: Optional[SegmentCounts] = None,
    ) -> None:
        self.kind = kind
        self.exact = exact
        self.identifiers = identifiers
        self._learner = learner
        self._columns = dict(columns or {})
        self._rounded = dict(rounded or {})
        self._segments = segments

    def update(self, batch: Any) -> None:
        """Add a batch. Raises BaselineError."""
        columns = self._learner.update(batch)
        self._rounded.update(two_bytes_by_column(batch, columns))
        self.add(columns)

    def add(self, columns: Columns) -> None:
        """Add the values of columns. Raises BaselineError."""
        for name, values in columns.items():
            if len(values):
                self._column(name).update(values)
        if self._segments is not None:
            self._segments.update(columns)

    def empty(self) -> InputColumns:
        """Return one of this kind that has seen nothing."""
        return InputColumns(
            self.kind,
            self._learner.empty(),
            exact=self.exact,
            identifiers=self.identifiers,
            segments=None if self._segments is None else self._segments.empty(),
        )

    def merge(self, other: InputColumns) -> None:
        """Add what another part has seen, which stays as it is. Raises BaselineError where the features differ."""
        if self.kind != other.kind:
            raise BaselineError(f"one part was built from {self.kind}, the other from {other.kind}")
        if self._columns and set(self._columns) != set(other._columns):
            apart = ", ".join(sorted(set(self._columns) ^ set(other._columns)))
            raise BaselineError(f"the parts have different features; only one has: {apart}")
        if (self._segments is None) != (other._segments is None):
            raise BaselineError("one part was built with segments and the other without; build both alike")
        if self._segments is not None and other._segments is not None:
            self._segments.merge(other._segments)
        self._learner.merge(other._learner)
        self._rounded.update(other._rounded)
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
        self._check_identifiers()
        features: list[Feature] = []
        identifiers: dict[str, Identifier] = {}
        for name, column in self._columns.items():
            codes = learned.codes.get(name)
            found = None if codes or self.identifiers == [] else column.identifiers()
            if found is None:
                described = [
                    with_rounding(with_codes(column.describe("input"), codes), self._rounded.get(name, ""))
                ]
                summaries = [column.summary()]
            elif found.are_decimals and name not in (self.identifiers or ()):
                raise BaselineError(
                    f"column '{name}' holds numbers that are written as texts; make them numbers, name it an "
                    "identifier (features: identifiers), or leave the column out"
                )
            else:
                described, identifiers[name] = found.describe(name=name, source="input"), found.identifier()
                # The second feature comes of what the first one keeps.
                summaries = [found.summary(), Summary(kind="none", missing=found.missing)]
            if mergeable:
                described = [msgspec.structs.replace(f, summary=s) for f, s in zip(described, summaries)]
            features += described
        self._check_names(features, identifiers)
        segments = None if self._segments is None else self._segments.describe(features, mergeable=mergeable)
        if mergeable:
            return InputFeatures(features, learned.featurizer, identifiers=identifiers, segments=segments)
        last = InputColumns(self.kind, self._learner, exact=True)
        last.add(learned.columns)
        features += [column.describe("input") for column in last._columns.values()]
        return InputFeatures(
            features, learned.featurizer, learned.rows, identifiers, learned.familiarity, segments
        )

    @classmethod
    def resume(cls, baseline: BaselineData) -> InputColumns:
        """Return what goes on where a mergeable baseline ended; it holds no rows."""
        summaries = {feature.name: feature.summary for feature in baseline.column_features}
        columns = {}
        for name in baseline.column_names:
            summary = summaries[length_name(name) if name in baseline.identifiers else name]
            if summary is not None:
                columns[name] = Column.resume(name, summary)
        coded = CodedColumns.resumed({feature.name: feature.codes for feature in baseline.column_features})
        learner = (
            ColumnsLearner(list(columns), None, coded)
            if baseline.inputs is None
            else baseline.inputs.resumed()
        )
        rounded: dict[str, TwoBytes] = {
            feature.name: feature.rounded for feature in baseline.column_features if feature.rounded
        }
        return cls(
            baseline.input_kind,
            learner,
            columns=columns,
            rounded=rounded,
            segments=None if baseline.segments is None else SegmentCounts.resume(baseline.segments),
        )

    def _column(self, name: str) -> Column:
        if name not in self._columns:
            found = IdentifierCounts() if name in (self.identifiers or ()) else None
            self._columns[name] = Column(name, exact=self.exact, found=found)
        return self._columns[name]

    def _check_identifiers(self) -> None:
        unknown = [name for name in self.identifiers or () if name not in self._columns]
        if unknown:
            raise BaselineError(
                f"features: identifiers: the data have no column '{unknown[0]}'; they have: {', '.join(self._columns)}"
            )

    def _check_names(self, features: list[Feature], identifiers: Mapping[str, Identifier]) -> None:
        names = Counter(feature.name for feature in features)
        for name in identifiers:
            for feature in (length_name(name), new_name(name)):
                if names[feature] > 1:
                    raise BaselineError(
                        f"a column is named '{feature}', as is a feature of the identifier '{name}'; rename it, or "
                        "leave one of them out"
                    )
