"""Classifiers of any number of classes, random but for a few that are frequent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.models.served import Prepared, ServedModel
from torchvitals import BaselineBuilder

from .model import COLUMNS, ManyClasses

FOLDER = Path(__file__).parent
TRAINING_ROWS = 4000
BODIES = 64
# Logits that are worked on at once while the baseline is built.
BLOCK_VALUES = 20_000_000


def classifier(classes: int) -> ManyClasses:
    """Return a model with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = ManyClasses(classes).eval()
        # Classes of larger weights are predicted more often, as some are in any real model.
        scale = (1 + 3 / torch.arange(1, classes + 1).sqrt())[:, None]
        with torch.no_grad():
            model.layer.weight.copy_(scale * torch.randn(classes, COLUMNS))
    return model


def rows_of(count: int, seed: int) -> torch.Tensor:
    """Return rows such as are served, (count, 16)."""
    return torch.randn(count, COLUMNS, generator=torch.Generator().manual_seed(seed)).round(decimals=3)


def batches(model: ManyClasses, rows: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield rows and their logits, in blocks that fit in memory."""
    classes = len(model.layer.bias)
    with torch.inference_mode():
        for block in rows.split(max(1, BLOCK_VALUES // classes)):
            yield block, model(block)


def many_classes(classes: int) -> ServedModel:
    """Return the model of so many classes."""

    def prepare(folder: Path) -> Prepared:
        """Write the weights, and the baseline of training rows and what the model says of them."""
        model = classifier(classes)
        weights, file = folder / f"classes-{classes}.pt", folder / f"classes_{classes}-1.0.json"
        torch.save(model.state_dict(), weights)
        names = [f"column{place}" for place in range(COLUMNS)]
        builder = BaselineBuilder(feature_names=names, name=f"classes_{classes}", version="1.0")
        for block, logits in batches(model, rows_of(TRAINING_ROWS, seed=2)):
            builder.update(block.numpy(), outputs=logits.numpy())
        builder.baseline().save(file)
        bodies = tuple(json.dumps(row).encode() for row in rows_of(BODIES, seed=3).tolist())
        return Prepared(weights, file, bodies)

    return ServedModel(
        name=f"classes_{classes}",
        title=f"{classes:,} classes",
        folder=FOLDER,
        content_type="application/json",
        prepare=prepare,
    )
