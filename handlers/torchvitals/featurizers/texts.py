"""Texts as two numbers each: how many words, and how many of them the training data never held."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, Optional

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from .batches import is_texts
from .featurizer import Featurizer, Learner, Settings
from .tables import only_column
from .vocabulary import VocabularyLearner, token_describer, validate_vocabulary

TEXT_FEATURES = ("words", "out_of_vocabulary")
# Words are told apart by a hash: with 50,000 known ones, a new word is taken for known in one of twenty cases.
HASHES = 1_000_000
MAX_CHARACTERS = 100_000
WORD = re.compile(r"\w+")
PADDING = -1


class Texts(Featurizer, msgspec.Struct, frozen=True, dict=True, tag="texts", tag_field="kind"):
    """Inputs that are texts. vocabulary: which words' hashes the training data held, a bit a hash, compressed."""

    vocabulary: bytes

    learns: ClassVar[bool] = True

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return list(TEXT_FEATURES)

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a batch of texts."""
        return is_texts(value)

    def transform(self, batch: Sequence[Any]) -> torch.Tensor:
        """Return the features of a batch."""
        return self._describe(torch.from_numpy(word_ids(batch)))

    def prepare(self) -> None:
        """Unpack the vocabulary."""
        _ = self._describe

    def validate(self) -> None:
        """Raise BaselineError where the vocabulary is damaged."""
        validate_vocabulary(self.vocabulary)

    @classmethod
    def recognises(cls, value: Any, names: Optional[list[str]]) -> bool:
        """Tell a list of texts."""
        return is_texts(value)

    @classmethod
    def learner(cls, settings: Settings) -> Learner:
        """Return an empty learner."""
        return TextsLearner(PADDING)

    @classmethod
    def kept(cls, batch: Any) -> Any:
        """Return texts as an array, which is what is copied on the request path."""
        return np.array(batch, dtype=object)

    @classmethod
    def from_table(cls, table: Any, settings: Settings) -> Any:
        """Return the texts of a table's one column."""
        return only_column(table, settings.names, "texts")[1]

    @cached_property
    def _describe(self) -> Callable[[torch.Tensor], torch.Tensor]:
        return token_describer(self.vocabulary, PADDING)


class TextsLearner(VocabularyLearner):
    """Learns from texts."""

    names = TEXT_FEATURES
    size = HASHES

    def ids_of(self, batch: Any) -> NDArray[np.integer[Any]]:
        """Return the texts' words as ids."""
        return word_ids(batch)

    def featurizer_of(self, vocabulary: bytes) -> Featurizer:
        """Return the featurizer with this vocabulary."""
        return Texts(vocabulary=vocabulary)


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
