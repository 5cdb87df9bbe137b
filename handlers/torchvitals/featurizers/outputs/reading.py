"""What a model gives, as a batch: the scores in it, rows of different lengths, boxes."""

from __future__ import annotations

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
    array = to_array(value if found is None else found)
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise BaselineError("the outputs are not numbers; give scores, values or ids") from error
    if array.dtype.kind not in "biuf":
        raise BaselineError(f"the outputs are of type {array.dtype}; give real numbers")
    return array


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
