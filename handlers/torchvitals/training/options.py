"""What a baseline is to be called, and what it is to describe."""

from __future__ import annotations

from typing import Any, Optional

import msgspec

from ..baseline.selection import Features
from ..featurizers import COLUMNS, INPUTS, Featurizer, Settings, detect
from ..featurizers.batches import is_table
from ..featurizers.outputs import OutputOptions
from ..featurizers.time_parts import expanded, with_time_parts
from ..featurizers.time_texts import refuse_time_texts
from .segments import SegmentCounts


class BuildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a baseline is built.

    feature_names: the columns, by place in an array and by name in a table. class_names: in the model's order.
    features: what is described. name, version: the model's. exact: describe every value exactly, in memory that grows
    with the data; else columns of many different values become sketches.
    """

    feature_names: Optional[list[str]] = None
    class_names: Optional[list[str]] = None
    features: Features = Features()
    name: str = "model"
    version: str = "1.0"
    exact: bool = False

    @property
    def settings(self) -> Settings:
        """What a learner of inputs needs to know."""
        return Settings(
            names=self.feature_names and expanded(self.feature_names, self.features.time_parts),
            padding=self.features.padding,
            row_distance=self.features.row_distance,
            identifiers=self.features.identifiers or [],
            categories=self.features.categories,
        )

    @property
    def outputs(self) -> OutputOptions:
        """What is said of the outputs. Raises BaselineError where class names are given twice, and differ."""
        return self.features.of_outputs.named(self.class_names)

    def kind_of(self, inputs: Any) -> type[Featurizer]:
        """Return the kind of inputs that a first batch is."""
        kind = self.features.inputs or detect(inputs, self.feature_names)
        return INPUTS.named(kind)

    @property
    def segments(self) -> Optional[SegmentCounts]:
        """What tells the rows of segments apart; None where none are wanted."""
        wanted = self.features.segments
        return SegmentCounts(wanted, identifiers=self.features.identifiers or ()) if wanted else None

    def prepared(self, kind: str, inputs: Any) -> Any:
        """Return a batch as a kind's learner takes it: of a table its one column, unless the kind is columns.

        Of columns, parts of times stand in the place of those that have some. Raises BaselineError, for dates as texts
        too.
        """
        if not is_table(inputs):
            return inputs
        if kind == COLUMNS:
            parts = self.features.time_parts
            table = with_time_parts(inputs, parts) if parts else inputs
            known = {*self.features.categories, *(self.features.identifiers or ())}
            refuse_time_texts(table, self.settings.names, but=known)
            return table
        return INPUTS.named(kind).from_table(inputs, self.settings)
