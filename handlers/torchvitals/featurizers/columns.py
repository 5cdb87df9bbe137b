"""What the values of a column become: float32 numbers, or texts; the one place that decides which."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Optional

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BaselineError

NUMBER_TYPES = (bool, int, float, np.bool_, np.number, Decimal, Fraction)
TEXT_TYPES = (str, np.str_)
DATE_TYPES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
NESTED_TYPES = (list, tuple, set, frozenset, dict, np.ndarray, torch.Tensor)
# What pandas has beside these, which is not imported here.
DATE_NAMES = ("Period", "DateOffset", "MonthDayNano")
TIMES_WAY_OUT = "make them parts (features: time_parts) or numbers"
LEAVE_OUT = "or leave the column out"


def at_model_precision(values: NDArray[Any]) -> NDArray[np.float64]:
    """Round to float32, so that a value in a file and the same value in a tensor fall in the same bin."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32).astype(np.float64)


def holds_texts(column: NDArray[Any]) -> bool:
    """Tell whether a column that `column_values` returned holds texts rather than numbers."""
    return column.dtype == object


def text_or_none(value: Any) -> Optional[str]:
    """Return a category's text; None for what is missing."""
    return None if _is_missing(value) else str(value)


def column_values(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return a column as it is described, whatever library it comes from.

    values: (n,) of any type. Returns float32, contiguous and writable, with NaN where missing; or objects that are
    texts, None or NaN. Truth values are 0 and 1; a column without any value is numbers. Raises BaselineError that
    names the column, and never a value, where it is neither numbers nor texts.
    """
    kind = values.dtype.kind
    if values.ndim != 1:
        raise _refusal(name, {list})
    if kind in "biuf":
        return as_float32(values)
    if kind == "U":
        return values.astype(object)
    if kind in "Mm":
        raise unusable(name, "dates or times", TIMES_WAY_OUT)
    if kind != "O":
        raise unusable(name, f"values of type {values.dtype}", "make them numbers or texts")
    objects = values.tolist()
    found = {type(value) for value in objects}
    if (
        str in found
        and found <= {str, float, type(None)}
        and all(v != v for v in objects if type(v) is float)
    ):
        # What most columns of objects are: texts, and None or NaN where one is missing.
        return values
    present = [value for value in objects if not _is_missing(value)]
    kinds = {type(value) for value in present}
    if all(issubclass(one, NUMBER_TYPES) for one in kinds):
        return as_float32(np.array([_as_float(value) for value in objects], dtype=np.float64))
    if all(issubclass(one, TEXT_TYPES) for one in kinds):
        return np.array([text_or_none(value) for value in objects], dtype=object)
    raise _refusal(name, kinds)


def as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers at the precision that models see, contiguous and writable: the sketches take no other array."""
    if values.dtype.kind in "iu":
        # By way of float64, as columns with missing values come: large whole numbers are then rounded the same way.
        values = values.astype(np.float64)
    with np.errstate(over="ignore"):
        return np.require(values, dtype=np.float32, requirements=["C", "W"])


def mixed(name: str) -> BaselineError:
    """Return the error for a column with numbers in some rows and texts in others."""
    return unusable(name, "numbers in some rows and texts in others", "make it one of them")


def _refusal(name: str, kinds: set[type]) -> BaselineError:
    def all_are(types: Sequence[type]) -> bool:
        return all(issubclass(kind, tuple(types)) for kind in kinds)

    if all_are((*NUMBER_TYPES, *TEXT_TYPES)):
        return mixed(name)
    if all(issubclass(kind, DATE_TYPES) or kind.__name__ in DATE_NAMES for kind in kinds):
        return unusable(name, "dates or times", TIMES_WAY_OUT)
    if any(issubclass(kind, NESTED_TYPES) for kind in kinds):
        return unusable(
            name,
            "lists or structs",
            "make a column of each part, say what the lists are (features: inputs: tokens or embeddings)",
        )
    types = ", ".join(sorted(kind.__name__ for kind in kinds))
    return unusable(name, f"objects of type {types}", "make them numbers or texts")


def unusable(name: str, what: str, way_out: str) -> BaselineError:
    """Return the error for a column that is neither numbers nor texts."""
    return BaselineError(f"column '{name}' holds {what}; {way_out}, {LEAVE_OUT}")


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return value is None
    try:
        return bool(value != value)
    except (TypeError, ValueError, ArithmeticError, RuntimeError):
        # pandas' NA, which has no truth value; not an array or a tensor, which have several, nor a signalling NaN.
        return type(value).__name__ == "NAType" or (isinstance(value, Decimal) and value.is_nan())


def _as_float(value: Any) -> float:
    if _is_missing(value):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
