"""Texts as two numbers each: how many words, and how many of them the training data never held."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from .tokens import token_describer, vocabulary_problem

TEXT_FEATURES = ["words", "out_of_vocabulary"]
# Words are told apart by a hash: with 50,000 known ones, a new word is taken for known in one of twenty cases.
HASHES = 1_000_000
MAX_CHARACTERS = 100_000
WORD = re.compile(r"\w+")
PADDING = -1


class Texts(msgspec.Struct, frozen=True, tag="texts", tag_field="kind"):
    """Inputs that are texts. vocabulary: which words' hashes the training data held, a bit a hash, compressed."""

    vocabulary: bytes

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return TEXT_FEATURES

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a batch of texts."""
        return is_texts(value)

    def problem(self) -> str:
        """Return what is wrong inside, or an empty text."""
        return vocabulary_problem(self.vocabulary)

    def describer(self) -> Callable[[Sequence[Any]], torch.Tensor]:
        """Return what turns a batch into features."""
        of_tokens = token_describer(self.vocabulary, PADDING)
        return lambda texts: of_tokens(torch.from_numpy(word_ids(texts)))


def is_texts(value: Any) -> bool:
    """Tell whether a value is a list, a tuple or an (n,) array of texts."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and len(value) > 0 and isinstance(value[0], (str, np.str_))
    return isinstance(value, (list, tuple)) and len(value) > 0 and isinstance(value[0], str)


def word_ids(texts: Sequence[Any]) -> NDArray[np.int64]:
    """Return each text's words as ids, (n, most words), filled up with PADDING; a missing text has none.

    Words are runs of letters and digits, in lower case; a text counts up to MAX_CHARACTERS.
    """
    found = [
        [zlib.crc32(word.encode()) % HASHES for word in WORD.findall(text[:MAX_CHARACTERS].lower())]
        if isinstance(text, str)
        else []
        for text in texts
    ]
    ids = np.full((len(found), max(map(len, found), default=0)), PADDING, dtype=np.int64)
    for row, words in zip(ids, found):
        row[: len(words)] = words
    return ids
