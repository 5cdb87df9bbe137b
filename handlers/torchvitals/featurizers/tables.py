"""Columns of any table: pandas, polars, Arrow, arrays, tensors, lists."""

from __future__ import annotations

from collections import Counter
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from .batches import is_table, to_array, unreadable
from .columns import column_values, unusable

Columns = dict[str, NDArray[Any]]


def columns_of(data: Any, names: Optional[list[str]] = None) -> Columns:
    """Return the columns of some rows, (n,) each, as `column_values` makes them.

    data: (n, d) array, tensor or list of rows; or a table of pandas, polars or Arrow. names: the columns that are
    wanted; by place in an array. Default: all, named f0, f1, ... where they have no names; a name that is a number
    becomes its text. Raises BaselineError on another shape, a name that is missing or stands twice, and a column that
    is neither numbers nor texts.
    """
    if is_table(data):
        return {
            name: column_values(_array_of(series), name) for name, series in series_of(data, names).items()
        }
    array = to_array(data)
    if array.ndim != 2 or not array.shape[1]:
        raise BaselineError(f"the data have shape {array.shape}; give (rows, features)")
    wanted = [f"f{index}" for index in range(array.shape[1])] if names is None else list(map(str, names))
    if len(set(wanted)) != array.shape[1] or len(wanted) != array.shape[1]:
        raise BaselineError(
            f"{len(set(wanted))} different feature names for {array.shape[1]} columns; give one each"
        )
    return {name: column_values(array[:, index], name) for index, name in enumerate(wanted)}


def category_order(table: Any, name: str) -> Optional[list[Any]]:
    """Return a column's categories in the table's own order: of pandas' Categoricals and of Enums; None of others.

    Other libraries keep the order in which they met them.
    """
    import narwhals.stable.v2 as nw

    series = series_of(table, [name])[name]
    if series.dtype == nw.Enum or (series.dtype == nw.Categorical and series.implementation.is_pandas()):
        return list(series.cat.get_categories().to_list())
    return None


def only_column(table: Any, names: Optional[list[str]], kind: str) -> tuple[str, list[Any]]:
    """Return name and values of the one column that holds inputs of a kind. Raises BaselineError for several."""
    series = series_of(table, names)
    if len(series) != 1:
        raise BaselineError(
            f"features: inputs: {kind} are one column, and there are {len(series)}; "
            "choose it with --columns, or feature_names in Python"
        )
    ((name, values),) = series.items()
    return name, values.to_list()


def stacked(rows: list[Any], column: str, *, padding: int) -> NDArray[Any]:
    """Return a column of lists as one array, (n, ...); lists of another length are filled up with `padding`.

    Raises BaselineError where a row is no list of numbers.
    """
    must = f"column '{column}' must hold lists of numbers"
    try:
        arrays = [np.array(row.tolist() if hasattr(row, "tolist") else row) for row in rows]
        if arrays and arrays[0].ndim == 1:
            width = max(map(len, arrays))
            arrays = [np.pad(row, (0, width - len(row)), constant_values=padding) for row in arrays]
        whole = np.stack(arrays) if arrays else np.empty((0, 0))
    except (TypeError, ValueError) as error:
        raise BaselineError(f"{must}, each row of the same shape") from error
    if whole.dtype.kind not in "biuf" or whole.ndim < 2:
        raise BaselineError(f"{must}; it holds {'single values' if whole.ndim < 2 else whole.dtype}")
    return whole


def series_of(table: Any, names: Optional[list[str]]) -> dict[str, Any]:
    """Return the wanted columns of a table as narwhals' series."""
    # A worker that serves tensors never comes here, and does without the library.
    import narwhals.stable.v2 as nw
    from narwhals.exceptions import DuplicateError

    if hasattr(table, "__arrow_c_array__"):
        # An Arrow record batch; its table is a view of it.
        import pyarrow as pa

        try:
            table = pa.table(table)
        except (TypeError, ValueError) as error:
            raise unreadable(table) from error
    try:
        frame = nw.from_native(table, eager_only=True)
    except DuplicateError as error:
        # Of the class: a table of pandas gives its columns as attributes. Arrow's `columns` are no names.
        names = table.column_names if hasattr(type(table), "column_names") else table.columns
        raise _twice(list(map(str, names))) from error
    except TypeError as error:
        raise unreadable(table) from error
    found = list(frame.iter_columns())
    have = {str(series.name): series for series in found}
    wanted = list(have) if names is None else list(map(str, names))
    for named in ([str(series.name) for series in found], wanted):
        if len(set(named)) != len(named):
            raise _twice(named)
    missing = [name for name in wanted if name not in have]
    if missing:
        raise BaselineError(
            f"the data have no column {', '.join(map(repr, missing))}; they have: {', '.join(have)}"
        )
    if not wanted:
        raise BaselineError("the data have no columns; give (rows, features)")
    return {name: have[name] for name in wanted}


def _twice(names: list[str]) -> BaselineError:
    name = next(name for name, times in Counter(names).items() if times > 1)
    return BaselineError(f"the data have two columns named '{name}'; rename one, or leave it out")


def _array_of(series: Any) -> NDArray[Any]:
    import narwhals.stable.v2 as nw

    if series.dtype in (nw.Categorical, nw.Enum):
        # Of Arrow's dictionaries with missing values, the array would hold a wrong text in their place.
        return _objects_of(series)
    try:
        return np.asarray(series.to_numpy())
    except (
        Exception
    ):  # each library has errors of its own for the types that NumPy lacks, and their texts hold values
        return _objects_of(series)


def _objects_of(series: Any) -> NDArray[Any]:
    """Return a column as objects. Raises BaselineError where its library cannot give them."""
    try:
        found = series.to_list()
    except Exception as error:
        raise unusable(
            str(series.name), f"values of type {series.dtype}", "make them numbers or texts"
        ) from error
    values = np.empty(len(found), dtype=object)
    values[:] = found
    return values
