"""What a model gives, as a batch: the scores in it, rows of different lengths, boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import BaselineError
from ...recording.parts import ARRAY, array_in
from ..batches import to_array


def scores_of(value: Any) -> NDArray[Any]:
    """Return a batch as an array, (n, ...), of what a model gave. Raises BaselineError where it holds no numbers."""
    found = array_in(value)
    if isinstance(value, list) and found is not None and not found.ndim:
        found = None  # a number a row
    array = to_array(value if found is None else found)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise BaselineError("the outputs are not numbers; give scores, values or ids") from error
    if array.dtype.kind not in "biuf":
        raise BaselineError(f"the outputs are of type {array.dtype}; give real numbers")
    return array


def joined(parts: list[Any]) -> Any:
    """Return what a model gave for several batches as what it would give for all of them.

    Raises BaselineError where the batches do not go together.
    """
    first = parts[0]
    if isinstance(first, ARRAY):
        arrays = [to_array(part) for part in parts]
        if all(array.shape[1:] == arrays[0].shape[1:] for array in arrays) and arrays[0].ndim:
            return np.concatenate(arrays)
        if all(array.ndim == 2 and array.dtype.kind in "iu" for array in arrays):
            return [row for array in arrays for row in array]
        shapes = ", ".join(dict.fromkeys(str(array.shape[1:]) for array in arrays))
        raise BaselineError(f"the outputs have rows of different shapes: {shapes}; give one shape")
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(joined([part[place] for part in parts]) for place in range(len(first)))
    return [row for part in parts for row in part]


def size_of(value: Any) -> int:
    """Return how many numbers there are in what a model gave."""
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    return sum(map(size_of, value)) if isinstance(value, (list, tuple)) else 1


def ragged_ids(value: Any) -> Optional[list[torch.Tensor]]:
    """Return rows of whole numbers of any lengths, (length,) each; None for anything else."""
    if isinstance(value, torch.Tensor):
        if not value.is_nested:
            return None
        value = list(value.unbind())
    if not isinstance(value, (list, tuple)) or not value:
        return None
    rows = []
    for row in value:
        if isinstance(row, ARRAY):
            row = torch.as_tensor(row)
            if row.ndim == 2 and len(row) == 1:
                row = row[0]
        elif isinstance(row, (list, tuple)) and all(type(number) is int for number in row):
            row = torch.tensor(row, dtype=torch.int64)
        else:
            return None
        if row.ndim != 1 or row.is_floating_point() or row.is_complex() or row.dtype is torch.bool:
            return None
        rows.append(row)
    return rows
