"""Token ids as two numbers a row: how long it is, and how much of it the training data never held."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Optional

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BaselineError
from .batches import dimensions, to_array
from .featurizer import Featurizer, Learner, Settings
from .vocabulary import MAX_VOCABULARY, VocabularyLearner, token_describer, validate_vocabulary

TOKEN_FEATURES = ("length", "out_of_vocabulary")
# Fewer whole numbers a row than this are likelier to be columns than a text.
FEWEST_TOKENS = 8


class Tokens(Featurizer, msgspec.Struct, frozen=True, dict=True, tag="tokens", tag_field="kind"):
    """Inputs that are token ids, (n, length).

    padding: the id that fills a row up. vocabulary: which ids the training data held, a bit an id, compressed.
    """

    padding: int
    vocabulary: bytes

    learns: ClassVar[bool] = True

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return list(TOKEN_FEATURES)

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a batch of token ids."""
        if getattr(value, "ndim", 0) != 2:
            return False
        if isinstance(value, torch.Tensor):
            return not (value.is_floating_point() or value.is_complex() or value.dtype is torch.bool)
        return bool(value.dtype.kind in "iu")

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the features of a batch."""
        return self._describe(batch)

    def prepare(self) -> None:
        """Unpack the vocabulary."""
        _ = self._describe

    def validate(self) -> None:
        """Raise BaselineError where the vocabulary is damaged."""
        validate_vocabulary(self.vocabulary)

    @classmethod
    def recognises(cls, value: Any, names: Optional[list[str]]) -> bool:
        """Tell token ids by rows of FEWEST_TOKENS whole numbers or more, without names of columns."""
        return names is None and row_width(value) >= FEWEST_TOKENS and number_kind(value) in ("i", "u")

    @classmethod
    def learner(cls, settings: Settings) -> Learner:
        """Return an empty learner."""
        return TokensLearner(settings.padding)

    @cached_property
    def _describe(self) -> Callable[[torch.Tensor], torch.Tensor]:
        return token_describer(self.vocabulary, self.padding)


class TokensLearner(VocabularyLearner):
    """Learns from rows of token ids."""

    names = TOKEN_FEATURES
    size = MAX_VOCABULARY

    def ids_of(self, batch: Any) -> NDArray[np.integer[Any]]:
        """Return a batch as ids. Raises BaselineError where they are none."""
        ids = to_array(batch)
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise BaselineError(
                f"token ids have shape {ids.shape} and type {ids.dtype}; give whole numbers, (rows, length)"
            )
        return ids

    def featurizer_of(self, vocabulary: bytes) -> Featurizer:
        """Return the featurizer with this vocabulary."""
        return Tokens(padding=self.padding, vocabulary=vocabulary)


def row_width(value: Any) -> int:
    """Return the number of values a row, of a batch of two dimensions that has rows; else 0."""
    return len(value[0]) if dimensions(value) == 2 and len(value) else 0


def number_kind(value: Any) -> str:
    """Return the kind of number of a batch as NumPy's letter; NumPy does not know all types of tensors."""
    if isinstance(value, torch.Tensor):
        if value.dtype is torch.bool or value.is_complex():
            return "b" if value.dtype is torch.bool else "c"
        return "f" if value.is_floating_point() else "i"
    return np.asarray(value[:1]).dtype.kind
