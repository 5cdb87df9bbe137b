"""Putting the copies of many calls together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from .capture import Captured, DeviceCopy


def joined(copies: Iterable[Optional[Captured]]) -> list[NDArray[Any]]:
    """Return the copies as few arrays (n, d): one a width, in order within it.

    Rows of more than two dimensions are flattened; a single number is a row of one.
    """
    by_width: dict[int, list[NDArray[Any]]] = {}
    for array in _arrays(copies):
        if array.size:
            rows = array.reshape(len(array) if array.ndim else 1, -1)
            by_width.setdefault(rows.shape[1], []).append(rows)
    return [np.concatenate(arrays) for arrays in by_width.values()]


def _arrays(copies: Iterable[Optional[Captured]]) -> Iterator[NDArray[Any]]:
    """Give each copy as an array; neighbouring single rows together, which is much cheaper."""
    single: list[list[float]] = []
    for copy in copies:
        row = copy if isinstance(copy, list) else None
        if single and (row is None or len(row) != len(single[0])):
            yield np.array(single)
            single = []
        if row is not None:
            single.append(row)
        elif isinstance(copy, DeviceCopy):
            yield copy.array()
        elif copy is not None:
            yield np.asarray(copy)
    if single:
        yield np.array(single)
