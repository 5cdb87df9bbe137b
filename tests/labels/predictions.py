"""Files of predictions, as workers write them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from torchvitals_labels.batch import Batch, batch_of
from torchvitals_labels.store import Total

CLASSES = ["late", "on time", "lost"]
NOW = 1_800_000_000.0


def file_of(ids: list[str], **changes: Any) -> bytes:
    """Return the content of a file; by default of the first class, sure by 0.8."""
    count = len(ids)
    held = {
        "format": 1,
        "model_name": "flights",
        "model_version": "1.0",
        "worker": "9000",
        "host": "here",
        "kind": "class",
        "classes": CLASSES,
        "ids": ids,
        "times": np.full(count, NOW),
        "predicted": np.zeros(count),
        "confidence": np.full(count, 0.8),
        "expected": np.full(count, 0.7),
        "segments": [],
        "scores": np.tile([0.8, 0.15, 0.05], (count, 1)),
        **changes,
    }
    arrays = {
        name: np.asarray(value, dtype="<f8").tobytes()
        for name, value in held.items()
        if isinstance(value, np.ndarray)
    }
    return msgspec.msgpack.encode({**held, **arrays})


def batch(ids: list[str], **changes: Any) -> Batch:
    """Return what such a file holds."""
    return batch_of(file_of(ids, **changes), "file")


def drawn(
    ids: list[str], *, seed: int = 0, segments: bool = False, **changes: Any
) -> tuple[Batch, NDArray[Any]]:
    """Return predictions with scores that differ, and their scores, (n, classes)."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(len(CLASSES)), len(ids))
    made = batch(
        ids,
        predicted=scores.argmax(axis=1).astype(np.float64),
        confidence=scores.max(axis=1),
        expected=np.where(rng.random(len(ids)) < 0.1, np.nan, scores.max(axis=1)),
        scores=scores,
        times=NOW + rng.random(len(ids)),
        segments=[f"region {place}" for place in rng.integers(3, size=len(ids))] if segments else [],
        **changes,
    )
    return made, scores


def net(totals: list[Total], quantity: str, **wanted: str) -> float:
    """Return what a counter says over all segments, less what is taken back."""
    return sum(
        -total.value if total.change == "taken_back" else total.value
        for total in totals
        if total.quantity == quantity and all(getattr(total, name) == value for name, value in wanted.items())
    )
