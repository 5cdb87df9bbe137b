"""Columns of texts that tell rows apart: how long a text is, and whether the training data had it; never the text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import BaselineError
from .columns import holds_texts, text_or_none
from .tables import Columns
from .vocabulary import MAX_VOCABULARY, unpacked, validate_vocabulary

# Texts are told apart by a hash of so many values: each stands for any number of texts, so none can be read back.
HASHES = MAX_VOCABULARY


class Identifier(msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True):
    """What a baseline knows of a column of identifiers beside their lengths.

    seen: which hashes the training data's texts have, a bit a hash, compressed. numbers: the training data held
    numbers, which are told apart by their digits at float32.
    """

    seen: bytes
    numbers: bool = False

    def validate(self) -> None:
        """Raise BaselineError where the hashes are damaged."""
        validate_vocabulary(self.seen)

    def describe(self, column: NDArray[Any], name: str) -> Columns:
        """Return the features of a column, (n,), as `column_values` makes it; both are missing where the text is.

        Raises BaselineError where it holds numbers and the training data texts, or the reverse.
        """
        if holds_texts(column) == self.numbers and not all_missing(column):
            have, want = ("texts", "numbers") if self.numbers else ("numbers", "texts")
            raise BaselineError(
                f"column '{name}' holds {have}, and in the baseline {want}; give it as it was in training"
            )
        texts = texts_of(column)
        known = [None if text is None else bool(self._seen[hash_of(text)]) for text in texts]
        lengths = [np.nan if text is None else float(len(text)) for text in texts]
        new = [np.nan if known_ is None else float(not known_) for known_ in known]
        return {
            length_name(name): np.array(lengths, dtype=np.float32),
            new_name(name): np.array(new, dtype=np.float32),
        }

    @cached_property
    def _seen(self) -> NDArray[np.bool_]:
        known = np.zeros(HASHES, dtype=bool)
        bits = unpacked(self.seen)[:HASHES]
        known[: len(bits)] = bits
        return known


def length_name(column: str) -> str:
    """Return the name of the feature that is the length of an identifier, in characters."""
    return f"{column}_length"


def new_name(column: str) -> str:
    """Return the name of the feature that is 1 for an identifier that the training data did not have, and else 0."""
    return f"{column}_new"


def described_identifiers(columns: Columns, identifiers: Mapping[str, Identifier]) -> Columns:
    """Return columns with the features of identifiers in their place. Raises BaselineError."""
    found: Columns = {}
    for name, values in columns.items():
        found.update(identifiers[name].describe(values, name) if name in identifiers else {name: values})
    return found


def column_names(features: Iterable[str], identifiers: Mapping[str, Identifier]) -> list[str]:
    """Return the columns that features come from, in order."""
    columns = {length_name(name): name for name in identifiers}
    second = {new_name(name) for name in identifiers}
    return [columns.get(name, name) for name in features if name not in second]


def texts_of(column: NDArray[Any]) -> list[Any]:
    """Return a column's texts, None where one is missing; of numbers their digits, as float32 has them."""
    if holds_texts(column):
        return [text_or_none(value) for value in column.tolist()]
    return [None if np.isnan(value) else _digits(value) for value in column]


def hash_of(text: str) -> int:
    """Return the hash that stands for a text, below HASHES."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "little") % HASHES


def all_missing(column: NDArray[Any]) -> bool:
    """Tell whether no value of a column is present."""
    if holds_texts(column):
        return all(text_or_none(value) is None for value in column.tolist())
    return bool(np.isnan(column).all())


def _digits(value: np.float32) -> str:
    return str(int(value)) if np.isfinite(value) and value == np.floor(value) else str(value)
