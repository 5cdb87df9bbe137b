"""A small transformer on token ids, with random weights: ids as frequent as words are, rows of 8 to 64."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.models.served import Prepared, ServedModel
from torchvitals import Baseline, Features

from .model import PADDING, VOCABULARY, TransformerClassifier

FOLDER = Path(__file__).parent
TRAINING_ROWS = 2000
BODIES = 256
LENGTHS = (8, 64)
BATCH = 100


def texts(count: int, seed: int) -> list[NDArray[np.int64]]:
    """Return rows of token ids. The id of rank r is drawn with a chance of 1/r, as words are (Zipf, 1935)."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, VOCABULARY)
    lengths = rng.integers(*LENGTHS, size=count, endpoint=True)
    return [rng.choice(np.arange(1, VOCABULARY), size=n, p=chances / chances.sum()) for n in lengths]


def padded(rows: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return rows of different lengths as one array."""
    array = np.full((len(rows), max(map(len, rows))), PADDING, dtype=np.int64)
    for filled, row in zip(array, rows):
        filled[: len(row)] = row
    return array


def prepare(folder: Path) -> Prepared:
    """Write random weights, and the baseline of training rows and what the model says of them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = TransformerClassifier().eval()
    torch.save(model.state_dict(), folder / "model.pt")
    ids = padded(texts(TRAINING_ROWS, seed=1))
    with torch.inference_mode():
        logits = torch.cat([model(batch) for batch in torch.from_numpy(ids).split(BATCH)])
    baseline = folder / "transformer-1.0.json"
    features = Features(inputs="tokens", padding=PADDING)
    Baseline.fit(ids, outputs=logits.numpy(), features=features, name="transformer").save(baseline)
    bodies = tuple(json.dumps({"tokens": row.tolist()}).encode() for row in texts(BODIES, seed=2))
    return Prepared(folder / "model.pt", baseline, bodies)


TRANSFORMER = ServedModel(
    name="transformer",
    title="transformer encoder",
    folder=FOLDER,
    content_type="application/json",
    prepare=prepare,
)
