"""Which kind of input a model is given, and its features, in training and on the request path alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Optional, Union

import numpy as np
import torch
from numpy.typing import NDArray

from .embeddings import Embeddings
from .images import IMAGE_DIMENSIONS, Images
from .texts import Texts, is_texts
from .tokens import Tokens

Inputs = Union[Images, Tokens, Texts, Embeddings]
InputKind = Literal["columns", "images", "tokens", "texts", "embeddings"]

BATCH_ROWS = 256
# Fewer whole numbers a row than this are likelier to be columns than a text; fewer floats, than an embedding.
FEWEST_TOKENS = 8
FEWEST_DIMENSIONS = 128


def detect(X: Any, feature_names: Optional[list[str]] = None) -> InputKind:  # noqa: N803
    """Tell the kind of input by shape and type; `features: inputs:` in the configuration says it where this errs.

    Texts are a list of them. Images have four dimensions. Without names of columns, rows of whole numbers are token
    ids from FEWEST_TOKENS a row on, and rows of floats embeddings from FEWEST_DIMENSIONS on. All else is columns.
    """
    if hasattr(X, "columns") or hasattr(X, "to_pandas"):
        return "columns"
    if is_texts(X):
        return "texts"
    dimensions = getattr(X, "ndim", None) or np.ndim(X)
    if dimensions == IMAGE_DIMENSIONS:
        return "images"
    if dimensions != 2 or feature_names is not None:
        return "columns"
    width = len(X[0]) if len(X) else 0
    kind = _number_kind(X)
    if kind in "iu" and width >= FEWEST_TOKENS:
        return "tokens"
    return "embeddings" if kind == "f" and width >= FEWEST_DIMENSIONS else "columns"


def _number_kind(X: Any) -> str:  # noqa: N803
    """Return the kind of number as NumPy's letter; NumPy does not know all types of tensors."""
    if isinstance(X, torch.Tensor):
        return "f" if X.is_floating_point() else "i"
    return np.asarray(X[:1]).dtype.kind


def first_of(value: Any) -> Any:
    """Return the first tensor, array or list of texts in what a model is given, or None."""
    if isinstance(value, (torch.Tensor, np.ndarray)) or is_texts(value):
        return value
    if isinstance(value, Mapping):
        return first_of(next(iter(value.values()))) if value else None
    if isinstance(value, (list, tuple)) and value:
        return first_of(value[0])
    return None


def reducer(inputs: Inputs) -> Callable[[Any], Any]:
    """Return what makes features of a batch on the request path, on the batch's device.

    Of a batch that is not of the baseline's kind it makes rows that are too wide, which are counted as of a bad shape.
    """
    describe = inputs.describer()
    too_wide = len(inputs.names) + 1

    def reduce(value: Any) -> Any:
        batch = first_of(value)
        if not inputs.accepts(batch):
            return None if batch is None else np.full((len(batch), too_wide), np.nan)
        if isinstance(batch, np.ndarray) and batch.dtype.kind not in "OU":
            batch = torch.from_numpy(batch)
        with torch.inference_mode():
            return describe(batch)

    return reduce


def described(inputs: Inputs, X: Any) -> NDArray[np.float64]:  # noqa: N803
    """Return the features of all of `X`, (n, k), some hundred rows at a time."""
    reduce = reducer(inputs)
    parts = [reduce(X[start : start + BATCH_ROWS]) for start in range(0, len(X), BATCH_ROWS)]
    if not parts:
        return np.empty((0, len(inputs.names)))
    return np.concatenate([np.asarray(part.double() if hasattr(part, "double") else part) for part in parts])
