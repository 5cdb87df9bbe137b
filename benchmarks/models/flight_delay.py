"""The demo's model, a 10→64→32→3 MLP: so fast that monitoring has nowhere to hide. Bodies are held-out flights."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks.machine import ROOT
from examples.flight_delay import train
from examples.flight_delay.data import COLUMNS

from .served import Prepared, ServedModel

BASELINE = ROOT / "baselines" / "flight_delay-1.0.json"
BODIES = 256


def prepare(folder: Path) -> Prepared:
    """Train the model; its baseline is the committed one."""
    train.run(folder, console=Console(quiet=True))
    flights = pd.read_parquet(folder / "heldout.parquet", columns=COLUMNS).sample(BODIES, random_state=1)
    bodies = tuple(
        json.dumps({column: None if pd.isna(value) else value for column, value in flight.items()}).encode()
        for flight in flights.to_dict("records")
    )
    return Prepared(folder / "model.pt", BASELINE, bodies)


FLIGHT_DELAY = ServedModel(
    name="flight_delay",
    title="flight delay MLP",
    folder=ROOT / "examples" / "flight_delay",
    content_type="application/json",
    prepare=prepare,
)
