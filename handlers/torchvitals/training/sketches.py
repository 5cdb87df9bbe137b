"""The sketches of Apache DataSketches; the one place that imports them, and only when data outgrow exact counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError

# Ranks are right within 0.14 % of the rows (single-sided, 99 % of the time); about 24 kB a feature.
KLL_K = 2048
# Up to 12,288 different texts are counted exactly; beyond, a count is too low by at most 0.02 % of the rows.
TEXTS_LG_SIZE = 14


def _library() -> Any:
    try:
        import datasketches
    except ImportError as error:
        raise BaselineError(
            "data of this size are described by sketches, and the package datasketches is not installed; "
            "run pip install 'torchvitals[cli]'"
        ) from error
    return datasketches


def quantile_sketch(serialized: bytes = b"") -> Any:
    """Return a KLL sketch of floats: a new one, or one read from its bytes."""
    sketches = _library().kll_floats_sketch
    return sketches.deserialize(serialized) if serialized else sketches(KLL_K)


def weighted_values(sketch: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a quantile sketch's values, ascending, and how many values each stands for; together all.

    The weights that iteration gives are all 1 when the lowest level of a sketch is empty, as it may be after a merge
    (datasketches 5.2, kll_sketch_impl.hpp, the iterator), so they are taken from the cumulative shares.
    """
    values = np.unique(np.array([value for value, _ in sketch], dtype=np.float32))
    upto = np.rint(np.array(sketch.get_cdf(values.tolist(), True)[:-1]) * sketch.n).astype(np.int64)
    return values.astype(np.float64), np.diff(np.concatenate([[0], upto]))


def frequency_sketch(serialized: bytes = b"") -> Any:
    """Return a frequent-items sketch of texts: a new one, or one read from its bytes."""
    sketches = _library().frequent_strings_sketch
    return sketches.deserialize(serialized) if serialized else sketches(TEXTS_LG_SIZE)


def frequent_texts(sketch: Any) -> dict[str, int]:
    """Return the frequent texts, each with the count that it has at least."""
    kind = _library().frequent_items_error_type.NO_FALSE_NEGATIVES
    return {text: lower for text, _, lower, _ in sketch.get_frequent_items(kind) if lower > 0}
