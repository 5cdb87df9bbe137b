"""A page of metrics for each of many servers, made from the page of one real worker."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import torch
from prometheus_client import CollectorRegistry

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
HOST = {"Level": "Host", "Hostname": "host"}
FRONT = {"model_name": MODEL, "model_version": "default", "hostname": "host"}
# What TorchServe writes itself for each server: name, labels, value, and whether it is a counter's.
OWN = (
    ("Requests2XX", HOST, 3000.0, True),
    ("Requests4XX", HOST, 30.0, True),
    ("Requests5XX", HOST, 0.0, True),
    ("ts_inference_requests_total", FRONT, 3000.0, True),
    ("ts_inference_latency_microseconds", FRONT, 3e7, True),
    ("ts_queue_latency_microseconds", FRONT, 3e5, True),
    ("CPUUtilization", HOST, 40.0, False),
    ("MemoryUtilization", HOST, 40.0, False),
    ("MemoryUsed", HOST, 4000.0, False),
    ("DiskUtilization", HOST, 40.0, False),
)


@dataclass
class Page:
    """The lines of one server's page: what stands before each value, the values, and how they move.

    growing: (n,) whether a value is a counter's. alive: (n,) whether it is the time of a flush. names: how many series
    each metric has.
    """

    names: Counter[str] = field(default_factory=Counter)
    heads: list[str] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    growing: list[bool] = field(default_factory=list)
    alive: list[bool] = field(default_factory=list)

    def add(self, name: str, labels: Mapping[str, str], value: float, *, growing: bool) -> None:
        said = ",".join(f'{label}="{text}"' for label, text in labels.items())
        self.names[name] += 1
        self.heads.append(f"{name}{{{said}}}")
        self.values.append(value)
        self.growing.append(growing)
        self.alive.append(name == m.WINDOW_EVALUATED.name)

    def at(self, seconds: float, now: float) -> bytes:
        """Return the page as it is so many seconds after its start."""
        factor = 1 + seconds / PAGE_SECONDS
        return "".join(
            f"{head} {now if alive else value * factor if grows else value!r}\n"
            for head, value, grows, alive in zip(self.heads, self.values, self.growing, self.alive)
        ).encode()


def page(features: int, workers: int, **options: int) -> Page:
    """Return the page of a server whose workers all serve one classifier of so many numbers.

    options: of its MonitoringConfig.
    """
    found = Page()
    names = [str(worker) for worker in range(9000, 9000 + workers)]
    for name, labels, value, growing in _of_one_worker(features, options):
        # TorchServe adds counters up; a gauge is one worker's, if it says whose.
        for worker in names if "worker" in labels else [""]:
            own = {**labels, **({"worker": worker} if worker else {}), "Hostname": "host"}
            found.add(name, own, value * (workers if growing else 1), growing=growing)
    for name, labels, value, growing in OWN:
        found.add(name, labels, value, growing=growing)
    for worker in names:
        labels = {"WorkerName": f"W-{worker}-{MODEL}_{VERSION}", **HOST}
        found.add("WorkerLoadTime", labels, 4100.0, growing=False)
    return found


def _of_one_worker(
    features: int, options: Mapping[str, int]
) -> Iterator[tuple[str, dict[str, str], float, bool]]:
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
    config = MonitoringConfig(warmup=0, overhead_budget=None, **options)  # type: ignore[arg-type]
    with MonitoredModel(model, baseline, config=config, publisher=publisher) as watched:
        for call in range(CALLS):
            batch = rng.normal(size=(BATCH, features)).astype(np.float32)
            batch[:, [place for place in MOVED if place < features]] += 2
            with torch.no_grad():
                watched.predict(torch.from_numpy(batch))
            # Drift is believed once it has lasted.
            if call % CALLS_A_FLUSH == CALLS_A_FLUSH - 1:
                watched.monitor.flush(0)
        for family in registry.collect():
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    yield sample.name, sample.labels, sample.value, family.type in {"counter", "histogram"}


@contextmanager
def serving(page: Page) -> Iterator[int]:
    """Serve the page on a free loopback port while inside; give the port.

    All servers of the fleet have it: Prometheus asks once for each and gives each a name of its own.
    """
    begun = time.time()

    @lru_cache(maxsize=4)
    def written(second: int) -> bytes:
        return page.at(second - begun, float(second))

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = written(int(time.time()))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing of each scrape."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
