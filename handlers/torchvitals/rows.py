"""Putting the copies of many calls together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from .capture import Captured, DeviceCopy


def joined(copies: Iterable[Optional[Captured]]) -> list[NDArray[Any]]:
    """Return the copies as few arrays (n, d): one a width, in order within it.

    Rows of more than two dimensions are flattened; a single number is a row of one.
    """
    by_width: dict[int, list[NDArray[Any]]] = {}
    for copy in copies:
        if copy is None:
            continue
        array = copy.array() if isinstance(copy, DeviceCopy) else copy
        if array.size:
            rows = array.reshape(len(array) if array.ndim else 1, -1)
            by_width.setdefault(rows.shape[1], []).append(rows)
    return [np.concatenate(arrays) for arrays in by_width.values()]
