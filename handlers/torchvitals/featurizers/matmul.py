"""Products of matrices that keep to one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# From 262,144 multiplications on OpenBLAS, which NumPy brings, shares a product out to threads (interface/gemm.c:
# SMP_THRESHOLD_MIN * GEMM_MULTITHREAD_THRESHOLD). They then turn idle for tens of milliseconds on a core that requests
# need.
MULTIPLICATIONS = 200_000


def product(rows: NDArray[np.floating[Any]], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the product of (n, d) rows and a (d, k) matrix, (n, k), some rows at a time."""
    at_once = max(1, MULTIPLICATIONS // max(1, matrix.size))
    result = np.empty((len(rows), matrix.shape[1]))
    for start in range(0, len(rows), at_once):
        np.matmul(rows[start : start + at_once], matrix, out=result[start : start + at_once])
    return result
