"""Embeddings as a few numbers each: length, distance from the middle, and the first principal directions."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Optional

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BaselineError
from .batches import to_array
from .columns import as_float32
from .featurizer import Featurizer, Learned, Learner, Settings, described
from .row_sample import RowSample, halves
from .tables import Columns
from .tokens import number_kind, row_width

PROJECTIONS = 4
# Fewer floats a row than this are likelier to be columns.
FEWEST_DIMENSIONS = 128
SAMPLED_EMBEDDINGS = 8_192


class Embeddings(Featurizer, msgspec.Struct, frozen=True, dict=True, tag="embeddings", tag_field="kind"):
    """Inputs that are embeddings, (n, d): the training rows' middle, (d,), and first principal directions, (k, d)."""

    centre: list[float]
    directions: list[list[float]]

    learns: ClassVar[bool] = True

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return ["norm", "centroid_distance", *(f"projection{index}" for index in range(len(self.directions)))]

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a batch of embeddings of this size."""
        return getattr(value, "ndim", 0) == 2 and bool(value.shape[1] == len(self.centre))

    def prepare(self) -> None:
        """Make tensors of the middle and the directions."""
        _ = self._learned, self._by_device

    def validate(self) -> None:
        """Raise BaselineError where the directions are not of the middle's size."""
        sizes = {len(self.centre), *map(len, self.directions)}
        if len(sizes) != 1:
            raise BaselineError(f"embeddings: the directions' sizes are {sorted(sizes)}")

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return features, (n, 2 + k), of a batch, (n, d), on its device; NaN where a row has one."""
        known = self._by_device.get(batch.device)
        if known is None:
            centre, directions = self._learned
            known = centre.to(batch.device), directions.to(batch.device)
            self._by_device[batch.device] = known
        rows = batch.float()
        centred = rows - known[0]
        lengths = torch.stack([rows.norm(dim=1), centred.norm(dim=1)], dim=1)
        return torch.cat([lengths, centred @ known[1].T], dim=1)

    @classmethod
    def recognises(cls, value: Any, names: Optional[list[str]]) -> bool:
        """Tell embeddings by rows of FEWEST_DIMENSIONS floats or more, without names of columns."""
        return names is None and row_width(value) >= FEWEST_DIMENSIONS and number_kind(value) == "f"

    @classmethod
    def learner(cls, settings: Settings) -> Learner:
        """Return an empty learner."""
        return EmbeddingsLearner()

    @cached_property
    def _learned(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(self.centre), torch.tensor(self.directions).reshape(-1, len(self.centre))

    @cached_property
    def _by_device(self) -> dict[torch.device, tuple[torch.Tensor, torch.Tensor]]:
        return {}


class EmbeddingsLearner(Learner):
    """Keeps a sample of embeddings, one half to learn from and the other to measure."""

    mergeable = False

    def __init__(self) -> None:
        self._sample = RowSample(SAMPLED_EMBEDDINGS)
        self._size: Optional[int] = None

    def update(self, batch: Any) -> Columns:
        """Take in embeddings, (n, d); no feature of them is known before the end."""
        rows = to_array(batch)
        if rows.ndim != 2 or rows.dtype.kind not in "biuf" or self._size not in (None, rows.shape[1]):
            expected = f"(rows, {self._size or 'size'})"
            raise BaselineError(f"embeddings have shape {rows.shape}; give numbers, {expected}")
        self._size = rows.shape[1]
        self._sample.update(len(rows), lambda places: [*rows[places].astype(np.float32)])
        return {}

    def empty(self) -> Learner:
        """Return a learner for embeddings."""
        return EmbeddingsLearner()

    def merge(self, other: EmbeddingsLearner) -> None:
        """Add the embeddings of another part."""
        if None not in (self._size, other._size) and self._size != other._size:
            raise BaselineError(
                f"one part has embeddings of {self._size} numbers, the other of {other._size}; give those of one model"
            )
        self._size = self._size or other._size
        self._sample.merge(other._sample)

    def finish(self) -> Learned:
        """Return the directions, and the features of the half that they were not learned from."""
        learn, measure = (np.array(part, dtype=np.float64) for part in halves(self._sample.rows()))
        if not len(learn) or not np.isfinite(learn).all(axis=1).any():
            raise BaselineError(f"{self._sample.seen} embeddings are too few; give at least a few hundred")
        featurizer = learn_embeddings(learn)
        values = described(featurizer, measure)
        columns = {name: as_float32(values[:, place]) for place, name in enumerate(featurizer.names)}
        return Learned(featurizer=featurizer, columns=columns)


def learn_embeddings(rows: NDArray[np.float64]) -> Embeddings:
    """Learn from (n, d) embeddings; rows that are not finite are left out, and one at least must remain."""
    finite = rows[np.isfinite(rows).all(axis=1)]
    centre = finite.mean(axis=0)
    # The right singular vectors of the centred rows are the principal directions; no (d, d) matrix is needed.
    directions = np.linalg.svd(finite - centre, full_matrices=False)[2][:PROJECTIONS]
    # A direction's sign is arbitrary; its largest part is made positive, so that two runs agree.
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)]
    directions = directions * np.where(largest < 0, -1.0, 1.0)[:, None]
    # The model's own precision; more digits would only lengthen the file.
    return Embeddings(
        centre=[float(f"{value:.7g}") for value in centre],
        directions=[[float(f"{value:.7g}") for value in row] for row in directions],
    )
