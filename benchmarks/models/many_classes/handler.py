"""Classifies rows of 16 numbers: a JSON array in, the place of the class out."""

from __future__ import annotations

from typing import Any

import torch

from torchvitals import MonitoredHandler


class ManyClassesHandler(MonitoredHandler):
    """Turns JSON arrays into rows, and logits into the place of the largest."""

    def initialize(self, context: Any) -> None:
        """Load the model as BaseHandler does, and compute in one thread."""
        super().initialize(context)
        # More threads wait for each other by spinning, which is no cost of the model's.
        torch.set_num_threads(1)

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        """Return (n, 16) float32."""
        rows = [request["body"] for request in data]
        return torch.tensor(rows, dtype=torch.float32, device=self.device)

    def postprocess(self, logits: torch.Tensor) -> list[int]:
        """Return the predicted class of each row."""
        places: list[int] = logits.argmax(dim=1).tolist()
        return places
