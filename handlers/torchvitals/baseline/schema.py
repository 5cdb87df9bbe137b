"""The baseline: what a model's inputs and outputs looked like in training; docs/security.md says what it holds."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Optional, TypeVar, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..accuracy.estimate import Accuracy
from ..errors import BaselineError, one_line
from ..featurizers import COLUMNS, INPUTS, Featurizer, described
from ..featurizers.batches import is_table, to_array
from ..featurizers.codes import Codes, number_text
from ..featurizers.columns import at_model_precision
from ..featurizers.familiarity import Familiarity
from ..featurizers.identifiers import Identifier, column_names, described_identifiers, length_name, new_name
from ..featurizers.kinds import kind_of
from ..featurizers.outputs import OUTPUTS, Outputs
from ..featurizers.row_distance import RowDistance
from ..featurizers.tables import Columns, columns_of
from .encoding import ColumnEncoder
from .file import (
    REBUILD,
    SCHEMA,
    Origin,
    bears_seal,
    is_rewritten,
    origin_of,
    read_bytes,
    refuse_repetition,
    refuse_schema,
    seal_of,
)
from .variation import Variation

# Rows and columns.
ROWS_OF_VALUES = 2
# The name of the segment of all rows that no other one has.
REST = "other"
MOST_SEGMENT_COLUMNS = 2
# A segment of fewer training rows is no measure of what is usual in it. Of so many each is judged, and the rest.
FEWEST_SEGMENT_ROWS, MOST_SEGMENTS = 300, 32

Kind = Literal["numeric", "discrete", "categorical"]
Source = Literal["input", "output"]
B = TypeVar("B", bound="BaselineData")


class Summary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What merging needs to know of one feature beyond its bins; only in a baseline that was built to be merged.

    numbers: `finite` values with their moments (`squares` is the sum of squared deviations from the mean), how many
    are below and above all (-inf, inf), and either every value (float32) with its count (int64), or a KLL sketch with
    the `lowest` and `highest` values (float32) beside it.
    texts: every text with its count, or a frequent-items sketch. none, no_texts: only missing values came, in the
    second case as objects. identifiers: `hashes` alone; texts that are in a sketch have them too. Bytes are
    little-endian, in the file as base64.
    """

    kind: Literal["none", "no_texts", "numbers", "texts", "identifiers"]
    missing: int = 0
    finite: int = 0
    infinite: tuple[int, int] = (0, 0)
    mean: float = 0.0
    squares: float = 0.0
    low: float = 0.0
    high: float = 0.0
    values: bytes = b""
    counts: bytes = b""
    texts: dict[str, int] = {}
    sketch: bytes = b""
    lowest: bytes = b""
    highest: bytes = b""
    hashes: Optional[HashSummary] = None


class HashSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What merging needs to know of texts that tell rows apart, in place of the texts.

    once, twice: which hashes came, and came more than once, a bit a hash, compressed. lengths: of the texts, in
    characters. numbers: the texts stand for numbers.
    """

    once: bytes
    twice: bytes
    lengths: Summary
    numbers: bool = False


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One feature's distribution in the baseline.

    kind: numeric (bins between `edges`, open at both ends, upper edge inside), discrete (few-valued
    numbers; a bin a value), categorical (texts; a bin a text). `counts` has one entry a bin, then, for
    discrete and categorical, one for values never seen, and last one for missing values.
    `quantiles` are values at equally spaced probabilities (i + ½)/K; `low_tail` and `high_tail` are the first and the
    last of them in more detail, again at equally spaced probabilities. Moments are 0 for categorical. `infinite` says
    how many values lay below and above all numbers, if any did. `codes` says what numbers stand for in the place of
    texts. `rounded` is the type of two bytes that few-valued numbers came in. `variation`, where the training data came
    in time order, says how far their own windows stray. `summary`, where the baseline was built to be merged, is what
    merging needs.
    """

    name: str
    source: Source
    kind: Kind
    count: int
    missing: int
    mean: float
    std: float
    min: float
    max: float
    edges: list[float]
    categories: list[Union[float, str]]
    counts: list[int]
    quantiles: list[float]
    low_tail: list[float] = []
    high_tail: list[float] = []
    infinite: list[int] = []
    codes: Codes = {}
    rounded: Literal["", "float16", "bfloat16"] = ""
    variation: list[Variation] = []
    summary: Optional[Summary] = None

    @property
    def bins(self) -> int:
        """Number of bins, those for unseen and missing values included."""
        return len(self.edges) + 2 if self.kind == "numeric" else len(self.categories) + 2

    @property
    def bin_labels(self) -> list[str]:
        """A short text a bin, made so that sorting keeps the order."""
        if self.kind == "numeric":
            bounds = ["", *(f"{edge:.6g}" for edge in self.edges), ""]
            ranges = [f"{low}..{high}" for low, high in zip(bounds[:-1], bounds[1:])]
            return [*(f"{index:02d} {text}" for index, text in enumerate(ranges)), "missing"]
        texts = (f"{c:.6g}" if isinstance(c, float) else str(c) for c in self.categories)
        return [*(f"{index:02d} {text}" for index, text in enumerate(texts)), "other", "missing"]

    def encoder(self) -> ColumnEncoder:
        """Return what makes the numbers that are compared of this feature's column."""
        return ColumnEncoder(
            self.name,
            self.kind,
            categories=self.categories,
            codes=self.codes,
            rounded=self.rounded,
            empty=not self.count,
        )

    def validate(self) -> None:
        """Raise BaselineError that says what is wrong inside."""
        where = f"feature '{self.name}'"
        if len(self.counts) != self.bins:
            raise BaselineError(f"{where} has {len(self.counts)} counts for {self.bins} bins")
        if min(self.counts) < 0 or sum(self.counts) != self.count + self.missing:
            raise BaselineError(f"{where}: counts do not add up to count + missing")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:])):
            raise BaselineError(f"{where}: edges do not ascend")
        self._check_categories(where)
        for values in (self.quantiles, self.low_tail, self.high_tail):
            if any(low > high for low, high in zip(values, values[1:])):
                raise BaselineError(f"{where}: quantiles do not ascend")
        if self.codes and self.kind != "categorical":
            raise BaselineError(f"{where} has codes, and is {self.kind}")
        for variation in self.variation:
            if not variation.quantiles or not all(variation.quantiles.values()):
                raise BaselineError(
                    f"{where}: its variation at {variation.window} rows lacks the quantiles of a statistic"
                )

    def _check_categories(self, where: str) -> None:
        texts = sum(isinstance(value, str) for value in self.categories)
        if texts != (len(self.categories) if self.kind == "categorical" else 0):
            raise BaselineError(f"{where} is {self.kind}, and {texts} of its categories are texts")
        if len(set(self.categories)) < len(self.categories):
            raise BaselineError(f"{where} has a category twice")


class Segment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The training rows that have one value in each of the columns that tell segments apart.

    values: those values, in the order of the columns; empty for all the rows that no other segment has. rows: how many.
    features: what is judged, of a fair sample of the segment's rows. Numbers have bins of their own; the categories are
    those of all rows, whose places stand for them.
    """

    values: list[Union[float, str]] = []
    rows: int
    features: list[Feature]


class Segments(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The segments of the training rows, the largest first. columns: whose values tell them apart, one or two.

    A file that is to be merged also has those that are too small to be judged.
    """

    columns: list[str]
    segments: list[Segment] = []

    @property
    def judged(self) -> list[Segment]:
        """Those with rows enough."""
        enough = [segment for segment in self.segments if segment.rows >= FEWEST_SEGMENT_ROWS]
        named = [segment for segment in enough if segment.values][:MOST_SEGMENTS]
        return [*named, *(segment for segment in enough if not segment.values)]

    def name(self, segment: Segment) -> str:
        """Return what a segment is called in reports and series, such as `carrier=AA`; `other` for the rest."""
        pairs = [
            f"{column}={value if isinstance(value, str) else number_text(value)}"
            for column, value in zip(self.columns, segment.values)
        ]
        return " ".join(pairs) or REST

    def validate(self, features: Mapping[str, Feature]) -> None:
        """Raise BaselineError that says what does not fit the features of all rows, by name."""
        for column in self.columns:
            if column not in features or features[column].kind == "numeric":
                raise BaselineError(
                    f"segments are told apart by '{column}', which is no column of categories"
                )
        if not 1 <= len(self.columns) <= MOST_SEGMENT_COLUMNS:
            raise BaselineError(f"segments are told apart by {len(self.columns)} columns; they may be 1 or 2")
        for segment in self.segments:
            where = f"segment '{self.name(segment)}'"
            self._check_values(where, segment.values, features)
            for feature in segment.features:
                whole = features.get(feature.name)
                if whole is None or (whole.kind, whole.categories) != (feature.kind, feature.categories):
                    raise BaselineError(f"{where}: '{feature.name}' has other categories than in all rows")
                try:
                    feature.validate()
                except BaselineError as error:
                    raise BaselineError(f"{where}: {error}") from error

    def _check_values(
        self, where: str, values: list[Union[float, str]], features: Mapping[str, Feature]
    ) -> None:
        if len(values) not in (0, len(self.columns)):
            raise BaselineError(f"{where} has {len(values)} values for {len(self.columns)} columns")
        for column, value in zip(self.columns, values):
            if value not in features[column].categories:
                raise BaselineError(f"{where}: its '{column}' is no category of that column")


class BaselineData(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, dict=True
):
    """Distributions of all features of one model version. Read with `load`; `training.Baseline` builds and compares.

    inputs: how images, tokens, texts or embeddings become the input features; None where they are columns.
    rows: how the columns go together; then the last of the input features is the row's distance. accuracy: what the
    model's confidence was worth, where labels were known. identifiers: by column, how texts that tell rows apart become
    the features `column_length` and `column_new`. familiarity: what whole rows look like, for the estimate of accuracy.
    segments: parts of the rows that are compared each with its own.

    torchvitals: the version that wrote the file; the first one left it out. sha256: the seal over all the rest, which
    is always the last field.

    Fields that have a default are left out of the file while they have it, so that a field added later leaves the
    SHA-256 of older files as it was.
    """

    schema: str
    torchvitals: str = ""
    name: str
    version: str
    created: str
    samples: int
    features: list[Feature]
    outputs: Optional[Outputs] = None
    inputs: Optional[Featurizer] = None
    rows: Optional[RowDistance] = None
    accuracy: Optional[Accuracy] = None
    identifiers: dict[str, Identifier] = {}
    familiarity: Optional[Familiarity] = None
    segments: Optional[Segments] = None
    sha256: str = ""

    @property
    def input_kind(self) -> str:
        """The kind of input that the model is given."""
        return COLUMNS if self.inputs is None else kind_of(self.inputs)

    @property
    def column_features(self) -> list[Feature]:
        """The input features without the row's distance, in column order."""
        features = self.of_source("input")
        return features if self.rows is None else features[:-1]

    @property
    def column_names(self) -> list[str]:
        """The columns that the input features come from, in order."""
        return column_names((feature.name for feature in self.column_features), self.identifiers)

    @property
    def created_timestamp(self) -> float:
        """When it was built, in seconds since 1970."""
        return datetime.datetime.fromisoformat(self.created).timestamp()

    def of_source(self, source: Source) -> list[Feature]:
        """Return the features of one source, in column order."""
        return [feature for feature in self.features if feature.source == source]

    def save(self, path: Union[str, Path]) -> None:
        """Write as JSON. Raises OSError."""
        Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

    @classmethod
    def load(cls: type[B], path: Union[str, Path]) -> B:
        """Read what `save` wrote. Raises BaselineError that names the file, the field, and how to fix it."""
        path = Path(path)
        raw = read_bytes(path)
        origin = Origin()
        try:
            origin = origin_of(raw)
            refuse_schema(origin.schema or SCHEMA)
            refuse_repetition(raw)
            baseline = msgspec.json.decode(raw, type=cls, dec_hook=_decoded)
            baseline.validate()
        except (msgspec.ValidationError, BaselineError) as error:
            raise BaselineError(f"baseline '{path}': {error}; {origin.way_out}") from error
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise BaselineError(
                f"baseline '{path}' is not whole JSON ({error}); copy it again or {REBUILD}"
            ) from error
        if not (bears_seal(raw, baseline.sha256) or baseline._is_rewritten_in(raw)):
            raise BaselineError(
                f"baseline '{path}': its content does not match its sha256, so it was changed after it was built; "
                f"restore it, or {REBUILD}"
            )
        return baseline

    def sealed(self: B) -> B:
        """Return this baseline as this version writes it, with its SHA-256 filled in."""
        written = msgspec.structs.replace(self, torchvitals=__version__)
        return msgspec.structs.replace(written, sha256=written._seal())

    def _seal(self) -> str:
        return seal_of(msgspec.json.encode(msgspec.structs.replace(self, sha256="")))

    def _is_rewritten_in(self, raw: bytes) -> bool:
        return self._seal() == self.sha256 and is_rewritten(raw, msgspec.json.encode(self))

    def validate(self) -> None:
        """Raise BaselineError that says what is wrong inside."""
        refuse_schema(self.schema)
        if not self.features:
            raise BaselineError("it has no features")
        if self.samples < 1:
            raise BaselineError(f"it is of {self.samples} rows")
        self._check_created()
        for part in (
            *self.features,
            self.inputs,
            self.outputs,
            self.rows,
            self.accuracy,
            self.familiarity,
            *self.identifiers.values(),
        ):
            if part is not None:
                part.validate()
        names = Counter((feature.source, feature.name) for feature in self.features)
        twice = [name for (_, name), times in names.items() if times > 1]
        if twice:
            raise BaselineError(f"feature '{twice[0]}' stands twice")
        columns = [feature.name for feature in self.column_features]
        if self.inputs is not None and self.inputs.names != columns:
            raise BaselineError(f"its features are not those of {self.input_kind}: {', '.join(columns)}")
        _check_outputs(self.outputs, self.of_source("output"))
        _check_identifiers(self.identifiers, columns)
        if self.rows is not None and set(self.rows.columns) - set(columns):
            raise BaselineError("its row distance is of other columns")
        if self.segments is not None:
            self.segments.validate({feature.name: feature for feature in self.column_features})
        self._check_familiarity(columns)

    def _check_created(self) -> None:
        try:
            datetime.datetime.fromisoformat(self.created)
        except ValueError as error:
            raise BaselineError(
                f"created is '{self.created}', not a time like 2026-01-31T12:00:00+00:00"
            ) from error

    def _check_familiarity(self, columns: list[str]) -> None:
        if self.familiarity is None:
            return
        distance = self.familiarity.distance or self.rows
        if distance is None or set(distance.columns) - set(columns):
            raise BaselineError("its familiarity is of other columns")
        if len(distance.columns) != len(self.familiarity.usual):
            raise BaselineError("its familiarity has not one number a column of the row distance")

    def encode(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return what the model is given, as in `fit`, as an (n, d) array of input features at float32 precision.

        Texts are places among the categories, -1 for one that the baseline never saw; missing is NaN. Values that
        differ from known ones by rounding alone become those. Raises BaselineError on another width, and where a column
        holds texts in one and numbers in the other, unless the baseline knows their codes.
        """
        if self.inputs is not None:
            return self.encode_rows(described(self.inputs, X))
        array = None if is_table(X) else to_array(X)
        if array is not None and array.dtype.kind in "biuf" and not self.identifiers:
            if self.unreadable_codes:
                raise BaselineError(self.codes_advice)
            return self.encode_rows(array)
        return self._encode_columns(X if array is None else array, table=array is None)

    def encode_rows(self, rows: Any) -> NDArray[np.float64]:
        """Return served rows of columns, or of features that images and the like have become already, as `encode` does.

        rows: (n, ...) numbers, or (n, d) objects. Of numbers, the columns in `unreadable_codes` are 0. Raises
        BaselineError for what is neither numbers nor texts, and on another width.
        """
        array = np.asarray(rows)
        texts = self.inputs is None and array.dtype.kind in "OU"
        if array.ndim == ROWS_OF_VALUES and (texts or self.identifiers):
            self._check_width(array.shape[1])
            return self._encode_columns(array, table=False)
        try:
            if array.dtype.kind not in "biufO":
                # Complex numbers and durations would become numbers without a word.
                raise TypeError(array.dtype)
            array = at_model_precision(array).reshape(len(array), -1)
        except (TypeError, ValueError) as error:
            # Its text may hold values of a request.
            raise BaselineError(
                f"rows of {array.dtype} and shape {array.shape} are not rows of numbers"
            ) from error
        self._check_width(array.shape[1])
        for place, encoder in enumerate(self._encoders):
            if not encoder.plain:
                array[:, place] = encoder.of_numbers(array[:, place])
        return self._with_distance(array)

    @cached_property
    def unreadable_codes(self) -> list[str]:
        """The columns of texts of which the baseline does not know what numbers in their place mean."""
        return [f.name for f, encoder in zip(self.column_features, self._encoders) if not encoder.readable]

    @property
    def codes_advice(self) -> str:
        """What to do about `unreadable_codes`."""
        names = [f"'{name}'" for name in self.unreadable_codes]
        return one_line(
            f"baseline '{self.name}' version {self.version} has texts in {', '.join(names)}, and rows of numbers do "
            "not say which number is which; list the categories in the order of their codes (features: categories: "
            f"{{{self.unreadable_codes[0]}: [first, second]}}), say 'sorted' where an encoder sorted them, or "
            "leave the columns out (features: ignore)"
        )

    def _encode_columns(self, data: Any, *, table: bool) -> NDArray[np.float64]:
        columns = self._columns_of(data)
        encoded = [
            encoder.of_column(columns[feature.name], table=table)
            for feature, encoder in zip(self.column_features, self._encoders)
        ]
        return self._with_distance(np.column_stack(encoded))

    # Made once: for the rows of a flush that takes longer than to look them up.
    @cached_property
    def _encoders(self) -> list[ColumnEncoder]:
        return [feature.encoder() for feature in self.column_features]

    def _columns_of(self, data: Any) -> Columns:
        """Return what is compared of each column of rows, by feature. Raises BaselineError."""
        return described_identifiers(columns_of(data, self.column_names), self.identifiers)

    def _check_width(self, width: int) -> None:
        """Raise BaselineError where rows have another number of values than there are columns."""
        names = self.column_names
        if width != len(names):
            raise BaselineError(
                f"rows have {width} values, baseline '{self.name}' version {self.version} has "
                f"{len(names)} input features: {', '.join(names)}"
            )

    def _with_distance(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.rows is None:
            return rows
        places = {feature.name: place for place, feature in enumerate(self.column_features)}
        distance = self.rows.of(rows[:, [places[name] for name in self.rows.columns]])
        return np.column_stack([rows, at_model_precision(distance)])


def _check_outputs(outputs: Optional[Outputs], features: list[Feature]) -> None:
    """Raise BaselineError where features are not those of the outputs."""
    if outputs is None:
        return
    known, classes = set(outputs.names), len(outputs.classes)
    for feature in features:
        if feature.name not in known:
            raise BaselineError(f"'{feature.name}' is no feature of {outputs.sentence}")
        if feature.name in outputs.by_class and len(feature.categories) > classes:
            raise BaselineError(
                f"'{feature.name}' has {len(feature.categories)} categories, of {classes} classes"
            )


def _check_identifiers(identifiers: dict[str, Identifier], features: list[str]) -> None:
    for name in identifiers:
        lacking = [feature for feature in (length_name(name), new_name(name)) if feature not in features]
        if lacking:
            raise BaselineError(f"the identifier '{name}' has no feature '{lacking[0]}'")


def _decoded(wanted: type, raw: Any) -> Any:
    """Return an object of a registered kind from what a file holds."""
    if wanted is Featurizer:
        return INPUTS.decode(raw)
    if wanted is Outputs:
        return OUTPUTS.decode(raw)
    raise NotImplementedError(wanted)
