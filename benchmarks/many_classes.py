"""What classifiers of 1,000 to 100,000 classes cost: on a live server, a request and a verdict at a time.

    make bench-models       (python -m benchmarks.many_classes)

Each width is served plain and monitored by one TorchServe, a worker each, and gets the same requests in turns. Every
request must be counted, and every prediction; CPU and memory are those of the worker processes. What the request path
and a verdict take is measured in this process, with the same baselines.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import tracemalloc
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import budgets
from benchmarks.machine import RESULTS, ROOT, machine
from benchmarks.models import Prepared
from benchmarks.models.many_classes import classifier, many_classes, rows_of
from benchmarks.server import READY_SECONDS, cpu_seconds
from benchmarks.variants import IMPORT, PLAIN, Variant, package
from stack import Stack
from stack.metrics_page import settled, total
from torchvitals import Baseline, DriftDetector, Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m

RUN = ROOT / ".run" / "bench" / "many_classes"
FILE = RESULTS / "many-classes.json"
WIDTHS = (1000, 10_000, 100_000)
WAYS = ("plain", "monitored")
BATCH = 64
PATH_CALLS = 40
WINDOW = 1000


@dataclass(frozen=True)
class Width:
    """What was found at one number of classes; seconds of CPU and bytes.

    sent, counted, predictions: requests, and what the metrics page says of them. worker_*: a request of one row.
    path_seconds, take_in_seconds: a row of a batch of 64, on the request path and after it. verdict_*: the first one.
    """

    classes: int
    sent: int
    counted: int
    predictions: int
    series: int
    worker_seconds: float
    worker_plain_seconds: float
    worker_bytes: int
    worker_plain_bytes: int
    path_seconds: float
    take_in_seconds: float
    load_seconds: float
    verdict_seconds: float
    verdict_bytes: int

    @property
    def exact(self) -> bool:
        """Whether each request and each prediction was counted once."""
        return self.sent == self.counted == self.predictions


def variant(way: str, classes: int) -> Variant:
    """Return a way to watch the model of so many classes."""
    watched = way == "monitored"
    return Variant(
        f"{way}_{classes}",
        way,
        IMPORT if watched else PLAIN,
        {"monitoring": {"warmup": 0}} if watched else {},
    )


def worker_of(stack: Stack, name: str) -> psutil.Process:
    """Return the worker process of a model."""
    described = httpx.get(f"{stack.management_url}/models/{name}").raise_for_status().json()[0]
    return psutil.Process(described["workers"][0]["pid"])


def post(client: httpx.Client, stack: Stack, name: str, bodies: tuple[bytes, ...], times: int) -> None:
    """Send requests one after the other."""
    for number in range(times):
        client.post(
            f"{stack.inference_url}/predictions/{name}",
            content=bodies[number % len(bodies)],
            headers={"Content-Type": "application/json"},
        ).raise_for_status()


def served(
    prepared: dict[int, Prepared], store: Path, *, rounds: int, requests: int
) -> dict[int, dict[str, Any]]:
    """Serve all widths; return what the workers took, and what they counted."""
    archives = {
        f"{way}_{classes}": package(variant(way, classes), store, many_classes(classes), prepared[classes])
        for classes in prepared
        for way in WAYS
    }
    costs: dict[str, list[float]] = {name: [] for name in archives}
    stack = Stack(RUN / "stack", model_store=store, models=archives, workers=1, alone=True)
    with stack, httpx.Client(timeout=60) as client:
        stack.wait_ready(READY_SECONDS)
        for _ in range(rounds):
            for name in archives:
                bodies, worker = prepared[int(name.rpartition("_")[2])].bodies, worker_of(stack, name)
                before = cpu_seconds(worker)
                post(client, stack, name, bodies, requests)
                costs[name].append((cpu_seconds(worker) - before) / requests)
        sent = rounds * requests
        names = [f"monitored_{classes}" for classes in prepared]
        page = settled(
            stack,
            lambda series: all(total(series, m.REQUESTS.name, model_name=name) >= sent for name in names),
        )
        memory = {name: worker_of(stack, name).memory_info().rss for name in archives}
    return {
        classes: {
            "sent": sent,
            "counted": int(total(page, m.REQUESTS.name, model_name=f"monitored_{classes}", outcome="ok")),
            "predictions": int(total(page, m.PREDICTIONS.name, model_name=f"monitored_{classes}")),
            "series": sum(
                ("model_name", f"monitored_{classes}") in labels for name, labels in page if "model_" in name
            ),
            "worker_seconds": statistics.median(costs[f"monitored_{classes}"]),
            "worker_plain_seconds": statistics.median(costs[f"plain_{classes}"]),
            "worker_bytes": memory[f"monitored_{classes}"],
            "worker_plain_bytes": memory[f"plain_{classes}"],
        }
        for classes in prepared
    }


def alone(classes: int, baseline_file: Path) -> dict[str, Any]:
    """Return what loading, the request path and the first verdict take, without a server."""
    began = time.thread_time()
    baseline = Baseline.load(baseline_file)
    loaded = time.thread_time() - began
    with torch.inference_mode():
        rows = rows_of(BATCH, seed=4)
        logits = classifier(classes)(rows)
    monitor = Monitor(MonitoringConfig(warmup=0), MemoryPublisher(), baseline=baseline)
    recorder, path, taken = monitor.recorder, [], []
    for _ in range(PATH_CALLS):
        began = time.thread_time()
        call = recorder.begin()
        recorder.inputs(call, rows)
        recorder.outputs(call, logits)
        recorder.finish(call, requests=BATCH, failed=0)
        path.append((time.thread_time() - began) / BATCH)
        began = time.thread_time()
        monitor.take_in()
        taken.append((time.thread_time() - began) / BATCH)
    return {
        "load_seconds": loaded,
        "path_seconds": statistics.median(path),
        "take_in_seconds": statistics.median(taken),
        "verdict_seconds": _verdict(baseline, classes)[0],
        "verdict_bytes": _verdict(baseline, classes, trace=True)[1],
    }


def _verdict(baseline: Baseline, classes: int, *, trace: bool = False) -> tuple[float, int]:
    """Return CPU seconds and the peak memory of the first verdict on the predicted class."""
    others = [(f.source, f.name) for f in baseline.features if f.name != "predicted_class"]
    detector = DriftDetector(baseline, window=WINDOW, ignored=others)
    rng = np.random.default_rng(5)
    signals = {feature.name: rng.random(WINDOW) for feature in baseline.of_source("output")}
    signals["predicted_class"] = rng.integers(0, classes, WINDOW).astype(float)
    detector.update_outputs(signals)
    if trace:
        tracemalloc.start()
    began = time.thread_time()
    detector.report()
    spent = time.thread_time() - began
    most = 0
    if trace:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return spent, most


def table(widths: list[Width]) -> Table:
    """Return what was found, a row each width."""
    shown = Table(title="Classifiers of many classes", title_justify="left")
    for heading in (
        *(
            "classes",
            "requests",
            "counted",
            "predictions",
            "series",
            "worker CPU µs",
            "plain",
            "worker MB",
            "plain",
        ),
        *("path µs a row", "after it", "load ms", "verdict ms", "verdict MB"),
    ):
        shown.add_column(heading, justify="right")
    for one in widths:
        shown.add_row(
            *(f"{number:,}" for number in (one.classes, one.sent, one.counted, one.predictions, one.series)),
            *(f"{seconds * 1e6:.0f}" for seconds in (one.worker_seconds, one.worker_plain_seconds)),
            *(f"{size / 1e6:.0f}" for size in (one.worker_bytes, one.worker_plain_bytes)),
            *(f"{seconds * 1e6:.1f}" for seconds in (one.path_seconds, one.take_in_seconds)),
            *(f"{seconds * 1e3:.1f}" for seconds in (one.load_seconds, one.verdict_seconds)),
            f"{one.verdict_bytes / 1e6:.1f}",
        )
    return shown


def main(
    rounds: int = typer.Option(5, help="Turns of each model."),
    requests: int = typer.Option(300, help="Requests a turn."),
) -> None:
    """Serve classifiers of many classes, and judge what they cost."""
    console = Console(width=170)
    store = RUN / "store"
    store.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    prepared = {classes: many_classes(classes).prepare(store) for classes in WIDTHS}
    live = served(prepared, store, rounds=rounds, requests=requests)
    widths = [
        Width(classes=classes, **live[classes], **alone(classes, prepared[classes].baseline))
        for classes in WIDTHS
    ]
    console.print(table(widths))
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {"rounds": rounds, "requests": requests, "batch": 1, "workers": 1},
        "widths": {str(one.classes): asdict(one) for one in widths},
    }
    FILE.write_text(json.dumps(content, indent=1) + "\n")
    console.print(budgets.table({FILE.stem: content}))
    console.print(f"wrote {FILE.relative_to(ROOT)}")
    lost = [one for one in widths if not one.exact]
    for one in lost:
        console.print(f"FAILS  {one.classes:,} classes: not every request was counted once")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    typer.run(main)
