"""Classifies token ids: `{"tokens": [17, 4, ...]}` in, probabilities out."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from torchvitals import MonitoredHandler


class TokenHandler(MonitoredHandler):
    """Turns JSON into padded rows of ids, and logits into probabilities."""

    def initialize(self, context: Any) -> None:
        """Load the model as BaseHandler does, and compute in one thread."""
        super().initialize(context)
        # More threads wait for each other by spinning. Where the server and its clients need the cores too, that took
        # five times the CPU of the model itself.
        torch.set_num_threads(1)

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        """Return (n, longest) int64, filled up with 0."""
        rows = [torch.tensor(request["body"]["tokens"]) for request in data]
        return pad_sequence(rows, batch_first=True).to(self.device)

    def postprocess(self, logits: torch.Tensor) -> list[str]:
        """Return the probabilities of each row's classes, as JSON."""
        return [json.dumps({"probabilities": row}) for row in logits.softmax(dim=1).tolist()]
