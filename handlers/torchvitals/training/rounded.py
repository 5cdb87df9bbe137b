"""Training data that came in a type of two bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import msgspec

from ..baseline.schema import Feature

TwoBytes = Literal["", "float16", "bfloat16"]
# What pandas and Arrow call it.
HALVES = ("float16", "halffloat")


def two_bytes_of(batch: Any) -> TwoBytes:
    """Return the type of two bytes that an array or a tensor is of; nothing for any other batch.

    >>> import torch
    >>> two_bytes_of(torch.zeros(2, 3, dtype=torch.bfloat16)), two_bytes_of([[1.0]])
    ('bfloat16', '')
    """
    name = str(getattr(batch, "dtype", "")).rpartition(".")[2]
    known: tuple[TwoBytes, ...] = get_args(TwoBytes)
    return next((one for one in known if one == name), "")


def two_bytes_by_column(batch: Any, names: Iterable[str]) -> dict[str, TwoBytes]:
    """Return the types of two bytes that columns of a batch came in; of an array all have one.

    batch: also a table of pandas or Arrow; polars' types of two bytes are read as those of four.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"a": [0.1], "b": [0.1]}).astype({"b": "float16"})
    >>> two_bytes_by_column(table, ["a", "b"])
    {'b': 'float16'}
    """
    whole = two_bytes_of(batch)
    types = {} if whole else _types_of_table(batch)
    found = ((name, whole or types.get(name, "")) for name in names)
    return {name: one for name, one in found if one}


def _types_of_table(table: Any) -> dict[str, TwoBytes]:
    """Return which columns of pandas or Arrow are of two bytes; neither has bfloat16."""
    if hasattr(getattr(table, "dtypes", None), "items"):
        named = table.dtypes.items()
    else:
        # Iterating over polars' schema gives names alone.
        named = ((field.name, field.type) for field in getattr(table, "schema", ()) if hasattr(field, "type"))
    return {str(name): "float16" for name, type_ in named if str(type_).startswith(HALVES)}


def with_rounding(feature: Feature, rounded: TwoBytes) -> Feature:
    """Return a feature of few values that says which type of two bytes they came in."""
    if not rounded or feature.kind != "discrete":
        return feature
    return msgspec.structs.replace(feature, rounded=rounded)
