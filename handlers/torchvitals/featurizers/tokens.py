"""Token ids as two numbers a row: how long it is, and how much of it the training data never held."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

TOKEN_FEATURES = ["length", "out_of_vocabulary"]
MAX_VOCABULARY = 1_000_000


class Tokens(msgspec.Struct, frozen=True, tag="tokens", tag_field="kind"):
    """Inputs that are token ids, (n, length).

    padding: the id that fills a row up. vocabulary: which ids the training data held, a bit an id, compressed.
    """

    padding: int
    vocabulary: bytes

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return TOKEN_FEATURES

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a batch of token ids."""
        if getattr(value, "ndim", 0) != 2:
            return False
        if isinstance(value, torch.Tensor):
            return not (value.is_floating_point() or value.is_complex() or value.dtype is torch.bool)
        return value.dtype.kind in "iu"

    def problem(self) -> str:
        """Return what is wrong inside, or an empty text."""
        return vocabulary_problem(self.vocabulary)

    def describer(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what turns a batch into features."""
        return token_describer(self.vocabulary, self.padding)


def token_describer(vocabulary: bytes, padding: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function from ids, (n, length) on any device, to features, (n, 2) on that device.

    The features: tokens that are not padding, and the share of those that the vocabulary lacks; 0 for a row
    without tokens. Nothing waits for the device.
    """
    seen = torch.from_numpy(unpacked(vocabulary))
    by_device: dict[torch.device, torch.Tensor] = {}

    def describe(ids: torch.Tensor) -> torch.Tensor:
        known = by_device.get(ids.device)
        if known is None:
            known = by_device[ids.device] = seen.to(ids.device)
        ids = ids.long()
        real = ids != padding
        inside = (ids >= 0) & (ids < len(known))
        unknown = real & ~(inside & known[ids.clamp(0, len(known) - 1)])
        length = real.sum(1)
        return torch.stack([length.float(), unknown.sum(1) / length.clamp(min=1)], dim=1)

    return describe


def packed(seen: NDArray[np.bool_]) -> bytes:
    """Return a vocabulary, (ids,), as bits, compressed."""
    return zlib.compress(np.packbits(np.trim_zeros(seen, "b")).tobytes(), 9)


def unpacked(vocabulary: bytes) -> NDArray[np.bool_]:
    """Return what `packed` was given, with at least one id."""
    bits = np.unpackbits(np.frombuffer(zlib.decompress(vocabulary), dtype=np.uint8))
    return bits.astype(bool) if len(bits) else np.zeros(1, dtype=bool)


def vocabulary_problem(vocabulary: bytes) -> str:
    """Return what is wrong with a packed vocabulary, or an empty text."""
    try:
        unpacked(vocabulary)
    except zlib.error as error:
        return f"its vocabulary is damaged ({error})"
    return ""
