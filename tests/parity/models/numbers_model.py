"""Three scores of four numbers. Whole numbers in, whole numbers out: the same bits in a batch of any size."""

import torch


class Numbers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        weights = torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, -1.0], [2.0, 0.0, -1.0, 1.0]])
        self.scores = torch.nn.Linear(4, 3, bias=False)
        self.scores.weight = torch.nn.Parameter(weights)

    def forward(self, rows):
        return self.scores(rows)
