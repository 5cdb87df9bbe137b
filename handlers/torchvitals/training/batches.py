"""From whatever a batch is to named columns."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from ..featurizers.texts import is_texts


def inputs_of(batch: Any) -> Any:
    """Return a batch's inputs: the first of a tuple or list such as a DataLoader's (inputs, targets), or the batch."""
    if isinstance(batch, (tuple, list)) and len(batch):
        first = batch[0]
        if getattr(first, "ndim", 0) > 1 or is_texts(first):
            return first
    return batch


def to_array(values: Any) -> NDArray[Any]:
    """Return an array or a tensor (of any device and precision) as an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        return np.asarray(values.float() if values.is_floating_point() else values)
    return np.asarray(values)


def columns_of(batch: Any, names: Optional[list[str]]) -> dict[str, NDArray[Any]]:
    """Return a batch's columns, (n,) each. Raises BaselineError on another shape, or a column that is missing.

    batch: (n, d) array or tensor, or a DataFrame or what can become one (an Arrow table).
    names: the columns that are wanted; by place in an array. Default: all, named f0, f1, ... where they have no names.
    """
    if hasattr(batch, "to_pandas"):
        batch = batch.to_pandas()
    if hasattr(batch, "columns"):
        have = [str(column) for column in batch.columns]
        wanted = have if names is None else names
        missing = [name for name in wanted if name not in have]
        if missing:
            raise BaselineError(
                f"the data have no column {', '.join(map(repr, missing))}; they have: {', '.join(have)}"
            )
        columns = dict(zip(have, batch.columns))
        return {name: _series_values(batch[columns[name]]) for name in wanted}
    array = to_array(batch)
    if array.ndim != 2 or not array.shape[1]:
        raise BaselineError(f"a batch of the training data has shape {array.shape}; give (rows, features)")
    wanted = [f"f{index}" for index in range(array.shape[1])] if names is None else names
    if len(set(wanted)) != array.shape[1] or len(wanted) != array.shape[1]:
        raise BaselineError(
            f"{len(set(wanted))} different feature names for {array.shape[1]} columns; give one each"
        )
    return {name: array[:, index] for index, name in enumerate(wanted)}


def _series_values(series: Any) -> NDArray[Any]:
    dtype = series.dtype
    if not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "O") in "biuf":
        # pandas' own numbers with missing values would come as objects.
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(series.to_numpy())
