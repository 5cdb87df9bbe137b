"""A model of 100 columns, for what a flush costs the requests meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from benchmarks.models.served import Prepared, ServedModel
from torchvitals import Baseline

from .model import COLUMNS, WideNet

FOLDER = Path(__file__).parent
TRAINING_ROWS = 5000


def prepare(folder: Path) -> Prepared:
    """Write random weights, and the baseline of rows such as the handler makes of the body."""
    rng = np.random.default_rng(2)
    sent = rng.normal(scale=10, size=COLUMNS).round(2)
    rows = (sent + rng.normal(size=(TRAINING_ROWS, COLUMNS))).astype(np.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = WideNet().eval()
    torch.save(model.state_dict(), folder / "model.pt")
    with torch.inference_mode():
        logits = model(torch.from_numpy(rows)).numpy()
    names = [f"column{index}" for index in range(COLUMNS)]
    baseline = folder / "wide-1.0.json"
    Baseline.fit(rows, feature_names=names, outputs=logits, name="wide").save(baseline)
    return Prepared(folder / "model.pt", baseline, (json.dumps(sent.tolist()).encode(),))


WIDE = ServedModel(
    name="wide",
    title="MLP of 100 columns",
    folder=FOLDER,
    content_type="application/json",
    prepare=prepare,
    extra_files=(FOLDER / "flush_spans.py",),
)
