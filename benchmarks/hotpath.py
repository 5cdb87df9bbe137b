"""What the monitor adds to a request, and what its flush costs, without a server.

    make bench-hotpath      (python -m benchmarks.hotpath)

CPU time, one thread. What is added to a request is the difference between a monitored and a plain handler with the same
stages, which compute nothing: turns of both alternate, and the median of the differences counts. Peers are measured in
the same run, each in an environment of its own.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import typer
from rich.console import Console
from rich.table import Table
from ts.context import Context, RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.torch_handler.base_handler import BaseHandler

from benchmarks import curves
from benchmarks.drift.environments import SETTINGS, NotInstalledError, interpreter
from benchmarks.drift.peers import PEERS, Peer
from benchmarks.machine import RESULTS, ROOT, machine
from torchvitals import Baseline, Monitor, MonitoredHandler, MonitoringConfig
from torchvitals.instrument import instrument_stages
from torchvitals.publisher import Publisher
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.publishers.torchserve import TorchServePublisher

ENVIRONMENTS = ROOT / ".run" / "bench-drift"
FEATURES = (1, 3, 10, 30, 100, 300, 1000)
BATCHES = (1, 4, 16, 64, 256, 1024)
IMAGE_SIDES = (8, 32, 64, 128, 224, 512, 1024)
TURNS = 15
TURN_SECONDS = 0.02
SERVED_BATCH = 64
OPENTELEMETRY = Peer(
    key="opentelemetry",
    title="OpenTelemetry",
    package="opentelemetry-sdk",
    requirements=("opentelemetry-sdk==1.45.2",),
    decision="",
    meant_for="",
)
# What each peer does for one row or one observation, after `import time` and with `row` a dict of ten numbers.
PEER_CALLS = {
    "whylogs": "from whylogs.core import DatasetProfile\nprofile = DatasetProfile()\ncall = lambda: profile.track(row)",
    "opentelemetry": (
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "from opentelemetry.sdk.metrics.export import InMemoryMetricReader\n"
        "histogram = MeterProvider([InMemoryMetricReader()]).get_meter('bench').create_histogram('seconds')\n"
        "call = lambda: histogram.record(0.003, {'stage': 'handle'})"
    ),
    "prometheus_client": (
        "from prometheus_client import CollectorRegistry, Histogram\n"
        "histogram = Histogram('seconds', 'x', ['stage'], registry=CollectorRegistry()).labels('handle')\n"
        "call = lambda: histogram.observe(0.003)"
    ),
}
PEER_TITLES = {
    "whylogs": "whylogs, a row of 10 numbers",
    "opentelemetry": "OpenTelemetry, a histogram observation",
    "prometheus_client": "prometheus_client, a histogram observation",
}
PEER_LOOP = """
import statistics, time
row = {{f"f{{i}}": i + 0.5 for i in range(10)}}
{setup}
call()
costs = []
for _ in range(9):
    calls, began = 0, time.thread_time()
    while time.thread_time() - began < 0.05:
        for _ in range(10):
            call()
        calls += 10
    costs.append((time.thread_time() - began) / calls)
print(statistics.median(costs))
"""
# Nothing but what a worker imports, before and after; memory by the kernel's count, so that nothing is imported for it.
MEMORY = """
import sys
import numpy, scipy.stats, torch
from ts.torch_handler.base_handler import BaseHandler

def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

torch.set_num_threads(1)
row, answer = torch.randn(1, int(sys.argv[1])), torch.randn(1, 3)
row.numpy().mean(0), scipy.stats.norm.cdf(0.5)
before = rss()
from torchvitals import Baseline, Monitor, MonitoredHandler, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
baseline = Baseline.load(sys.argv[2])
monitor = Monitor(MonitoringConfig(warmup=0), MemoryPublisher(), baseline=baseline)
peak = rss()
for _ in range(4):
    for _ in range(5000):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, row)
        monitor.recorder.outputs(call, answer)
        monitor.recorder.finish(call, requests=1, failed=0)
    peak = max(peak, rss())
    monitor.flush()
    peak = max(peak, rss())
print(peak - before)
"""

Serve = Callable[[], Any]


class Stages:
    """Stages that compute nothing."""

    given: Any
    scores: Any

    def preprocess(self, data: Any) -> Any:
        """Return the prepared input."""
        return self.given

    def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the prepared scores."""
        return self.scores

    def postprocess(self, data: Any) -> Any:
        """Return as many answers as there are requests."""
        return self.answers

    def handle(self, data: Any, context: Any) -> Any:
        """Run the stages."""
        return self.postprocess(self.inference(self.preprocess(data)))


class Plain(Stages, BaseHandler):
    """Not monitored."""


class Monitored(Stages, MonitoredHandler):
    """Monitored."""


@dataclass
class Results:
    """Everything that was measured; seconds and bytes."""

    added: dict[str, dict[int, float]] = field(default_factory=dict)
    flush: dict[int, float] = field(default_factory=dict)
    evaluate: dict[int, float] = field(default_factory=dict)
    all_at_1000_a_second: float = 0.0
    memory: dict[int, int] = field(default_factory=dict)
    served: list[dict[str, float]] = field(default_factory=list)
    peers: dict[str, float | str] = field(default_factory=dict)


def tabular_baseline(features: int) -> Baseline:
    """Return a baseline of normal columns, with scores of three classes."""
    rng = np.random.default_rng(1)
    rows, scores = rng.normal(size=(3000, features)), rng.normal(size=(3000, 3))
    # With names they are columns; without, so many numbers a row would be taken for an embedding.
    names = [f"f{index}" for index in range(features)]
    return Baseline.fit(rows, feature_names=names, outputs=scores, name="bench")


def monitor_of(baseline: Baseline, publisher: Publisher | None = None) -> Monitor:
    """Return a monitor that flushes when it is told to, and takes every input whatever that costs."""
    config = MonitoringConfig(warmup=0, flush_interval=10, overhead_budget=None, max_features=1000)
    return Monitor(config, publisher or MemoryPublisher(), baseline=baseline)


def serving(monitor: Monitor | None, given: torch.Tensor) -> Serve:
    """Return what serves one call of a handler with this input; without a monitor, of the plain one."""
    handler = Plain() if monitor is None else Monitored()
    rows = len(given)
    handler.given, handler.scores, handler.answers = given, torch.randn(rows, 3), [0] * rows
    context = Context("bench", ".", {}, rows, None, "0.12")
    headers = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "body": {"content-type": "application/json"},
    }
    context.request_processor = [RequestProcessor(headers) for _ in range(rows)]
    data: list[dict[str, Any]] = [{} for _ in range(rows)]
    if monitor is not None:
        instrument_stages(handler, monitor.recorder, monitor.clock)
        handler.monitor = monitor
    handle = handler.handle
    return lambda: handle(data, context)


def seconds_a_call(serve: Serve, calls: int) -> float:
    """Return CPU seconds of this thread a call."""
    began = time.thread_time()
    for _ in range(calls):
        serve()
    return (time.thread_time() - began) / calls


def added_seconds(baseline: Baseline, given: torch.Tensor, turns: int = TURNS) -> float:
    """Return the CPU seconds that monitoring adds to a call, the flush left out."""
    monitor = monitor_of(baseline)
    monitored, plain = serving(monitor, given), serving(None, given)
    calls = max(2, min(5000, int(TURN_SECONDS / max(seconds_a_call(monitored, 5), 1e-7))))
    differences = []
    for _ in range(turns):
        differences.append(seconds_a_call(monitored, calls) - seconds_a_call(plain, calls))
        monitor.recorder.take()
    return statistics.median(differences)


def flush_seconds(features: int, calls: int = 1000) -> tuple[float, float]:
    """Return CPU seconds of a flush of that many calls, and of evaluating all statistics of a full window."""
    monitor = monitor_of(tabular_baseline(features))
    given = torch.randn(1, features)
    serve = serving(monitor, given)
    flushes, evaluations = [], []
    for _ in range(7):
        for _ in range(calls):
            serve()
        began = time.thread_time()
        monitor.flush()
        flushes.append(time.thread_time() - began)
        assert monitor.drift is not None
        monitor.drift.add_inputs(given.numpy())
        began = time.thread_time()
        monitor.drift.evaluate(lambda: None)
        evaluations.append(time.thread_time() - began)
    return statistics.median(flushes[1:]), statistics.median(evaluations[1:])


def all_seconds_a_request(features: int = 10, requests: int = 5000) -> float:
    """Return CPU seconds a request of all that the monitor does at 1,000 requests/s: a flush every 5,000 requests.

    The flush writes TorchServe's metric lines, to the null device.
    """
    metrics = MetricsCacheYamlImpl(str(ROOT / "metrics.yaml"))
    metrics.initialize_cache()
    publisher = TorchServePublisher(metrics, model_name="bench", model_version="1.0")
    monitor = monitor_of(tabular_baseline(features), publisher)
    given = torch.randn(1, features)
    monitored, plain = serving(monitor, given), serving(None, given)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    costs = []
    with open(os.devnull, "w") as null:
        root.handlers[:] = [logging.StreamHandler(null)]
        root.setLevel(logging.INFO)
        try:
            for _ in range(5):
                spent = seconds_a_call(monitored, requests) - seconds_a_call(plain, requests)
                began = time.thread_time()
                monitor.flush()
                costs.append(spent + (time.thread_time() - began) / requests)
        finally:
            root.setLevel(level)
            root.handlers[:] = handlers
    return statistics.median(costs[1:])


def served_over_time(millions: int, features: int = 10) -> list[dict[str, float]]:
    """Return, for each million of requests served in batches, CPU seconds a request with flushes, and memory."""
    monitor = monitor_of(tabular_baseline(features))
    serve = serving(monitor, torch.randn(SERVED_BATCH, features))
    process = psutil.Process()
    found = []
    for million in range(1, millions + 1):
        began = time.thread_time()
        for _ in range(20):
            for _ in range(50_000 // SERVED_BATCH):
                serve()
            monitor.flush()
        requests = 20 * (50_000 // SERVED_BATCH) * SERVED_BATCH
        cost = (time.thread_time() - began) / requests
        found.append({"millions": million, "seconds": cost, "rss_bytes": float(process.memory_info().rss)})
    return found


def run_python(python: str, code: str, *arguments: str) -> float:
    """Return the number that a program in another process prints."""
    environment = {**os.environ, **SETTINGS}
    words = [python, "-c", code, *arguments]
    output = subprocess.run(words, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
    return float(output.stdout.split()[-1])


def memory_of_a_worker(features: int) -> int:
    """Return bytes that a monitor takes beyond torch, numpy, scipy and TorchServe's handler, at its most.

    20,000 calls, flushed every 5,000, as at 1,000 requests/s.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.json"
        tabular_baseline(features).save(path)
        return int(run_python(sys.executable, MEMORY, str(features), str(path)))


def peer_seconds(key: str) -> float | str:
    """Return CPU seconds of one call of a peer, or why there is none."""
    peers = {peer.key: peer for peer in (*PEERS, OPENTELEMETRY)}
    try:
        python = str(interpreter(peers[key], ENVIRONMENTS)) if key in peers else sys.executable
    except NotInstalledError as error:
        return str(error)
    return run_python(python, PEER_LOOP.format(setup=PEER_CALLS[key]))


def measure(console: Console, millions: int) -> Results:
    """Measure everything."""
    results = Results()
    console.print("what is added to a request", highlight=False)
    results.added["features"] = {n: added_seconds(tabular_baseline(n), torch.randn(1, n)) for n in FEATURES}
    ten = tabular_baseline(10)
    results.added["batch"] = {n: added_seconds(ten, torch.randn(n, 10)) for n in BATCHES}
    images = Baseline.fit(np.random.default_rng(1).random((64, 3, 32, 32), dtype=np.float32), name="images")
    results.added["image side"] = {
        side: added_seconds(images, torch.rand(1, 3, side, side), turns=7) for side in IMAGE_SIDES
    }
    console.print("the flush", highlight=False)
    for features in FEATURES:
        results.flush[features], results.evaluate[features] = flush_seconds(features)
    results.all_at_1000_a_second = all_seconds_a_request()
    console.print("memory", highlight=False)
    results.memory = {features: memory_of_a_worker(features) for features in (10, 100)}
    console.print(f"{millions} million requests", highlight=False)
    results.served = served_over_time(millions)
    console.print("peers", highlight=False)
    results.peers = {key: peer_seconds(key) for key in PEER_CALLS}
    return results


def budget_table(results: Results) -> Table:
    """Return what monitoring may cost, what it does, and what peers take in the same run."""
    table = Table(title="Budgets of the monitor, without a server")
    for heading in ("what", "budget", "measured", ""):
        table.add_column(heading, justify="left" if heading in ("what", "") else "right")
    for title, limit, value, unit in (
        ("added to a request, batch 1, 10 features", 5.0, results.added["features"][10] * 1e6, "µs"),
        ("all of the monitor a request, 1,000 requests/s", 15.0, results.all_at_1000_a_second * 1e6, "µs"),
        ("evaluating all statistics, 100 features × 1,000 rows", 10.0, results.evaluate[100] * 1e3, "ms"),
        ("memory a worker, 100 features", 10.0, results.memory[100] / 1e6, "MB"),
    ):
        table.add_row(
            title, f"≤ {limit:g} {unit}", f"{value:.1f} {unit}", "holds" if value <= limit else "fails"
        )
    for key, seconds in results.peers.items():
        shown = f"{seconds * 1e6:.1f} µs" if isinstance(seconds, float) else seconds
        table.add_row(PEER_TITLES[key], "", shown, "")
    return table


def curve_table(title: str, unit: str, columns: Sequence[tuple[str, dict[int, float]]]) -> Table:
    """Return curves over the same numbers side by side, in microseconds."""
    table = Table(title=title)
    table.add_column(unit, justify="right")
    for heading, _ in columns:
        table.add_column(heading, justify="right")
    for number in columns[0][1]:
        table.add_row(str(number), *(f"{curve[number] * 1e6:.1f}" for _, curve in columns))
    return table


def main(
    millions: int = typer.Option(10, min=1, help="Millions of requests to serve, for the cost over time."),
) -> None:
    """Measure what the monitor costs without a server, against its budgets and peers."""
    console = Console(width=120)
    torch.set_num_threads(1)
    results = measure(console, millions)
    console.print(budget_table(results))
    by_features = [
        ("added to a request, µs", results.added["features"]),
        ("flush of 1,000 requests, µs", results.flush),
        ("of it evaluating, µs", results.evaluate),
    ]
    console.print(curve_table("Cost by features, batch 1", "features", by_features))
    console.print(
        curve_table("Cost by batch, 10 features", "batch", [("added to a call, µs", results.added["batch"])])
    )
    sides = [("added to a request, µs", results.added["image side"])]
    console.print(curve_table("Cost by image, 3 × side × side", "side", sides))
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {"turns": TURNS, "served_batch": SERVED_BATCH},
        "seconds_added": results.added,
        "flush_seconds": results.flush,
        "evaluate_seconds": results.evaluate,
        "all_seconds_a_request": results.all_at_1000_a_second,
        "memory_bytes": results.memory,
        "served": results.served,
        "peer_seconds": results.peers,
    }
    path = RESULTS / "hotpath.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    console.print(f"wrote {path.relative_to(ROOT)} and {curves.draw(content).relative_to(ROOT)}")


if __name__ == "__main__":
    typer.run(main)
