"""Real parts, started once a test run: a trained model, its archive, and the stack that serves and watches it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from examples.flight_delay import train
from examples.flight_delay.data import CLASSES, COLUMNS, LABEL
from examples.flight_delay.model import FlightDelayNet
from examples.flight_delay.packaging import WINDOWS
from stack import Stack
from torchvitals import Baseline

ROOT = Path(__file__).parents[1]
BASELINE = "flight_delay-1.0.json"


@dataclass(frozen=True)
class Flights:
    """The example, trained: a folder with model.pt, the sets of flights as parquet files, and the baseline."""

    folder: Path

    @property
    def baseline(self) -> Path:
        return self.folder / BASELINE

    def frame(self, name: str) -> pd.DataFrame:
        """Return the ten input columns of one set of flights, in the order of time.

        name: train, heldout (both 1 January to 14 February), february (15 to 28), july.
        """
        return pd.read_parquet(self.folder / f"{name}.parquet")[list(COLUMNS)]

    def package(
        self,
        store: Path,
        name: str,
        monitoring: dict[str, Any],
        *,
        baseline: Path | None = None,
        handler: Path | None = None,
    ) -> str:
        """Write an archive with this monitoring section; return its file name."""
        config = store / f"{name}.yaml"
        settings = {"minWorkers": 1, "maxWorkers": 4, "batchSize": 1, "handler": {"monitoring": monitoring}}
        config.write_text(yaml.safe_dump(settings))
        example = ROOT / "examples" / "flight_delay"
        options = {
            "model-name": name,
            "version": "1.0",
            "handler": handler or example / "handler.py",
            "model-file": example / "model.py",
            "serialized-file": self.folder / "model.pt",
            "config-file": config,
            "extra-files": f"{ROOT / 'handlers'},{baseline or self.baseline}",
            "export-path": store,
        }
        words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
        archiver = Path(sys.executable).parent / "torch-model-archiver"
        subprocess.run([archiver, *words], check=True, capture_output=True)
        return f"{name}.mar"


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    """Train the example and build its baseline, as the demo does."""
    folder = tmp_path_factory.mktemp("flights")
    train.run(folder)
    model = FlightDelayNet()
    model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    model.eval()
    frame, heldout = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "heldout"))
    with torch.inference_mode():
        logits, others = (
            model(torch.tensor(rows[list(COLUMNS)].to_numpy(dtype="float32"))).numpy()
            for rows in (frame, heldout)
        )
    baseline = Baseline.fit(
        frame[list(COLUMNS)],
        outputs=logits,
        class_names=list(CLASSES),
        ordered=True,
        windows=WINDOWS,
        name="flight_delay",
    )
    baseline.with_accuracy(others, heldout[LABEL]).save(folder / BASELINE)
    return Flights(folder)


@pytest.fixture(scope="session")
def timed_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file into which the model `timed` writes the duration of each call."""
    return tmp_path_factory.mktemp("timed") / "seconds"


@pytest.fixture(scope="session")
def server(flights: Flights, timed_calls: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack with the example on two workers, flushing and scraping every second."""
    store = tmp_path_factory.mktemp("store")
    timed = store / "timed_handler.py"
    source = (Path(__file__).parent / "integration" / "timed_handler.py").read_text()
    timed.write_text(source.replace("DURATIONS", str(timed_calls)))
    archives = {
        "flight_delay": flights.package(store, "flight_delay", {"baseline": BASELINE, "flush_interval": 1}),
        "timed": flights.package(store, "timed", {"flush_interval": 1}, handler=timed),
    }
    with Stack(
        tmp_path_factory.mktemp("stack"),
        model_store=store,
        models=archives,
        workers=2,
        scrape_interval="1s",
    ) as stack:
        stack.wait_ready(120)
        yield stack
