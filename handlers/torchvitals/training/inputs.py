"""What is kept of the inputs while a baseline is built; a class for each kind of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.schema import BaselineData, Feature
from ..baseline.selection import Features
from ..errors import BaselineError
from ..featurizers import Images, InputKind, Inputs, Texts, Tokens, described
from ..featurizers.embeddings import learn_embeddings
from ..featurizers.row_distance import RowDistance
from ..featurizers.texts import HASHES, PADDING, TEXT_FEATURES, word_ids
from ..featurizers.tokens import MAX_VOCABULARY, TOKEN_FEATURES, packed
from .batches import columns_of, to_array
from .column import Column, as_numbers
from .fitting import add_row_distance, fit_feature, images_of
from .row_sample import RowSample, halves

# Rows that are worked on at once; bounds the memory that a large batch takes.
CHUNK_ROWS = 65_536
SAMPLED_DOCUMENTS = 20_000
SAMPLED_EMBEDDINGS = 8_192


class Learned(msgspec.Struct, frozen=True):
    """What the inputs of all batches make."""

    features: list[Feature]
    inputs: Optional[Inputs] = None
    rows: Optional[RowDistance] = None


class InputBuilder(ABC):
    """Takes batches of inputs, and merges with another of its kind."""

    kind: InputKind

    @abstractmethod
    def update(self, batch: Any) -> int:
        """Add a batch; return its number of rows. Raises BaselineError."""

    @abstractmethod
    def empty(self) -> InputBuilder:
        """Return a builder of this kind that has seen nothing."""

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Add what another builder has seen, which stays as it is. Raises BaselineError where features differ."""

    @abstractmethod
    def learned(self, *, mergeable: bool) -> Learned:
        """Return what the rows so far make."""


class ColumnsBuilder(InputBuilder):
    """Columns of numbers and texts."""

    kind: InputKind = "columns"

    def __init__(self, names: Optional[list[str]], *, row_distance: bool) -> None:
        self.names = names
        self.columns: dict[str, Column] = {}
        self._sample = RowSample() if row_distance else None

    def update(self, batch: Any) -> int:
        """Add a batch: (n, d) array or tensor, or a DataFrame."""
        values = columns_of(batch, self.names)
        rows = len(next(iter(values.values())))
        if not rows:
            return 0
        # Later batches must have the columns of the first.
        self.names = list(values)
        for name, column in values.items():
            kept = self.columns.setdefault(name, Column(name))
            for start in range(0, rows, CHUNK_ROWS):
                kept.update(column[start : start + CHUNK_ROWS])
        if self._sample is not None:
            self._sample.update(rows, lambda places: _matrix(values, places))
        return rows

    def empty(self) -> InputBuilder:
        """Return a builder for columns of these names."""
        return ColumnsBuilder(None, row_distance=self._sample is not None)

    def merge(self, other: ColumnsBuilder) -> None:
        """Add the columns of another part."""
        if self.columns and set(self.columns) != set(other.columns):
            apart = ", ".join(sorted(set(self.columns) ^ set(other.columns)))
            raise BaselineError(f"the parts have different features; only one has: {apart}")
        in_order = list(self.columns) in ([], list(other.columns))
        for name, column in other.columns.items():
            self.columns.setdefault(name, Column(name)).merge(column)
        self.names = list(self.columns)
        if self._sample is None or other._sample is None or not in_order:
            # A part from a file has no rows; rows of columns in another order are not these rows.
            self._sample = None
        else:
            self._sample.merge(other._sample)

    def learned(self, *, mergeable: bool) -> Learned:
        """Return a feature a column, and the row's distance."""
        features = [column.describe("input") for column in self.columns.values()]
        if mergeable:
            columns = zip(features, self.columns.values())
            return Learned([msgspec.structs.replace(f, summary=column.summary()) for f, column in columns])
        rows = None if self._sample is None else add_row_distance(features, self._sample)
        return Learned(features, rows=rows)

    def resume(self, features: list[Feature]) -> None:
        """Take up the columns of a mergeable baseline, which holds no rows."""
        self._sample = None
        for feature in features:
            if feature.summary is not None:
                self.columns[feature.name] = Column.resume(feature.name, feature.summary)
        self.names = list(self.columns)


class ImagesBuilder(ColumnsBuilder):
    """Images, which become columns batch by batch."""

    kind: InputKind = "images"

    def __init__(self) -> None:
        super().__init__(None, row_distance=False)
        self.images: Optional[Images] = None

    def update(self, batch: Any) -> int:
        """Add images, (n, C, H, W)."""
        pixels = to_array(batch)
        found = images_of(pixels)
        if self.images not in (None, found):
            assert self.images is not None  # noqa: S101 - for the type checker
            raise BaselineError(
                f"a batch has images of {found.channels} channels, the first had {self.images.channels}"
            )
        self.images, self.names = found, found.names
        return super().update(described(found, pixels)) if len(pixels) else 0

    def empty(self) -> InputBuilder:
        """Return a builder for images."""
        return ImagesBuilder()

    def merge(self, other: ColumnsBuilder) -> None:
        """Add the images of another part."""
        super().merge(other)
        self.images = self.images or getattr(other, "images", None)

    def learned(self, *, mergeable: bool) -> Learned:
        """Return the features of images."""
        return Learned(super().learned(mergeable=mergeable).features, inputs=self.images)


class DocumentsBuilder(InputBuilder):
    """Token ids or texts: their lengths, their vocabulary, and a sample of them.

    How much of a new row is out of the vocabulary is measured on the sample: what only one row holds would have been
    new in it (leave-one-out), so the training rows do not look better known than served ones will.
    """

    def __init__(self, kind: InputKind, padding: int) -> None:
        self.kind = kind
        self.padding = PADDING if kind == "texts" else padding
        self._length = Column("length")
        size = HASHES if kind == "texts" else MAX_VOCABULARY
        self._once = np.zeros(size, dtype=bool)
        self._twice = np.zeros(size, dtype=bool)
        self._sample = RowSample(SAMPLED_DOCUMENTS)

    def update(self, batch: Any) -> int:
        """Add rows: ids, (n, length), or n texts."""
        ids = word_ids(batch) if self.kind == "texts" else to_array(batch)
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise BaselineError(
                f"token ids have shape {ids.shape} and type {ids.dtype}; give whole numbers, (rows, length)"
            )
        for start in range(0, len(ids), CHUNK_ROWS):
            self._add(ids[start : start + CHUNK_ROWS].astype(np.int64))
        return len(ids)

    def empty(self) -> InputBuilder:
        """Return a builder for rows with the same padding."""
        return DocumentsBuilder(self.kind, self.padding)

    def merge(self, other: DocumentsBuilder) -> None:
        """Add the rows of another part."""
        if self.padding != other.padding:
            raise BaselineError(
                f"one part has padding {self.padding} and the other {other.padding}; use the same"
            )
        self._length.merge(other._length)
        self._twice |= other._twice | (self._once & other._once)
        self._once |= other._once
        self._sample.merge(other._sample)

    def learned(self, *, mergeable: bool) -> Learned:
        """Return the features of tokens or texts."""
        if mergeable:
            raise BaselineError(
                f"a baseline of {self.kind} cannot be built to be merged; leave 'mergeable' out"
            )
        rows = self._sample.rows()
        new = [int((~self._twice[row[_known(row)]]).sum() + (~_known(row)).sum()) for row in rows]
        shares = np.array([count / max(len(row), 1) for count, row in zip(new, rows)])
        names = TEXT_FEATURES if self.kind == "texts" else TOKEN_FEATURES
        length = msgspec.structs.replace(self._length.describe("input"), name=names[0])
        vocabulary = packed(self._once)
        return Learned(
            [length, fit_feature(shares, name=names[1], source="input")],
            inputs=Texts(vocabulary=vocabulary)
            if self.kind == "texts"
            else Tokens(padding=self.padding, vocabulary=vocabulary),
        )

    def _add(self, ids: NDArray[np.int64]) -> None:
        real = ids != self.padding
        self._length.update(real.sum(axis=1))
        self._sample.update(len(ids), lambda places: [ids[place][real[place]] for place in places])
        # Each id once a row, however often the row holds it.
        ordered = np.sort(np.where(real & _known(ids), ids, -1), axis=1)
        first = np.ones(ordered.shape, dtype=bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        rows_with = np.bincount(ordered[first & (ordered >= 0)], minlength=len(self._once))
        self._twice |= (rows_with > 1) | (self._once & (rows_with > 0))
        self._once |= rows_with > 0


class EmbeddingsBuilder(InputBuilder):
    """Embeddings: a sample of them, one half to learn from and the other to measure."""

    kind: InputKind = "embeddings"

    def __init__(self) -> None:
        self._sample = RowSample(SAMPLED_EMBEDDINGS)
        self._size: Optional[int] = None

    def update(self, batch: Any) -> int:
        """Add embeddings, (n, d)."""
        rows = to_array(batch)
        if rows.ndim != 2 or rows.dtype.kind not in "biuf" or self._size not in (None, rows.shape[1]):
            expected = f"(rows, {self._size or 'size'})"
            raise BaselineError(f"embeddings have shape {rows.shape}; give numbers, {expected}")
        self._size = rows.shape[1]
        self._sample.update(len(rows), lambda places: [*rows[places].astype(np.float32)])
        return len(rows)

    def empty(self) -> InputBuilder:
        """Return a builder for embeddings."""
        return EmbeddingsBuilder()

    def merge(self, other: EmbeddingsBuilder) -> None:
        """Add the embeddings of another part."""
        if None not in (self._size, other._size) and self._size != other._size:
            raise BaselineError(
                f"one part has embeddings of {self._size} numbers, the other of {other._size}"
            )
        self._size = self._size or other._size
        self._sample.merge(other._sample)

    def learned(self, *, mergeable: bool) -> Learned:
        """Return the features of embeddings."""
        if mergeable:
            raise BaselineError(
                "a baseline of embeddings cannot be built to be merged; leave 'mergeable' out"
            )
        learn, measure = (np.array(part, dtype=np.float64) for part in halves(self._sample.rows()))
        if not len(learn) or not np.isfinite(learn).all(axis=1).any():
            raise BaselineError(f"{self._sample.seen} embeddings are too few; give at least a few hundred")
        inputs = learn_embeddings(learn)
        values = described(inputs, measure)
        features = [
            fit_feature(values[:, place], name=name, source="input")
            for place, name in enumerate(inputs.names)
        ]
        return Learned(features, inputs=inputs)


def input_builder(kind: InputKind, names: Optional[list[str]], features: Features) -> InputBuilder:
    """Return an empty builder for a kind of inputs."""
    if kind == "columns":
        return ColumnsBuilder(names, row_distance=features.row_distance)
    if kind == "images":
        return ImagesBuilder()
    if kind == "embeddings":
        return EmbeddingsBuilder()
    return DocumentsBuilder(kind, features.padding)


def resumed(baseline: BaselineData) -> InputBuilder:
    """Return the builder of a mergeable baseline's inputs."""
    builder = ColumnsBuilder(None, row_distance=False)
    if isinstance(baseline.inputs, Images):
        builder = ImagesBuilder()
        builder.images = baseline.inputs
    builder.resume(baseline.column_features)
    return builder


def _known(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((ids >= 0) & (ids < MAX_VOCABULARY))


def _matrix(columns: dict[str, NDArray[Any]], places: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return whole rows; texts are missing."""
    chosen = (values[places] for values in columns.values())
    parts = ((as_numbers(values), len(values)) for values in chosen)
    return np.column_stack(
        [np.full(rows, np.nan, dtype=np.float32) if part is None else part for part, rows in parts]
    )
