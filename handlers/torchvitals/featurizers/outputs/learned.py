"""Outputs that are compared by what all training rows taught: embeddings, and generated token ids."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
import torch

from ...recording.parts import array_in
from ..columns import as_float32
from ..embeddings import Embeddings, EmbeddingsLearner
from ..featurizer import Learned, Learner
from ..tables import Columns
from ..tokens import TOKEN_FEATURES, Tokens, TokensLearner
from .options import OutputOptions
from .output import Outputs
from .reading import ragged_ids, scores_of

REPEATED = "repeated"


class EmbeddingOutputs(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="embeddings", tag_field="kind"
):
    """Embeddings, (n, d), by the input kind's features."""

    embeddings: Embeddings
    scores: str = "embeddings"
    classes: list[str] = []

    features: ClassVar[tuple[str, ...]] = (
        "norm", "centroid_distance", "projection0", "projection1", "projection2", "projection3",
    )  # fmt: skip
    learns: ClassVar[bool] = True
    always_reduces: ClassVar[bool] = True

    @classmethod
    def learner(cls, options: OutputOptions) -> Learner:
        """Return an empty learner."""
        return EmbeddingOutputsLearner()

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return f"embeddings of {len(self.embeddings.centre):,} numbers"

    @property
    def names(self) -> list[str]:
        """The names of all its features."""
        return self.embeddings.names

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch holds embeddings of this size."""
        return self.embeddings.accepts(batch)

    def prepare(self) -> None:
        """Make the tensors that are needed."""
        self.embeddings.prepare()

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return all features of embeddings on any device."""
        return self.embeddings.transform(batch)

    def validate(self) -> None:
        """Raise BaselineError where what was learned is damaged."""
        self.embeddings.validate()


class EmbeddingOutputsLearner(EmbeddingsLearner):
    """Learns embeddings that a model gives."""

    def empty(self) -> Learner:
        """Return a learner for embeddings."""
        return EmbeddingOutputsLearner()

    def finish(self) -> Learned:
        """Return the outputs' kind, and the features of the half that it was not learned from."""
        return _as_outputs(super().finish(), lambda featurizer: EmbeddingOutputs(embeddings=featurizer))


class TokenOutputs(
    Outputs, msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tokens", tag_field="kind"
):
    """Generated token ids: (n, length), or rows of different lengths in a list."""

    tokens: Tokens
    scores: str = "ids"
    classes: list[str] = []

    features: ClassVar[tuple[str, ...]] = (*TOKEN_FEATURES, REPEATED)
    learns: ClassVar[bool] = True
    always_reduces: ClassVar[bool] = True

    @classmethod
    def learner(cls, options: OutputOptions) -> Learner:
        """Return an empty learner."""
        return TokenOutputsLearner(options.padding)

    @classmethod
    def read(cls, value: Any) -> Any:
        """Return ids, (n, length), filled up with -1 where rows have different lengths."""
        return scores_of(cls.served(value))

    @classmethod
    def served(cls, value: Any) -> Any:
        """Return ids where they are; None where there are none."""
        return _ids_of(value)

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return "token ids"

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch holds token ids."""
        return self.tokens.accepts(batch)

    def prepare(self) -> None:
        """Unpack the vocabulary."""
        self.tokens.prepare()

    def transform(self, batch: torch.Tensor) -> torch.Tensor:
        """Return length, share out of the vocabulary and share repeated, of ids on any device."""
        ids = batch.long()
        # What fills rows of different lengths up is padding like any other.
        ids = ids.masked_fill(ids == FILLED, self.tokens.padding)
        described = self.tokens.transform(ids)
        return torch.cat([described, repeated_shares(ids, self.tokens.padding)[:, None]], dim=1)

    def validate(self) -> None:
        """Raise BaselineError where the vocabulary is damaged."""
        self.tokens.validate()


class TokenOutputsLearner(TokensLearner):
    """Learns from rows of token ids that a model gives."""

    def update(self, batch: Any) -> Columns:
        """Take in ids; return their lengths, and the share of each row that it held before."""
        ids = self.ids_of(batch)
        ids = np.where(ids == FILLED, self.padding, ids)
        repeated = repeated_shares(torch.from_numpy(np.asarray(ids, dtype=np.int64)), self.padding)
        return {**super().update(ids), REPEATED: as_float32(repeated.numpy())}

    def finish(self) -> Learned:
        """Return the outputs' kind, and the share of each sampled row that is new."""
        return _as_outputs(super().finish(), lambda featurizer: TokenOutputs(tokens=featurizer))


# Below any id of a vocabulary.
FILLED = -1


def repeated_shares(ids: torch.Tensor, padding: int) -> torch.Tensor:
    """Return the share of each row's ids that the row held before, (n,); 0 for a row without ids."""
    if not ids.shape[1]:
        return torch.zeros(len(ids), device=ids.device)
    ordered = ids.sort(dim=1).values
    again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != padding)
    length = (ids != padding).sum(1)
    return again.sum(1) / length.clamp(min=1)


def _ids_of(value: Any) -> Any:
    if isinstance(value, list) and value and all(type(number) is int for number in value):
        value = [value]  # one row
    found = value if isinstance(value, (list, tuple)) else array_in(value)
    rows = ragged_ids(found)
    if rows is None:
        return array_in(value)
    return torch.nn.utils.rnn.pad_sequence(
        [row.long() for row in rows], batch_first=True, padding_value=FILLED
    )


def _as_outputs(learned: Learned, outputs: Any) -> Learned:
    return msgspec.structs.replace(learned, featurizer=outputs(learned.featurizer))
