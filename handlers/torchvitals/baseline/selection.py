"""The `features:` section: what is compared with the baseline, in building it and in serving."""

from __future__ import annotations

import difflib
from typing import Annotated, Optional, Union

import msgspec

from ..errors import ConfigurationError
from ..featurizers import INPUTS
from ..featurizers.kinds import UnknownKindError, kind_of
from ..featurizers.outputs import OUTPUTS, NoOutputs, OutputOptions
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from .schema import BaselineData

Floor = Annotated[float, msgspec.Meta(ge=0)]


class Features(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is compared. Raises ConfigurationError for an unknown kind of input, or feature of outputs.

    inputs: the kind of what the model is given; told from shape and type where left out. padding: the token id that
    fills a row up. row_distance: whether rows are compared as a whole too. outputs: the kind of what the model gives,
    told where left out; or those of its features that are compared; or a section with both and more, see OutputOptions.
    ignore: names of features that are in the baseline and are not to be compared. psi: smallest PSI that counts as
    drift, by feature, where it is not `thresholds: psi:`.
    """

    inputs: Optional[str] = None
    padding: int = 0
    row_distance: bool = True
    outputs: Union[str, list[str], OutputOptions, None] = None
    ignore: list[str] = []
    psi: dict[str, Floor] = {}

    def __post_init__(self) -> None:
        if self.inputs is not None:
            INPUTS.named(self.inputs)
        said = OutputOptions.of(self.outputs)
        if isinstance(self.outputs, (dict, tuple)):
            # Of Python; a section of a file is checked as it is read.
            msgspec.structs.force_setattr(self, "outputs", said)
        kinds = list(OUTPUTS) if said.kind is None else [OUTPUTS.named(said.kind)]
        known = dict.fromkeys(name for kind in kinds for name in kind.features)
        for name in said.features or ():
            if name not in known and not any(kind.may_have(name, said) for kind in kinds):
                raise UnknownKindError(
                    f"outputs: unknown feature '{name}'; known features: {', '.join(known)}"
                )

    @property
    def of_outputs(self) -> OutputOptions:
        """What is said of the outputs."""
        return OutputOptions.of(self.outputs)

    def check(self, baseline: BaselineData, where: str = "handler.monitoring.features") -> None:
        """Raise ConfigurationError where the section does not fit a baseline."""
        kind = baseline.input_kind
        if self.inputs not in (None, kind):
            raise ConfigurationError(
                f"{where}.inputs: it says {self.inputs}, and the baseline describes {kind}; change it, or rebuild the "
                "baseline"
            )
        said = self.of_outputs
        if baseline.outputs is not None and said.kind not in (
            None,
            kind_of(NoOutputs),
            baseline.outputs.kind,
        ):
            raise ConfigurationError(
                f"{where}.outputs: it says {said.kind}, and the baseline describes {baseline.outputs.sentence} "
                f"({baseline.outputs.kind}); change it, or rebuild the baseline"
            )
        have = [feature.name for feature in baseline.features]
        for key, names in (("ignore", self.ignore), ("psi", self.psi), ("outputs", said.features or ())):
            for name in names:
                if name not in have:
                    close = difflib.get_close_matches(name, have, n=1)
                    hint = f"did you mean '{close[0]}'?" if close else f"it has: {', '.join(have)}"
                    raise ConfigurationError(f"{where}.{key}: the baseline has no feature '{name}'; {hint}")

    def ignored(self, baseline: BaselineData) -> frozenset[tuple[str, str]]:
        """Return the source and name of the baseline's features that are not compared."""
        said = self.of_outputs
        unwanted = {
            ("output", feature.name)
            for feature in baseline.of_source("output")
            if said.kind == kind_of(NoOutputs)
            or (said.features is not None and feature.name not in said.features)
        }
        if baseline.rows is not None and not self.row_distance:
            unwanted.add(("input", ROW_DISTANCE))
        named = {
            (feature.source, feature.name) for feature in baseline.features if feature.name in self.ignore
        }
        return frozenset(unwanted | named)
