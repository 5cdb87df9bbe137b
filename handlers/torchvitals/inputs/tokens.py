"""Token ids as two numbers a row: how long, and how much of it the training data never held."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

TOKEN_FEATURES = ["length", "out_of_vocabulary"]
MAX_VOCABULARY = 1_000_000


def learn_vocabulary(ids: NDArray[np.int64]) -> str:
    """Return which ids occur, as the base64 of a bit an id. ids: any shape; negative and huge ones are left out."""
    present = np.unique(ids[(ids >= 0) & (ids < MAX_VOCABULARY)])
    seen = np.zeros(int(present[-1]) + 1 if len(present) else 0, dtype=bool)
    seen[present] = True
    return base64.b64encode(np.packbits(seen).tobytes()).decode()


def token_features(ids: NDArray[np.int64], *, vocabulary: str, padding: int) -> NDArray[np.float64]:
    """Return (n, 2): tokens that are not padding, and the share of those that the vocabulary lacks.

    ids: (n, length). vocabulary: from `learn_vocabulary`. The share of a row without tokens is 0.
    """
    seen = np.unpackbits(np.frombuffer(base64.b64decode(vocabulary), dtype=np.uint8)).astype(bool)
    real = ids != padding
    inside = (ids >= 0) & (ids < len(seen))
    known = np.zeros(ids.shape, dtype=bool)
    known[inside] = seen[ids[inside]]
    length = real.sum(axis=1)
    unknown = (real & ~known).sum(axis=1)
    return np.column_stack([length, unknown / np.maximum(length, 1)]).astype(np.float64)
