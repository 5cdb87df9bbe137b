"""Serves the flight delay model's classes, and says the ids of predictions where a request asks for it."""

from __future__ import annotations

from typing import Any

import torch

from torchvitals import MonitoredHandler


class IdsHandler(MonitoredHandler):
    """Takes `{"row": [...]}`, or `{"instances": [...]}` of such; `say` is the id that the handler is to give it."""

    def preprocess(self, data: list[dict[str, Any]]) -> torch.Tensor:
        rows = []
        for request in data:
            body = request["body"]
            for one in body.get("instances", [body]):
                if "say" in one:
                    self.predictions.id(one["say"])
                rows.append(one["row"])
        return torch.tensor(rows, dtype=torch.float32, device=self.device)

    def postprocess(self, logits: torch.Tensor) -> list[Any]:
        return [logits.argmax(dim=1).tolist()]
