"""A 100→64→32→3 MLP, in one class (ts/torch_handler/base_handler.py, `_load_pickled_model`, refuses more)."""

from __future__ import annotations

from torch import Tensor, nn

COLUMNS = 100
CLASSES = 3


class WideNet(nn.Module):
    """(n, 100) float32 to (n, 3) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(COLUMNS, 64),
            nn.ReLU(),
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, CLASSES),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.layers(rows)
        return logits
