"""The flight delay example: an estimate that holds in late February, and none in July."""

import numpy as np
import pandas as pd
import pytest
import torch

from examples.flight_delay.data import COLUMNS, LABEL
from examples.flight_delay.model import FlightDelayNet
from torchvitals import Baseline

WINDOW = 1000


@pytest.fixture(scope="module")
def served(flights):
    model = FlightDelayNet()
    model.load_state_dict(torch.load(flights.folder / "model.pt", weights_only=True))
    model.eval()
    baseline = Baseline.load(flights.baseline)

    def windows(month):
        frame = pd.read_parquet(flights.folder / f"{month}.parquet")
        rows = frame[list(COLUMNS)].to_numpy(dtype="float32", copy=True)
        with torch.inference_mode():
            logits = model(torch.from_numpy(rows)).numpy()
        right = logits.argmax(axis=1) == frame[LABEL].to_numpy()
        whole = baseline.compare(rows, outputs=logits).accuracy_estimate
        parts = [
            (
                baseline.compare(rows[part], outputs=logits[part]).accuracy_estimate,
                right[part].mean(),
            )
            for part in (slice(start, start + WINDOW) for start in range(0, len(rows) - WINDOW + 1, WINDOW))
        ]
        return whole, right.mean(), parts

    return windows


def test_late_february_is_estimated_within_five_points(served):
    whole, true, parts = served("february")
    assert whole.value == pytest.approx(true, abs=0.05)
    stated = [(found.value, truth) for found, truth in parts if found.value is not None]
    assert len(stated) >= 0.8 * len(parts)
    estimated, truths = np.mean(stated, axis=0)
    print(
        f"late February: {estimated:.3f} estimated, {truths:.3f} true, {len(stated)} of {len(parts)} stated"
    )
    assert estimated == pytest.approx(truths, abs=0.05)


def test_july_is_withheld(served):
    whole, _, parts = served("july")
    assert whole.withheld == "outside_range"
    assert [found.withheld for found, _ in parts] == ["outside_range"] * len(parts)
