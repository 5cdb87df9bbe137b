"""Training data that came in a type of two bytes."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from ..baseline.schema import Feature

TwoBytes = Literal["", "float16", "bfloat16"]


def two_bytes_of(batch: Any) -> TwoBytes:
    """Return the type of two bytes that an array or a tensor is of; nothing for any other batch.

    >>> import torch
    >>> two_bytes_of(torch.zeros(2, 3, dtype=torch.bfloat16)), two_bytes_of([[1.0]])
    ('bfloat16', '')
    """
    name = str(getattr(batch, "dtype", "")).rpartition(".")[2]
    known: tuple[TwoBytes, ...] = get_args(TwoBytes)
    return next((one for one in known if one == name), "")


def with_rounding(feature: Feature, rounded: TwoBytes) -> Feature:
    """Return a feature of few values that says which type of two bytes they came in."""
    if not rounded or feature.kind != "discrete":
        return feature
    return msgspec.structs.replace(feature, rounded=rounded)
