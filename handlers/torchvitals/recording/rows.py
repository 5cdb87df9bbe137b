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
    there = [copy for copy in copies if copy is not None]
    # At batch size 1 all are single rows of one width, as a rule: unpacked at once they cost little.
    single = [copy for copy in there if isinstance(copy, bytes)]
    if there and len(single) == len(there) and len(set(map(len, single))) == 1:
        return [_unpacked(single)]
    by_width: dict[int, list[NDArray[Any]]] = {}
    for copy in there:
        array = _array(copy)
        if array.size:
            rows = array if array.ndim == 2 else array.reshape(len(array) if array.ndim else 1, -1)
            by_width.setdefault(rows.shape[1], []).append(rows)
    return [np.concatenate(arrays) for arrays in by_width.values()]


def _array(copy: Captured) -> NDArray[Any]:
    if isinstance(copy, DeviceCopy):
        return copy.array()
    return _unpacked([copy]) if isinstance(copy, bytes) else copy


def _unpacked(rows: list[bytes]) -> NDArray[np.float64]:
    return np.frombuffer(b"".join(rows), dtype=np.float64).reshape(len(rows), -1)
