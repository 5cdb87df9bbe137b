"""What the types of two bytes make of a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of bfloat16 the relative error of rounding, and an eighth of it, which is float16's: a value that one of them rounded
# is no farther from what the other makes of it.
COARSEST = 1.125 * 2.0**-8
# The numbers of two bytes are the first half of a float32's.
LOWER_HALF = np.uint32(0xFFFF)


def as_bfloat16(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return numbers, none of them NaN, rounded to bfloat16 (half to even), as float64; NumPy has no such type.

    >>> as_bfloat16(np.array([0.1, 257.0])).tolist()
    [0.10009765625, 256.0]
    """
    with np.errstate(over="ignore"):
        bits = np.asarray(values, dtype=np.float32).view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return ((bits + half) & ~LOWER_HALF).view(np.float32).astype(np.float64)


def as_float16(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return numbers rounded to float16, as float64.

    >>> as_float16(np.array([0.1, 2049.0])).tolist()
    [0.0999755859375, 2048.0]
    """
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float16).astype(np.float64)


ROUNDINGS: dict[str, Callable[[NDArray[Any]], NDArray[np.float64]]] = {
    "float16": as_float16,
    "bfloat16": as_bfloat16,
}
