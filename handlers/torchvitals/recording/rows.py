"""Putting the copies of many calls together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from .capture import Captured, DeviceCopy

ROWS_OF_VALUES = 2


def joined(copies: Iterable[Optional[Captured]]) -> list[NDArray[Any]]:
    """Return the copies as few arrays (n, d): one a width, in order within it.

    Rows of more than two dimensions are flattened; a single number is a row of one.
    """
    return by_shape(copies, flat=True)


def by_shape(copies: Iterable[Optional[Captured]], *, flat: bool = False) -> list[NDArray[Any]]:
    """Return the copies as few arrays (n, ...): one a shape of row, in order within it.

    Single values are rows of one, (n, 1). flat: rows of more dimensions are flattened.
    """
    there = [copy for copy in copies if copy is not None]
    # At batch size 1 all are single rows of one width, as a rule: unpacked at once they cost little.
    single = [copy for copy in there if isinstance(copy, bytes)]
    if there and len(single) == len(there) and len(set(map(len, single))) == 1:
        return [_unpacked(single)]
    shapes: dict[Any, list[NDArray[Any]]] = {}
    for copy in there:
        array = _array(copy)
        if array.size:
            if array.ndim < ROWS_OF_VALUES or (flat and array.ndim > ROWS_OF_VALUES):
                array = array.reshape(len(array) if array.ndim else 1, -1)
            # Objects beside numbers would make objects of all.
            shapes.setdefault((array.shape[1:], array.dtype.kind == "O"), []).append(array)
    return [np.concatenate(arrays) for arrays in shapes.values()]


def as_row(copy: Optional[Captured]) -> Optional[Captured]:
    """Return the copy of one request's values as a row, (1, d), where it has no dimension of rows."""
    if copy is None or isinstance(copy, bytes):
        return copy
    if isinstance(copy, DeviceCopy):
        if copy.host.ndim == 1:
            copy.host = copy.host[None]
        return copy
    return copy[None] if copy.ndim == 1 else copy


def _array(copy: Captured) -> NDArray[Any]:
    if isinstance(copy, DeviceCopy):
        return copy.array()
    return _unpacked([copy]) if isinstance(copy, bytes) else copy


def _unpacked(rows: list[bytes]) -> NDArray[np.float64]:
    return np.frombuffer(b"".join(rows), dtype=np.float64).reshape(len(rows), -1)
