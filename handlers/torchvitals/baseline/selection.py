"""The `features:` section: what is compared with the baseline, in building it and in serving."""

from __future__ import annotations

import difflib
from typing import Annotated, Optional, TypeVar, Union

import msgspec

from ..errors import BaselineError, ConfigurationError
from ..featurizers import COLUMNS, INPUTS
from ..featurizers.codes import CODES, SORTED, Codes, CodesError, Said, codes_in_order, codes_of, own_codes
from ..featurizers.kinds import UnknownKindError, kind_of
from ..featurizers.outputs import OUTPUTS, NoOutputs, OutputOptions
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from ..featurizers.time_parts import check_parts
from .schema import MOST_SEGMENT_COLUMNS, BaselineData, Feature

B = TypeVar("B", bound=BaselineData)
Floor = Annotated[float, msgspec.Meta(ge=0)]


class SelectionError(ConfigurationError, BaselineError, ValueError):
    """What is to be compared contradicts itself. A ``ValueError``, so that msgspec adds its place in the file."""


class Features(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is compared. Raises ConfigurationError for an unknown kind of input, or feature of outputs.

    inputs: the kind of what the model is given; told from shape and type where left out. padding: the token id that
    fills a row up. row_distance: whether rows are compared as a whole too. outputs: the kind of what the model gives,
    told where left out; or those of its features that are compared; or a section with both and more, see OutputOptions.
    identifiers: columns that tell rows apart, of which no text is kept, beside those that are recognised; with an empty
    list there are none. time_parts: parts that columns of times become, by column.
    ignore: names of features that are in the baseline and are not to be compared. psi, wasserstein_distance,
    share_change, exceedance_ratio: the smallest change that counts as drift, by feature; a feature that is in one of
    them has no floors
    but those that it is in, and the others have those of `thresholds`. categories: by column, what the numbers mean
    that stand for its categories: the categories in the order of the codes from 0; each code and its category (None is
    missing); `sorted` for the categories in sorted order, or in that of a pandas Categorical or an Enum; `codes` for
    numbers that are names themselves. segments: one or two columns of categories, of whose values each is also compared
    with its own training rows; with an empty list none is.
    """

    inputs: Optional[str] = None
    padding: int = 0
    row_distance: bool = True
    outputs: Union[str, list[str], OutputOptions, None] = None
    identifiers: Optional[list[str]] = None
    time_parts: dict[str, list[str]] = {}
    ignore: list[str] = []
    psi: dict[str, Floor] = {}
    wasserstein_distance: dict[str, Floor] = {}
    share_change: dict[str, Floor] = {}
    exceedance_ratio: dict[str, Floor] = {}
    categories: dict[str, Said] = {}
    segments: Optional[list[str]] = None

    def __post_init__(self) -> None:
        self._check_categories()
        self._check_segments()
        if self.inputs is not None:
            INPUTS.named(self.inputs)
        for column, parts in self.time_parts.items():
            check_parts(column, parts)
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

    def _check_categories(self) -> None:
        for name, said in self.categories.items():
            if not isinstance(said, str):
                codes_of(said, name)
            elif said not in (SORTED, CODES):
                raise CodesError(f"categories: '{name}': give a list, a mapping, '{SORTED}' or '{CODES}'")
        if self.categories and self.inputs is None:
            # Whole numbers in wide rows would be token ids.
            msgspec.structs.force_setattr(self, "inputs", COLUMNS)
        if self.categories and self.inputs != COLUMNS:
            raise CodesError(f"categories: inputs of {self.inputs} have no columns; leave one of the two out")

    def _check_segments(self) -> None:
        wanted = self.segments or []
        if len(set(wanted)) < len(wanted) or len(wanted) > MOST_SEGMENT_COLUMNS:
            raise SelectionError(f"segments: {', '.join(wanted)}: give one column, or two different ones")
        if wanted and self.inputs is None:
            msgspec.structs.force_setattr(self, "inputs", COLUMNS)
        if wanted and self.inputs != COLUMNS:
            raise SelectionError(
                f"segments: inputs of {self.inputs} have no columns; leave one of the two out"
            )

    def check(self, baseline: BaselineData, where: str = "handler.monitoring.features") -> None:
        """Raise ConfigurationError where the section does not fit a baseline."""
        kind = baseline.input_kind
        if self.inputs not in (None, kind):
            raise ConfigurationError(
                f"{where}.inputs: it says {self.inputs}, and the baseline describes {kind}; change it, or rebuild the "
                "baseline"
            )
        self._check_identifiers(baseline, where)
        self._check_known_segments(baseline, where)
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
        for key, names in (
            ("ignore", self.ignore),
            ("psi", self.psi),
            ("wasserstein_distance", self.wasserstein_distance),
            ("share_change", self.share_change),
            ("exceedance_ratio", self.exceedance_ratio),
            ("outputs", said.features or ()),
        ):
            for name in names:
                if name not in have:
                    close = difflib.get_close_matches(name, have, n=1)
                    hint = f"did you mean '{close[0]}'?" if close else f"it has: {', '.join(have)}"
                    raise ConfigurationError(f"{where}.{key}: the baseline has no feature '{name}'; {hint}")
        self.applied(baseline, where)

    def _check_identifiers(self, baseline: BaselineData, where: str) -> None:
        unknown = [name for name in self.identifiers or () if name not in baseline.identifiers]
        if unknown:
            raise ConfigurationError(
                f"{where}.identifiers: '{unknown[0]}' is no identifier in the baseline; rebuild it with this section"
            )

    def _check_known_segments(self, baseline: BaselineData, where: str) -> None:
        known = [] if baseline.segments is None else baseline.segments.columns
        if self.segments and self.segments != known:
            has = f"segments by {' and '.join(known)}" if known else "no segments"
            raise ConfigurationError(
                f"{where}.segments: it says {', '.join(self.segments)}, and baseline '{baseline.name}' version "
                f"{baseline.version} has {has}; rebuild it with this section (torchvitals baseline build --segments "
                f"{','.join(self.segments)}), or have it learned anew (learn)"
            )

    def applied(self, baseline: B, where: str = "handler.monitoring.features") -> B:
        """Return the baseline with what this section says of codes. Raises ConfigurationError where it does not fit."""
        if self.segments == [] and baseline.segments is not None:
            baseline = msgspec.structs.replace(baseline, segments=None)
        if not self.categories:
            return baseline
        features = list(baseline.features)
        places = {feature.name: place for place, feature in enumerate(features) if feature.source == "input"}
        for name, said in self.categories.items():
            here = f"{where}.categories"
            if name not in places:
                raise ConfigurationError(f"{here}: the baseline has no column '{name}'")
            feature = features[places[name]]
            if not feature.count:
                continue  # no value came, so that it is neither texts nor numbers
            if feature.kind != "categorical":
                raise ConfigurationError(
                    f"{here}: the baseline has numbers in '{name}'; rebuild it with this section (torchvitals baseline "
                    "build --config), or leave the column out here"
                )
            try:
                codes = _served_codes(said, feature)
            except CodesError as error:
                raise ConfigurationError(f"{where}: {error}") from error
            features[places[name]] = msgspec.structs.replace(feature, codes=codes)
        return msgspec.structs.replace(baseline, features=features)

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


def _served_codes(said: Said, feature: Feature) -> Codes:
    """Return what codes mean for a feature that was built with or without them. Raises CodesError."""
    texts = [str(text) for text in feature.categories]
    if not isinstance(said, str):
        codes = codes_of(said, feature.name)
        if feature.codes != codes and not set(texts) & set(codes.values()):
            raise CodesError(
                f"categories: '{feature.name}': the baseline has none of the categories that are listed; write them as "
                "in the training data"
            )
        return codes
    if feature.codes:
        return feature.codes
    if said == CODES:
        return own_codes(texts, feature.name)
    other = feature.counts[len(texts)]
    if other:
        raise CodesError(
            f"categories: '{feature.name}': the baseline keeps the most frequent categories alone, which do not say "
            "the order of all; list them, or rebuild the baseline with this section"
        )
    return codes_in_order(texts)
