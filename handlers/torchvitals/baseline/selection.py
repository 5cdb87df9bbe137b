"""The `features:` section: what is compared with the baseline, in building it and in serving."""

from __future__ import annotations

import difflib
from typing import Annotated, Optional

import msgspec

from ..errors import ConfigurationError
from ..featurizers import INPUTS
from ..featurizers.kinds import UnknownKindError
from ..featurizers.outputs import OUTPUTS
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from ..featurizers.time_parts import check_parts
from .schema import BaselineData

Floor = Annotated[float, msgspec.Meta(ge=0)]


class Features(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is compared. Raises ConfigurationError for an unknown kind of input, or feature of outputs.

    inputs: the kind of what the model is given; told from shape and type where left out. padding: the token id that
    fills a row up. row_distance: whether rows are compared as a whole too. outputs: features of the outputs; by
    default the predicted class and its confidence, with three or more classes entropy and margin too, or the value.
    identifiers: columns that tell rows apart, of which no text is kept, beside those that are recognised; with an empty
    list there are none. time_parts: parts that columns of times become, by column.
    ignore: names of features that are in the baseline and are not to be compared. psi: smallest PSI that counts as
    drift, by feature, where it is not `thresholds: psi:`.
    """

    inputs: Optional[str] = None
    padding: int = 0
    row_distance: bool = True
    outputs: Optional[list[str]] = None
    identifiers: Optional[list[str]] = None
    time_parts: dict[str, list[str]] = {}
    ignore: list[str] = []
    psi: dict[str, Floor] = {}

    def __post_init__(self) -> None:
        if self.inputs is not None:
            INPUTS.named(self.inputs)
        for column, parts in self.time_parts.items():
            check_parts(column, parts)
        known = dict.fromkeys(name for kind in OUTPUTS for name in kind.features)
        for name in self.outputs or ():
            if name not in known:
                raise UnknownKindError(
                    f"outputs: unknown feature '{name}'; known features: {', '.join(known)}"
                )

    def check(self, baseline: BaselineData, where: str = "handler.monitoring.features") -> None:
        """Raise ConfigurationError where the section does not fit a baseline."""
        kind = baseline.input_kind
        if self.inputs not in (None, kind):
            raise ConfigurationError(
                f"{where}.inputs: it says {self.inputs}, and the baseline describes {kind}; change it, or rebuild the "
                "baseline"
            )
        unknown = [name for name in self.identifiers or () if name not in baseline.identifiers]
        if unknown:
            raise ConfigurationError(
                f"{where}.identifiers: '{unknown[0]}' is no identifier in the baseline; rebuild it with this section"
            )
        have = [feature.name for feature in baseline.features]
        for key, names in (("ignore", self.ignore), ("psi", self.psi), ("outputs", self.outputs or ())):
            for name in names:
                if name not in have:
                    close = difflib.get_close_matches(name, have, n=1)
                    hint = f"did you mean '{close[0]}'?" if close else f"it has: {', '.join(have)}"
                    raise ConfigurationError(f"{where}.{key}: the baseline has no feature '{name}'; {hint}")

    def ignored(self, baseline: BaselineData) -> frozenset[tuple[str, str]]:
        """Return the source and name of the baseline's features that are not compared."""
        unwanted = {
            ("output", feature.name)
            for feature in baseline.of_source("output")
            if self.outputs is not None and feature.name not in self.outputs
        }
        if baseline.rows is not None and not self.row_distance:
            unwanted.add(("input", ROW_DISTANCE))
        named = {
            (feature.source, feature.name) for feature in baseline.features if feature.name in self.ignore
        }
        return frozenset(unwanted | named)
