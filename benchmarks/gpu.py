"""What timing costs on a GPU: events against a synchronisation at each stage, and against nothing.

    make bench-gpu      (python -m benchmarks.gpu --rounds 20 --requests 500)

Needs a CUDA device. Each way of timing serves the same model in turns, in another order each round; the ratio to
`off`, round by round, is the result.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import RESULTS, machine
from torchvitals import Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.recording.stages import instrument_stages

WAYS = ("unmonitored", "off", "events", "sync")


def models() -> dict[str, tuple[torch.nn.Module, torch.Tensor]]:
    """Return models with a batch for each: the smallest worth serving, and one that keeps a device busy."""
    small = torch.nn.Sequential(
        torch.nn.Linear(10, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 3),
    )
    convolutions = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 7, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(64, 128, 3, stride=2), torch.nn.ReLU(),
        torch.nn.Conv2d(128, 256, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(256, 1000),
    )  # fmt: skip
    return {
        "MLP 10→64→32→3, batch 1": (small, torch.randn(1, 10)),
        "4 convolution layers, 8 × 3 × 224 × 224": (convolutions, torch.randn(8, 3, 224, 224)),
    }


class Handler:
    """Shaped like BaseHandler: copies to the device, runs, copies back."""

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        self.model = model.to(device).eval()
        self.device = device

    def preprocess(self, data: torch.Tensor) -> torch.Tensor:
        """Copy to the device."""
        return data.to(self.device, non_blocking=True)

    def inference(self, data: torch.Tensor) -> torch.Tensor:
        """Run the model."""
        with torch.inference_mode():
            return torch.as_tensor(self.model(data))

    def postprocess(self, data: torch.Tensor) -> list[float]:
        """Copy back."""
        return list(data.tolist())

    def handle(self, data: torch.Tensor) -> list[float]:
        """Serve one request."""
        return self.postprocess(self.inference(self.preprocess(data)))


def served(model: torch.nn.Module, device: torch.device, way: str) -> Callable[[torch.Tensor], object]:
    """Return what serves one request with one way of timing."""
    handler = Handler(model, device)
    if way == "unmonitored":
        return handler.handle
    config = MonitoringConfig(timing=way, flush_interval=1.0, warmup=0)  # type: ignore[arg-type]
    monitor = Monitor(config, MemoryPublisher(), device=device)
    instrument_stages(handler, monitor.recorder, monitor.clock)
    monitor.start()

    def serve(data: torch.Tensor) -> object:
        call = monitor.recorder.begin()
        result = handler.handle(data)
        monitor.recorder.finish(call, requests=len(data), failed=0)
        return result

    return serve


def seconds_a_request(serve: Callable[[torch.Tensor], object], data: torch.Tensor, requests: int) -> float:
    """Return wall seconds a request, one after the other."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(requests):
        serve(data)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / requests


def compare(
    model: torch.nn.Module, data: torch.Tensor, device: torch.device, *, rounds: int, requests: int
) -> dict[str, list[float]]:
    """Return seconds a request of each way of timing, round by round."""
    serving = {way: served(model, device, way) for way in WAYS}
    for serve in serving.values():
        seconds_a_request(serve, data, requests)
    measured: dict[str, list[float]] = {way: [] for way in WAYS}
    order = random.Random(1)
    for _ in range(rounds):
        for way in order.sample(WAYS, len(WAYS)):
            measured[way].append(seconds_a_request(serving[way], data, requests))
    return measured


def main(
    rounds: int = typer.Option(20, help="Turns of each way of timing."),
    requests: int = typer.Option(500, help="Requests a turn."),
) -> None:
    """Compare ways of timing a model on a GPU."""
    console = Console(width=120)
    if not torch.cuda.is_available():
        console.print("There is no CUDA device here, or PyTorch cannot use it: nothing was measured.")
        return
    device = torch.device("cuda", torch.cuda.current_device())
    name = torch.cuda.get_device_name(device)
    results = {}
    for title, (model, data) in models().items():
        measured = results[title] = compare(model, data, device, rounds=rounds, requests=requests)
        table = Table(title=f"{title} on {name}: median of {rounds} interleaved rounds")
        for heading in ("timing", "µs a request", "more than off, µs", "× off"):
            table.add_column(heading, justify="left" if heading == "timing" else "right")
        for way in WAYS:
            differences = [a - b for a, b in zip(measured[way], measured["off"], strict=True)]
            shares = [a / b for a, b in zip(measured[way], measured["off"], strict=True)]
            table.add_row(
                way,
                f"{statistics.median(measured[way]) * 1e6:.1f}",
                f"{statistics.median(differences) * 1e6:.1f}",
                f"{statistics.median(shares):.3f}",
            )
        console.print(table)
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {**machine(), "device": name, "cuda": str(torch.version.cuda)},
        "settings": {"rounds": rounds, "requests": requests},
        "seconds_a_request": results,
    }
    path = RESULTS / "gpu.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(f"wrote {path}")


if __name__ == "__main__":
    typer.run(main)
