"""A small transformer encoder that classifies token ids.

This file goes into a model archive, so it defines exactly one class (ts/torch_handler/base_handler.py,
`_load_pickled_model`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

VOCABULARY = 10_000
LONGEST = 128
PADDING = 0


class TransformerClassifier(nn.Module):
    """(n, length) token ids, filled up with 0, to (n, classes) logits: 4 layers, 4 heads, 128 wide."""

    def __init__(self, classes: int = 4, width: int = 128, layers: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, width, padding_idx=PADDING)
        self.places = nn.Embedding(LONGEST, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits, of the mean over the tokens that are no padding."""
        empty = ids == PADDING
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        x = self.encoder(x, src_key_padding_mask=empty).masked_fill(empty.unsqueeze(2), 0)
        logits: Tensor = self.head(x.sum(1) / (~empty).sum(1, keepdim=True))
        return logits
