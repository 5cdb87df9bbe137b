"""The baseline: what a model's inputs and outputs looked like in training; docs/security.md says what it holds."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, Literal, Optional, TypeVar, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import Accuracy
from ..errors import BaselineError
from ..featurizers import COLUMNS, INPUTS, Featurizer, described
from ..featurizers.batches import is_table, to_array
from ..featurizers.columns import at_model_precision, holds_texts, text_or_none
from ..featurizers.identifiers import Identifier, column_names, described_identifiers, length_name, new_name
from ..featurizers.kinds import kind_of
from ..featurizers.outputs import OUTPUTS, Outputs
from ..featurizers.row_distance import RowDistance
from ..featurizers.tables import Columns, columns_of
from .variation import Variation

SCHEMA = "torchvitals/baseline/1"
# Rows and columns.
ROWS_OF_VALUES = 2
REBUILD = "rebuild it with 'torchvitals baseline build'"

Kind = Literal["numeric", "discrete", "categorical"]
Source = Literal["input", "output"]
B = TypeVar("B", bound="BaselineData")


class Summary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What merging needs to know of one feature beyond its bins; only in a baseline that was built to be merged.

    numbers: `finite` values with their moments (`squares` is the sum of squared deviations from the mean), how many
    are below and above all (-inf, inf), and either every value (float32) with its count (int64), or a KLL sketch.
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
    hashes: Optional[HashSummary] = None


class HashSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What merging needs to know of texts that tell rows apart, in place of the texts.

    once, twice: which hashes came, and came more than once, a bit a hash, compressed. lengths: of the texts, in
    characters. numbers: the texts stand for numbers.
    """

    once: bytes
    twice: bytes
    lengths: Summary
    numbers: bool = False


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One feature's distribution in the baseline.

    kind: numeric (bins between `edges`, open at both ends, upper edge inside), discrete (few-valued
    numbers; a bin a value), categorical (texts; a bin a text). `counts` has one entry a bin, then, for
    discrete and categorical, one for values never seen, and last one for missing values.
    `quantiles` are values at equally spaced probabilities (i + ½)/K. Moments are 0 for categorical.
    `variation`, where the training data came in time order, says how far their own windows stray.
    `summary`, where the baseline was built to be merged, is what merging needs.
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

    def validate(self) -> None:
        """Raise BaselineError that says what is wrong inside."""
        where = f"feature '{self.name}'"
        if len(self.counts) != self.bins:
            raise BaselineError(f"{where} has {len(self.counts)} counts for {self.bins} bins")
        if min(self.counts) < 0 or sum(self.counts) != self.count + self.missing:
            raise BaselineError(f"{where}: counts do not add up to count + missing")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:])):
            raise BaselineError(f"{where}: edges do not ascend")
        if any(low > high for low, high in zip(self.quantiles, self.quantiles[1:])):
            raise BaselineError(f"{where}: quantiles do not ascend")
        for variation in self.variation:
            if not variation.quantiles or not all(variation.quantiles.values()):
                raise BaselineError(
                    f"{where}: its variation at {variation.window} rows lacks the quantiles of a statistic"
                )


class BaselineData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Distributions of all features of one model version. Read with `load`; `training.Baseline` builds and compares.

    inputs: how images, tokens, texts or embeddings become the input features; None where they are columns.
    rows: how the columns go together; then the last of the input features is the row's distance. accuracy: what the
    model's confidence was worth, where labels were known. identifiers: by column, how texts that tell rows apart become
    the features `column_length` and `column_new`.

    Fields that have a default are left out of the file while they have it, so that a field added later leaves the
    SHA-256 of older files as it was.
    """

    schema: str
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
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise BaselineError(
                f"baseline '{path}' cannot be read: {error.strerror}; name the file that is in the archive "
                "(--extra-files), or build one with 'torchvitals baseline build'"
            ) from error
        try:
            baseline = msgspec.json.decode(raw, type=cls, dec_hook=_decoded)
        except msgspec.ValidationError as error:
            raise BaselineError(f"baseline '{path}': {error}; {REBUILD}") from error
        except msgspec.DecodeError as error:
            raise BaselineError(
                f"baseline '{path}' is not whole JSON ({error}); copy it again or {REBUILD}"
            ) from error
        try:
            baseline.validate()
        except BaselineError as error:
            raise BaselineError(f"baseline '{path}': {error}; {REBUILD}") from error
        return baseline

    def sealed(self: B) -> B:
        """Return this baseline with its SHA-256 filled in."""
        return msgspec.structs.replace(self, sha256=self._digest())

    def _digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, sha256=""))).hexdigest()

    def validate(self) -> None:
        """Raise BaselineError that says what is wrong inside."""
        if self.schema != SCHEMA:
            raise BaselineError(f"schema is '{self.schema}', this version reads '{SCHEMA}'")
        if not self.features:
            raise BaselineError("it has no features")
        try:
            datetime.datetime.fromisoformat(self.created)
        except ValueError as error:
            raise BaselineError(
                f"created is '{self.created}', not a time like 2026-01-31T12:00:00+00:00"
            ) from error
        for part in (
            *self.features,
            self.inputs,
            self.outputs,
            self.rows,
            self.accuracy,
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
        _check_identifiers(self.identifiers, columns)
        if self.rows is not None and set(self.rows.columns) - set(columns):
            raise BaselineError("its row distance is of other columns")
        if self.sha256 != self._digest():
            raise BaselineError("its content does not match its sha256, so it was changed after it was built")

    def encode(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return what the model is given, as in `fit`, as an (n, d) array of input features at float32 precision.

        A text that the baseline never saw is -1, missing is NaN. Raises BaselineError on another width, and where a
        column holds texts in one and numbers in the other.
        """
        if self.inputs is not None:
            return self.encode_rows(described(self.inputs, X))
        array = None if is_table(X) else to_array(X)
        if array is not None and array.dtype.kind in "biuf" and not self.identifiers:
            return self.encode_rows(array)
        features = self.column_features
        columns = self._columns_of(X if array is None else array)
        encoded = [_encode_column(columns[feature.name], feature) for feature in features]
        return self._with_distance(np.column_stack(encoded))

    def encode_rows(self, rows: Any) -> NDArray[np.float64]:
        """Return rows of columns, or of features that images and the like have become already, as `encode` does.

        Raises BaselineError for what is not numbers, and on another width.
        """
        array = np.asarray(rows)
        if array.ndim == ROWS_OF_VALUES and (
            self.identifiers or (self.inputs is None and array.dtype.kind in "OU")
        ):
            self._check_width(array.shape[1])
            return self.encode(array)
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
        return self._with_distance(array)

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


def _check_identifiers(identifiers: dict[str, Identifier], features: list[str]) -> None:
    for name in identifiers:
        lacking = [feature for feature in (length_name(name), new_name(name)) if feature not in features]
        if lacking:
            raise BaselineError(f"the identifier '{name}' has no feature '{lacking[0]}'")


def _encode_column(column: NDArray[Any], feature: Feature) -> NDArray[np.float64]:
    texts = holds_texts(column)
    if not texts and (feature.kind != "categorical" or bool(np.isnan(column).all())):
        return column.astype(np.float64)
    if texts and feature.kind == "categorical":
        codes: dict[Any, float] = {str(text): float(code) for code, text in enumerate(feature.categories)}
        found = (text_or_none(value) for value in column.tolist())
        return np.array([np.nan if text is None else codes.get(text, -1.0) for text in found])
    if not feature.count:
        # The training data had no value to tell numbers from texts; any value is a new one.
        return np.array([np.nan if text_or_none(value) is None else 0.0 for value in column.tolist()])
    have, want = ("texts", "numbers") if texts else ("numbers", "texts")
    raise BaselineError(
        f"column '{feature.name}' holds {have}, and in the baseline {want}; give it as it was in training"
    )


def _decoded(wanted: type, raw: Any) -> Any:
    """Return an object of a registered kind from what a file holds."""
    if wanted is Featurizer:
        return INPUTS.decode(raw)
    if wanted is Outputs:
        return OUTPUTS.decode(raw)
    raise NotImplementedError(wanted)
