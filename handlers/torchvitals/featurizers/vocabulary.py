"""Which ids the training data held: the vocabulary that tokens and the words of texts share, and how it is learned."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BaselineError
from .columns import as_float32
from .featurizer import Featurizer, Learned, Learner
from .row_sample import RowSample
from .tables import Columns

MAX_VOCABULARY = 1_000_000
SAMPLED_DOCUMENTS = 20_000
# Rows that are worked on at once; bounds the memory that a large batch takes.
CHUNK_ROWS = 65_536


def token_describer(vocabulary: bytes, padding: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function from ids, (n, length) on any device, to features, (n, 2) on that device.

    The features: tokens that are not padding, and the share of those that the vocabulary lacks; 0 for a row
    without tokens. Nothing waits for the device.
    """
    seen = torch.from_numpy(unpacked(vocabulary))
    by_device: dict[torch.device, torch.Tensor] = {}

    def describe(ids: torch.Tensor) -> torch.Tensor:
        known = by_device.get(ids.device)
        if known is None:
            known = by_device[ids.device] = seen.to(ids.device)
        ids = ids.long()
        real = ids != padding
        inside = (ids >= 0) & (ids < len(known))
        unknown = real & ~(inside & known[ids.clamp(0, len(known) - 1)])
        length = real.sum(1)
        return torch.stack([length.float(), unknown.sum(1) / length.clamp(min=1)], dim=1)

    return describe


def packed(seen: NDArray[np.bool_]) -> bytes:
    """Return a vocabulary, (ids,), as bits, compressed."""
    return zlib.compress(np.packbits(np.trim_zeros(seen, "b")).tobytes(), 9)


def unpacked(vocabulary: bytes) -> NDArray[np.bool_]:
    """Return what `packed` was given, with at least one id. Raises zlib.error for what is damaged."""
    inflating = zlib.decompressobj()
    # A few bytes of a file may stand for any number of zeros.
    content = inflating.decompress(vocabulary, MAX_VOCABULARY // 8)
    if not inflating.eof:
        raise zlib.error(f"it is cut off, or has more than {MAX_VOCABULARY} ids")
    bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8))
    return bits.astype(bool) if len(bits) else np.zeros(1, dtype=bool)


def validate_vocabulary(vocabulary: bytes) -> None:
    """Raise BaselineError where a packed vocabulary is damaged."""
    try:
        unpacked(vocabulary)
    except zlib.error as error:
        raise BaselineError(f"its vocabulary is damaged ({error})") from error


class VocabularyLearner(Learner):
    """Learns lengths, a vocabulary, and how much of a row is new, from rows of ids.

    How much of a new row is out of the vocabulary is measured on a sample: what only one row holds would have been
    new in it (leave-one-out), so the training rows do not look better known than served ones will.
    """

    mergeable = False
    # The features' names, and the number of ids that are told apart.
    names: tuple[str, str]
    size: int

    def __init__(self, padding: int) -> None:
        self.padding = padding
        self._once = np.zeros(self.size, dtype=bool)
        self._twice = np.zeros(self.size, dtype=bool)
        self._sample = RowSample(SAMPLED_DOCUMENTS)

    def ids_of(self, batch: Any) -> NDArray[np.integer[Any]]:
        """Return a batch as ids, (n, length), filled up with the padding."""
        raise NotImplementedError

    def featurizer_of(self, vocabulary: bytes) -> Featurizer:
        """Return the featurizer with this vocabulary."""
        raise NotImplementedError

    def update(self, batch: Any) -> Columns:
        """Take in rows; return their lengths."""
        ids = self.ids_of(batch)
        parts = [self._add(ids[start : start + CHUNK_ROWS]) for start in range(0, len(ids), CHUNK_ROWS)]
        return {self.names[0]: np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)}

    def empty(self) -> Learner:
        """Return a learner for rows with the same padding."""
        return type(self)(self.padding)

    def merge(self, other: VocabularyLearner) -> None:
        """Add the rows of another part."""
        if self.padding != other.padding:
            raise BaselineError(
                f"one part has padding {self.padding} and the other {other.padding}; use the same"
            )
        self._twice |= other._twice | (self._once & other._once)
        self._once |= other._once
        self._sample.merge(other._sample)

    def finish(self) -> Learned:
        """Return the vocabulary, and the share of each sampled row that is new."""
        rows = self._sample.rows()
        new = [int((~self._twice[row[self._known(row)]]).sum() + (~self._known(row)).sum()) for row in rows]
        shares = np.array([count / max(len(row), 1) for count, row in zip(new, rows)], dtype=np.float64)
        return Learned(
            featurizer=self.featurizer_of(packed(self._once)), columns={self.names[1]: as_float32(shares)}
        )

    def _add(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        ids = np.asarray(ids, dtype=np.int64)
        real = ids != self.padding
        self._sample.update(len(ids), lambda places: [ids[place][real[place]] for place in places])
        # Each id once a row, however often the row holds it.
        ordered = np.sort(np.where(real & self._known(ids), ids, -1), axis=1)
        first = np.ones(ordered.shape, dtype=bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        rows_with = np.bincount(ordered[first & (ordered >= 0)], minlength=len(self._once))
        self._twice |= (rows_with > 1) | (self._once & (rows_with > 0))
        self._once |= rows_with > 0
        return as_float32(real.sum(axis=1))

    def _known(self, ids: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray((ids >= 0) & (ids < self.size))
