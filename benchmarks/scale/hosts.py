"""A page of metrics for each of many servers, made from the page of one real worker."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from torchvitals import Baseline, MonitoredModel, MonitoringConfig
from torchvitals.publishers.prometheus import PrometheusPublisher
from torchvitals.telemetry import catalogue as m

MODEL, VERSION = "fraud", "1.0"
CLASSES = 3
TRAINING_ROWS = 20_000
BATCH = 100
CALLS, CALLS_A_FLUSH = 60, 5
# Of a hundred columns three move, as in an incident that somebody looks at.
MOVED = (0, 1, 2)
# The counters of the page are those of so many seconds, and grow on at that rate.
PAGE_SECONDS = 300.0
# What TorchServe writes itself, for each server and for each worker.
OWN = (
    ("Requests2XX", 'Level="Host",Hostname="host"', True),
    ("Requests4XX", 'Level="Host",Hostname="host"', True),
    ("Requests5XX", 'Level="Host",Hostname="host"', True),
    *(
        (name, f'model_name="{MODEL}",model_version="default",hostname="host"', True)
        for name in (
            "ts_inference_requests_total",
            "ts_inference_latency_microseconds",
            "ts_queue_latency_microseconds",
        )
    ),
    *(
        (name, 'Level="Host",Hostname="host"', False)
        for name in ("CPUUtilization", "MemoryUtilization", "MemoryUsed", "DiskUtilization")
    ),
)
SAMPLE = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$")


@dataclass
class Page:
    """The lines of one server's page: what stands before each value, the values, and how they move.

    growing: (n,) whether a value is a counter's. alive: (n,) whether it is the time of a flush.
    """

    heads: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    growing: list[bool] = field(default_factory=list)
    alive: list[bool] = field(default_factory=list)

    def add(self, name: str, labels: str, value: float, *, growing: bool) -> None:
        self.heads.append(f"{name}{{{labels}}}")
        self.values.append(value)
        self.growing.append(growing)
        self.alive.append(name == m.WINDOW_EVALUATED.name)

    def at(self, seconds: float, now: float) -> bytes:
        """Return the page as it is so many seconds after its start."""
        factor = 1 + seconds / PAGE_SECONDS
        return "".join(
            f"{head} {now if alive else round(value * factor) if grows else value!r}\n"
            for head, value, grows, alive in zip(self.heads, self.values, self.growing, self.alive)
        ).encode()


def page(features: int, workers: int) -> Page:
    """Return the page of a server whose workers all serve one classifier of so many numbers."""
    found = Page()
    for head, labels, value, growing in _of_one_worker(features):
        # TorchServe adds counters up; a gauge is one worker's, if it says whose.
        if 'worker="' in labels:
            for worker in range(9000, 9000 + workers):
                own = re.sub(r'worker="[^"]*"', f'worker="{worker}"', labels)
                found.add(head, f'{own},Hostname="host"', value, growing=False)
        else:
            found.add(head, f'{labels},Hostname="host"', value * (workers if growing else 1), growing=growing)
    for name, labels, growing in OWN:
        found.add(name, labels, 0.0 if name == "Requests5XX" else 3000.0, growing=growing)
    for worker in range(workers):
        labels = f'WorkerName="W-{9000 + worker}-{MODEL}_{VERSION}",Level="Host",Hostname="host"'
        found.add("WorkerLoadTime", labels, 4100.0, growing=False)
    return found


def _of_one_worker(features: int) -> Iterator[tuple[str, str, float, bool]]:
    """Give name, labels and value of each series of a real worker, and whether it is a counter."""
    rng = np.random.default_rng(7)
    names = [f"feature_{index:03}" for index in range(features)]
    registry = CollectorRegistry()
    # Probabilities of three classes, as a softmax gives them.
    model = torch.nn.Sequential(torch.nn.Linear(features, CLASSES), torch.nn.Softmax(dim=1))
    rows = rng.normal(size=(TRAINING_ROWS, features)).astype(np.float32)
    with torch.no_grad():
        outputs = model(torch.from_numpy(rows)).numpy()
    baseline = Baseline.fit(rows, outputs=outputs, feature_names=names)
    publisher = PrometheusPublisher(model_name=MODEL, model_version=VERSION, registry=registry)
    with MonitoredModel(
        model, baseline, config=MonitoringConfig(warmup=0, overhead_budget=None), publisher=publisher
    ) as watched:
        for call in range(CALLS):
            batch = rng.normal(size=(BATCH, features)).astype(np.float32)
            batch[:, [place for place in MOVED if place < features]] += 2
            with torch.no_grad():
                watched.predict(torch.from_numpy(batch))
            # Drift is believed once it has lasted.
            if call % CALLS_A_FLUSH == CALLS_A_FLUSH - 1:
                watched.monitor.flush(0)
        text = generate_latest(registry).decode()
    counters: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            if kind in {"counter", "histogram"}:
                counters.add(name)
        elif found := SAMPLE.match(line):
            name = found["name"]
            if not name.endswith("_created"):
                base = re.sub(r"_(bucket|sum|count)$", "", name)
                yield name, found["labels"], float(found["value"]), bool(counters & {name, base})


@contextmanager
def serving(pages: Page) -> Iterator[int]:
    """Serve the page on a free loopback port while inside; give the port.

    All servers of the fleet have it: Prometheus asks once for each and gives each a name of its own.
    """
    begun = time.time()

    @lru_cache(maxsize=4)
    def written(second: int) -> bytes:
        return pages.at(second - begun, float(second))

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=written(int(time.time())), content_type="text/plain")

    loop = asyncio.new_event_loop()
    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(runner.cleanup())
        loop.close()
