"""A linear classifier of as many classes as its weights have."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

COLUMNS = 16


class ManyClasses(nn.Module):
    """(n, 16) float32 to (n, classes) logits."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(COLUMNS, classes)

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        """Take the number of classes from the weights: TorchServe makes the model without arguments."""
        self.layer = nn.Linear(COLUMNS, len(state_dict["layer.weight"]))
        return super().load_state_dict(state_dict, *args, **kwargs)

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.layer(rows)
        return logits
