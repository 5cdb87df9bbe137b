"""Classifies rows of 100 numbers: a JSON array in, probabilities out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from torchvitals import MonitoredHandler


class WideHandler(MonitoredHandler):
    """Turns JSON arrays into rows, and logits into probabilities."""

    def initialize(self, context: Any) -> None:
        """Load the model as BaseHandler does."""
        super().initialize(context)
        self.noise = np.random.default_rng(1)

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        """Return (n, 100) float32: what was sent, and noise.

        h2load sends one body for ever. Rows that never differ would leave nothing to publish, and a flush would look
        shorter than it is.
        """
        rows = np.array([request["body"] for request in data], dtype=np.float32)
        rows += self.noise.standard_normal(rows.shape, dtype=np.float32)
        return torch.from_numpy(rows).to(self.device)

    def postprocess(self, logits: torch.Tensor) -> list[str]:
        """Return the probabilities of each row's classes, as JSON."""
        return [json.dumps({"probabilities": row}) for row in logits.softmax(dim=1).tolist()]
