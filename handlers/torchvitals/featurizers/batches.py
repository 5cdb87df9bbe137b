"""What a batch is: a table, an array, a tensor, or a list of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BaselineError

# What marks a table of any library: pandas and polars, Arrow, and what speaks Arrow's protocol.
TABLE_MARKS = ("columns", "to_pandas", "__arrow_c_stream__", "__arrow_c_array__")

# What pandas, polars and Arrow call one column.
COLUMN_TYPES = ("Series", "Index", "ChunkedArray", "DoubleArray", "StringArray", "Array")


def is_texts(value: Any) -> bool:
    """Tell whether a value is a list, a tuple or an (n,) array of texts."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and len(value) > 0 and isinstance(value[0], (str, np.str_))
    return isinstance(value, (list, tuple)) and len(value) > 0 and isinstance(value[0], str)


def is_table(value: Any) -> bool:
    """Tell whether a value has named columns."""
    if isinstance(value, (np.ndarray, torch.Tensor, list, tuple)):
        return False
    # Of the class: to ask an object may cost it the columns, as it does a lazy one.
    return any(hasattr(type(value), mark) for mark in TABLE_MARKS)


def dimensions(value: Any) -> int:
    """Return the number of dimensions of a batch; 0 of rows of different lengths."""
    found = getattr(value, "ndim", None)
    if found is not None:
        return int(found)
    try:
        return np.ndim(value)
    except ValueError:
        return 0


def unreadable(table: Any) -> BaselineError:
    """Return the error for a table that has no rows in memory, is one column, or is of an unknown library."""
    library = type(table).__module__.partition(".")[0]
    if type(table).__name__ in COLUMN_TYPES:
        return BaselineError(
            f"the data are a single column, a {type(table).__name__} of {library}; give a table with its name"
        )
    return BaselineError(
        f"the data are a {type(table).__name__} of {library}, whose rows cannot be read from memory; give a pandas, "
        "polars or Arrow table, or an array"
    )


def with_rows(value: Any) -> Any:
    """Return a batch, which has rows to count. Raises BaselineError where it has none, or does not say how many."""
    if is_table(value) and not hasattr(type(value), "__len__"):
        raise unreadable(value)
    try:
        len(value)
    except TypeError as error:
        value = to_array(value)
        if not value.ndim:
            raise BaselineError("the data are a single value; give (rows, features)") from error
    return value


def first_of(value: Any) -> Any:
    """Return the first tensor, array or list of texts in what a model is given, or None."""
    if isinstance(value, (torch.Tensor, np.ndarray)) or is_texts(value):
        return value
    if isinstance(value, Mapping):
        return first_of(next(iter(value.values()))) if value else None
    if isinstance(value, (list, tuple)) and value:
        return first_of(value[0])
    return None


def inputs_of(batch: Any) -> Any:
    """Return a batch's inputs: the first of a tuple or list such as a DataLoader's (inputs, targets), or the batch."""
    if isinstance(batch, (tuple, list)) and len(batch):
        first = batch[0]
        if getattr(first, "ndim", 0) > 1 or is_texts(first) or (isinstance(batch, tuple) and is_table(first)):
            return first
    return batch


def _tensor_array(values: torch.Tensor) -> NDArray[Any]:
    if values.layout is not torch.strided or values.is_nested:
        raise BaselineError("the data are a sparse or nested tensor; give a dense one: values.to_dense()")
    if values.is_meta:
        raise BaselineError("the data are a tensor of the device 'meta', which holds no values; give them")
    values = values.detach().cpu()
    if values.is_quantized:
        values = values.dequantize()
    if values.is_floating_point() and values.dtype not in (torch.float16, torch.float32, torch.float64):
        # NumPy has no bfloat16, and none of the types of one byte.
        values = values.float()
    # What is conjugated or negated lazily is no array.
    return np.asarray(values.resolve_conj().resolve_neg())


def to_array(values: Any) -> NDArray[Any]:
    """Return an array, a tensor (of any device and precision) or nested lists as an array.

    Masked values become NaN. Raises BaselineError for sparse and nested tensors, sparse matrices and ragged lists.
    """
    if isinstance(values, torch.Tensor):
        return _tensor_array(values)
    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind in "biuf":
            return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
        objects = np.asarray(values.data).astype(object)
        objects[np.ma.getmaskarray(values)] = None
        return objects
    if isinstance(values, Mapping) or (isinstance(values, np.ndarray) and values.dtype.names):
        kind = "dict" if isinstance(values, Mapping) else "structured array"
        raise BaselineError(f"the data are a {kind}; give a table, such as pandas.DataFrame(data)")
    if type(values).__module__.startswith("scipy.sparse"):
        raise BaselineError(
            "the data are a sparse matrix; give the columns that matter as a dense array: X[:, columns].toarray()"
        )
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise BaselineError("the rows have different lengths; give (rows, features)") from error
    # Of a list with numbers and texts NumPy makes texts alone.
    return (
        np.array(values, dtype=object)
        if array.dtype.kind in "US" and isinstance(values, (list, tuple))
        else array
    )
