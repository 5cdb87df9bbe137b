"""The flight delay model: ten columns known before departure, three classes of arrival.

This file goes into the model archive, so it keeps to Python 3.9 and defines exactly one class
(ts/torch_handler/base_handler.py, ``_load_pickled_model``, refuses more).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FlightDelayNet(nn.Module):
    """A 10→64→32→3 network that takes the raw columns and returns logits.

    Normalisation and the replacement of missing values are part of the network. What a client sends,
    what the network gets and what the monitor compares with the baseline are therefore the same numbers.

    Shapes: (n, 10) float32 in the order of ``COLUMNS``, NaN where a value is missing; (n, 3) logits in
    the order of ``CLASSES``.
    """

    COLUMNS = (
        "hour",  # scheduled departure, local time, 0 to 23
        "minute",  # scheduled departure, 0 to 59
        "distance",  # miles
        "temp",  # °F
        "dewp",  # °F
        "humid",  # relative humidity, %
        "wind_speed",  # mph
        "precip",  # inches in the hour
        "pressure",  # millibars at sea level
        "visib",  # miles, 10 at most
    )
    CLASSES = ("on_time", "late", "very_late")
    # Beyond this many standard deviations all values look alike to the network: an infinite value must
    # not turn the answer into NaN.
    CLIP_SIGMAS = 10.0

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        width = len(self.COLUMNS)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.layers = nn.Sequential(
            nn.Linear(width, 64),
            nn.ReLU(),
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, len(self.CLASSES)),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits (n, 3) of raw rows (n, 10)."""
        known = torch.where(torch.isnan(rows), self.mean, rows)
        normal = ((known - self.mean) / self.std).clamp(-self.CLIP_SIGMAS, self.CLIP_SIGMAS)
        logits: Tensor = self.layers(normal)
        return logits
