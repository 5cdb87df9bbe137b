"""Serve the flight delay model with LitServe, and watch it: ``python -m examples.servers.litserve_server``.

It reads model.pt and flight_delay-1.0.json, which examples/flight_delay/README.md says how to make, serves predictions
under /predict, and shows the metrics of all workers under /metrics.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import litserve
import torch
from fastapi import HTTPException

from examples.flight_delay.model import FlightDelayNet
from torchvitals import Baseline, MonitoringConfig
from torchvitals.servers.litserve import MonitoringCallback

UNPROCESSABLE = 422


class FlightDelayAPI(litserve.LitAPI):
    """Answers a JSON object of the ten columns, null where a value is missing, with a class and all probabilities."""

    def __init__(self, weights: Path, **options: Any) -> None:
        super().__init__(**options)
        self.weights = weights

    def setup(self, device: str) -> None:
        """Load the model."""
        self.model = FlightDelayNet().to(device)
        self.model.load_state_dict(torch.load(self.weights, weights_only=True, map_location=device))
        self.model.eval()

    def decode_request(self, request: dict[str, float | None]) -> torch.Tensor:
        """Return one row, (10,)."""
        try:
            values = [request[column] for column in FlightDelayNet.COLUMNS]
        except KeyError as error:
            raise HTTPException(UNPROCESSABLE, f"missing column {error}") from error
        return torch.tensor([torch.nan if value is None else value for value in values])

    def predict(self, rows: torch.Tensor) -> torch.Tensor:
        """Return logits, (n, 3), of the rows of a batch, (n, 10)."""
        with torch.inference_mode():
            return self.model(rows.to(self.device))

    def encode_response(self, logits: torch.Tensor) -> dict[str, Any]:
        """Return the likeliest class and the probability of each."""
        scores = dict(zip(FlightDelayNet.CLASSES, logits.softmax(0).tolist()))
        return {"class": max(scores, key=scores.__getitem__), "probabilities": scores}


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m examples.servers.litserve_server")
    parser.add_argument(
        "--folder", type=Path, default=Path(".run/flight_delay"), help="(default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8000, help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--flush-interval", type=float, default=5.0, help="seconds (default: %(default)s)")
    options = parser.parse_args()
    callback = MonitoringCallback(
        Baseline.load(options.folder / "flight_delay-1.0.json"),
        model_name="flight_delay",
        model_version="1.0",
        config=MonitoringConfig(window=[500, 1000], flush_interval=options.flush_interval),
    )
    api = FlightDelayAPI(options.folder / "model.pt", max_batch_size=8, batch_timeout=0.005)
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=options.workers, callbacks=[callback]
    )
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False)


if __name__ == "__main__":
    main()
