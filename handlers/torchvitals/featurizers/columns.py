"""Columns of a table: their precision, and texts in them."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray


def at_model_precision(values: NDArray[Any]) -> NDArray[np.float64]:
    """Round to float32, so that a value in a file and the same value in a tensor fall in the same bin."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32).astype(np.float64)


def is_text(column: NDArray[Any]) -> bool:
    """Tell whether a column holds texts (or other objects) rather than numbers."""
    return column.dtype.kind not in "biuf"


def text_or_none(value: Any) -> Optional[str]:
    """Return a category's text; None for None, NaN and NaT."""
    return None if value is None or value != value else str(value)
