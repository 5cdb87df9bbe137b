"""Embeddings as a few numbers each: length, distance from the middle, and the first principal directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

PROJECTIONS = 4


class Embeddings(msgspec.Struct, frozen=True, tag="embeddings", tag_field="kind"):
    """Inputs that are embeddings, (n, d): the training rows' middle, (d,), and first principal directions, (k, d)."""

    centre: list[float]
    directions: list[list[float]]

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return ["norm", "centroid_distance", *(f"projection{index}" for index in range(len(self.directions)))]

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a batch of embeddings of this size."""
        return getattr(value, "ndim", 0) == 2 and value.shape[1] == len(self.centre)

    def problem(self) -> str:
        """Return what is wrong inside, or an empty text."""
        sizes = {len(self.centre), *map(len, self.directions)}
        return "" if len(sizes) == 1 else f"embeddings: the directions' sizes are {sorted(sizes)}"

    def describer(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what turns a batch, (n, d), into features, (n, 2 + k) on its device; NaN where a row has one.

        Nothing waits for the device.
        """
        learned = torch.tensor(self.centre), torch.tensor(self.directions).reshape(-1, len(self.centre))
        by_device: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}

        def describe(rows: torch.Tensor) -> torch.Tensor:
            known = by_device.get(rows.device)
            if known is None:
                known = by_device[rows.device] = (learned[0].to(rows.device), learned[1].to(rows.device))
            rows = rows.float()
            centred = rows - known[0]
            lengths = torch.stack([rows.norm(dim=1), centred.norm(dim=1)], dim=1)
            return torch.cat([lengths, centred @ known[1].T], dim=1)

        return describe


def learn_embeddings(rows: NDArray[np.float64]) -> Embeddings:
    """Learn from (n, d) embeddings; rows that are not finite are left out, and one at least must remain."""
    finite = rows[np.isfinite(rows).all(axis=1)]
    centre = finite.mean(axis=0)
    # The right singular vectors of the centred rows are the principal directions; no (d, d) matrix is needed.
    directions = np.linalg.svd(finite - centre, full_matrices=False)[2][:PROJECTIONS]
    # A direction's sign is arbitrary; its largest part is made positive, so that two runs agree.
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)]
    directions = directions * np.where(largest < 0, -1.0, 1.0)[:, None]
    # The model's own precision; more digits would only lengthen the file.
    return Embeddings(
        centre=[float(f"{value:.7g}") for value in centre],
        directions=[[float(f"{value:.7g}") for value in row] for row in directions],
    )
