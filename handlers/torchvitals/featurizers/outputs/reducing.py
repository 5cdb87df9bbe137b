"""What is made of outputs on the request path, on their device, where they are too large to copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import torch
from numpy.typing import NDArray

from ...recording.capture import MAX_ROW_VALUES, TooLargeError
from ...recording.parts import array_in
from .binary import ROUNDING
from .classification import SMALLEST_EXPONENT, SUM_TOLERANCE, Classification
from .output import Outputs, Signals

# What `probe` says of a row of scores that is too wide to copy.
PROBED = ("place", "largest", "smallest", "sum", "total", "squares", "width")
# Embeddings have a multiple of so many dimensions, for the hardware's sake, and seldom more than these.
EMBEDDING_STEP, WIDEST_EMBEDDING = 16, 8_192


def output_reducer(spec: Outputs) -> Callable[[Any], Any]:
    """Return what makes features, (n, k), of what a model gives, on its device.

    Of what is not of the baseline's kind it makes rows that are too wide, which are counted as not comparable.
    """
    spec.prepare()
    served, accepts, transform = spec.served, spec.accepts, spec.transform
    too_wide = len(spec.names) + 1

    def reduce(value: Any) -> Any:
        batch = served(value)
        if batch is None:
            return None
        if not accepts(batch) and hasattr(batch, "ndim") and accepts(batch[None]):
            # One row, without a dimension of rows.
            batch = batch[None]
        if not accepts(batch):
            rows = len(batch) if getattr(batch, "ndim", 1) else 1
            return np.full((rows, too_wide), np.nan)
        if isinstance(batch, np.ndarray):
            batch = torch.from_numpy(batch)
        with torch.inference_mode():
            return transform(batch)

    return reduce


def probe(value: Any) -> torch.Tensor:
    """Return what tells wide scores apart, (n, len(PROBED)), on their device; see `classes_of_probe`.

    Raises TooLargeError for anything but wide rows of floats.
    """
    scores = array_in(value)
    if isinstance(scores, np.ndarray) and scores.dtype.kind == "f":
        scores = torch.from_numpy(scores)
    if not isinstance(scores, torch.Tensor) or scores.ndim not in (1, 2) or not scores.is_floating_point():
        raise TooLargeError(getattr(scores, "shape", None))
    rows = scores[None] if scores.ndim == 1 else scores
    if rows.shape[1] <= MAX_ROW_VALUES:
        raise TooLargeError(rows.shape)
    with torch.inference_mode():
        rows = rows.float()
        largest, place = rows.max(dim=1)
        total = (rows - largest[:, None]).clamp_(min=float(SMALLEST_EXPONENT)).exp_().sum(1)
        width = torch.full_like(largest, rows.shape[1])
        found = [place, largest, rows.amin(1), rows.sum(1), total, rows.square().sum(1), width]
        return torch.stack([column.float() for column in found], dim=1)


def classes_of_probe(rows: NDArray[Any], classes: Optional[int]) -> Optional[Classification]:
    """Return the classes that probed rows are scores of; None where they may be embeddings, or are not finite.

    classes: how many the model is known to have.
    """
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return None
    _, largest, smallest, total, _, squares, widths = rows.T
    width = int(widths[0])
    shares = (
        (smallest >= -ROUNDING).all()
        and (largest <= 1 + ROUNDING).all()
        and (np.abs(total - 1) < SUM_TOLERANCE).all()
    )
    alike_embeddings = width % EMBEDDING_STEP == 0 and width <= WIDEST_EMBEDDING
    if not shares and width != classes and (alike_embeddings or np.allclose(squares, 1.0, atol=1e-3)):
        return None
    return Classification(
        scores="probabilities" if shares else "logits", classes=[str(index) for index in range(width)]
    )


def signals_of_probe(rows: NDArray[Any], spec: Classification) -> Signals:
    """Return the predicted class and its confidence, (n,) each, of probed rows."""
    place, largest, _, total, exponentials, _, _ = np.asarray(rows, dtype=np.float64).T
    confidence = largest if spec.scores == "probabilities" else 1.0 / exponentials
    known = np.isfinite(largest) & np.isfinite(total) & np.isfinite(exponentials)
    return {
        "predicted_class": np.where(known, place, np.nan),
        "confidence": np.where(known, confidence, np.nan),
    }
