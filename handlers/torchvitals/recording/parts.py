"""Which part of what a model is given, or gives, is copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

# What a model's scores are called where it gives several things by name, as those of Transformers do beside a loss.
SCORES = ("logits", "scores", "probabilities")
ARRAY = (torch.Tensor, np.ndarray)


def array_in(value: Any) -> Any:
    """Return the tensor or array in `value`; of several by name the scores, else the first; None where there is none.

    Tensors or arrays in a list that are a row each are put together.
    """
    if isinstance(value, ARRAY):
        return value
    if isinstance(value, Mapping):
        named = next((value[name] for name in SCORES if name in value), None)
        return _first(value.values()) if named is None else array_in(named)
    if isinstance(value, list) and len(value) > 1 and _are_rows(value):
        return _together(value)
    if isinstance(value, (list, tuple)):
        return _first(value)
    return None


def are_boxes(value: Any) -> bool:
    """Tell whether a model's answer is boxes, whose corners and scores are no scores of classes."""
    if isinstance(value, Mapping):
        return "boxes" in value
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "boxes" in value[0]
    if not isinstance(value, tuple) or len(value) != 3 or not all(isinstance(one, ARRAY) for one in value):
        return False
    corners = value[0].shape
    return len(corners) > 1 and corners[-1] == 4 and all(one.shape == corners[:-1] for one in value[1:])


def _first(values: Any) -> Any:
    """Return the first tensor or array, single numbers such as a loss left out where there is more."""
    found = [value for value in values if isinstance(value, ARRAY)]
    return next((value for value in found if value.ndim), found[0]) if found else None


def _are_rows(values: list[Any]) -> bool:
    """Tell whether tensors or arrays are a row each, all of one shape."""
    first = values[0]
    if not isinstance(first, ARRAY) or (isinstance(first, torch.Tensor) and first.is_nested):
        return False
    if not (first.ndim == 1 or (first.ndim > 1 and len(first) == 1)):
        return False
    return all(type(value) is type(first) and value.shape == first.shape for value in values)


def _together(rows: list[Any]) -> Any:
    if isinstance(rows[0], torch.Tensor):
        return torch.cat(rows) if rows[0].ndim > 1 else torch.stack(rows)
    return np.concatenate(rows) if rows[0].ndim > 1 else np.stack(rows)
