"""Calls that hang, under a real TorchServe: they are seen while they last, and nothing else suffers."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from stack import Stack
from stack.loopback import http
from stack.metrics_page import Series, scrape, settled, total
from stack.waiting import PATIENCE_SECONDS, eventually
from tests.conftest import BASELINE, Flights
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.runtime import LAST_WATCHED

pytestmark = pytest.mark.server

HANDLER = Path(__file__).with_name("stuck_handler.py")
FLUSHES = 5
HELD_SECONDS = 2
RESPONSE_TIMEOUT_SECONDS = 2


class Served:
    """One model on one worker of the server."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.name = name

    def post(self, **wish: Any) -> httpx.Response:
        """Send one request; what it wishes for is what stuck_handler.py does."""
        return http.post(
            f"{self.stack.inference_url}/predictions/{self.name}", json=wish, timeout=PATIENCE_SECONDS
        )

    def value(self, series: Series, metric: str, **labels: str) -> float:
        """Return one series of this model."""
        found = self.series(series, metric, **labels)
        assert len(found) == 1, found
        return next(iter(found.values()))

    def series(self, series: Series, metric: str, **labels: str) -> dict[str, float]:
        """Return all series of a metric of this model, by the worker."""
        wanted = {("model_name", self.name), *labels.items()}
        return {
            dict(own)["worker"]: value
            for (name, own), value in series.items()
            if name == metric and wanted <= own
        }

    def counted(self, series: Series, metric: str, **labels: str) -> float:
        """Return the sum of a counter of this model."""
        return total(series, metric, model_name=self.name, **labels)

    def spent(self, series: Series, stage: str) -> float:
        """Return the seconds that all calls spent in a stage."""
        return self.counted(series, m.STAGE_DURATION.sum.name, stage=stage, clock="host")

    def idle(self, *, since: Series | None = None, requests: int = 0) -> Series:
        """Return the page once none is in flight, and so many requests more than on the page `since` are counted."""
        stages = {"stage": "handle", "clock": "host"}

        def grown(series: Series, metric: str, **labels: str) -> float:
            return self.counted(series, metric, **labels) - self.counted(since or {}, metric, **labels)

        def done(series: Series) -> bool:
            if self.value(series, m.INFLIGHT.name) != 0:
                return False
            return since is None or (
                grown(series, m.REQUESTS.name) == requests
                and grown(series, m.STAGE_DURATION.count.name, **stages) == requests
            )

        series = settled(self.stack, done)
        assert done(series)
        assert self.counted(series, m.REQUESTS.name, outcome="error") == 0
        assert self.counted(series, m.MONITOR_ERRORS.name) == 0
        assert self.counted(series, m.MONITOR_DROPPED.name) == 0
        return series

    def worker(self) -> dict[str, Any]:
        """Return what TorchServe says of the worker."""
        described = http.get(f"{self.stack.management_url}/models/{self.name}").raise_for_status().json()
        (worker,) = described[0]["workers"]
        return dict(worker)


def configure(archive: Path, settings: dict[str, Any]) -> None:
    """Add TorchServe's own settings to an archive's model-config.yaml, which wins over those of a registration."""
    with zipfile.ZipFile(archive) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    config = json.loads(files["MAR-INF/MANIFEST.json"])["model"]["configFile"]
    files[config] = yaml.safe_dump(yaml.safe_load(files[config]) | settings).encode()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)


@contextmanager
def serving(stack: Stack, flights: Flights, name: str, **settings: Any) -> Iterator[Served]:
    """Serve stuck_handler.py for a while."""
    monitoring = {"baseline": BASELINE, "flush_interval": 1, "warmup": 0}
    archive = flights.package(stack.model_store, name, monitoring, handler=HANDLER)
    configure(stack.model_store / archive, settings)
    params = {"url": archive, "initial_workers": "1", "synchronous": "true"}
    http.post(f"{stack.management_url}/models", params=params, timeout=PATIENCE_SECONDS).raise_for_status()
    try:
        yield Served(stack, name)
    finally:
        http.delete(f"{stack.management_url}/models/{name}", timeout=PATIENCE_SECONDS).raise_for_status()


@pytest.fixture(scope="module")
def stuck(server: Stack, flights: Flights) -> Iterator[Served]:
    with serving(server, flights, "stuck") as served:
        yield served


def flushes(served: Served, count: int, *, since: Series) -> list[tuple[float, float]]:
    """Return the time of each of so many flushes after the page `since`, and what it said of the oldest call."""
    seen: list[tuple[float, float]] = []
    last = (served.value(since, m.WINDOW_EVALUATED.name), served.value(since, m.INFLIGHT.name))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(seen) < count and time.monotonic() < deadline:
        series = scrape(served.stack)
        flush = (served.value(series, m.WINDOW_EVALUATED.name), served.value(series, m.INFLIGHT.name))
        # A page can be read between the lines of a flush: it counts once both are new, and it has seen a call.
        if flush[1] > 0 and flush[0] > last[0] and flush[1] != last[1]:
            seen.append(flush)
            last = flush
        time.sleep(0.1)
    return seen


def test_a_call_that_does_not_end_is_seen_to_grow_older(stuck: Served, tmp_path: Path) -> None:
    before = stuck.idle()
    answers: list[httpx.Response] = []
    release = tmp_path / "release"
    sent = time.monotonic()
    caller = threading.Thread(target=lambda: answers.append(stuck.post(until=str(release))))
    caller.start()
    try:
        seen = flushes(stuck, FLUSHES, since=before)
        waited = time.monotonic() - sent
        during = scrape(stuck.stack)
    finally:
        release.touch()
        caller.join()
    assert len(seen) == FLUSHES
    ages = [age for _, age in seen]
    assert ages == sorted(set(ages))
    assert ages[-1] - ages[0] > FLUSHES - 2, "a flush a second, each of them later than the one before"
    assert ages[-1] < waited
    assert seen[0][0] > stuck.value(before, m.WINDOW_EVALUATED.name)
    earlier = stuck.counted(before, m.REQUESTS.name)
    assert stuck.counted(during, m.REQUESTS.name) == earlier, "what has not ended is not counted"
    assert [answer.status_code for answer in answers] == [200]
    after = stuck.idle(since=before, requests=1)
    assert stuck.spent(after, "inference") - stuck.spent(before, "inference") > ages[-1]


def test_a_call_that_keeps_the_interpreter_to_itself_breaks_nothing(stuck: Served) -> None:
    before = stuck.idle()
    assert stuck.post(hold=HELD_SECONDS).status_code == 200
    assert stuck.post().status_code == 200
    after = stuck.idle(since=before, requests=2)
    for stage in ("inference", "handle"):
        assert stuck.spent(after, stage) - stuck.spent(before, stage) >= HELD_SECONDS
    alive = stuck.value(after, m.WINDOW_EVALUATED.name)
    later = settled(stuck.stack, lambda series: stuck.value(series, m.WINDOW_EVALUATED.name) > alive)
    assert stuck.value(later, m.WINDOW_EVALUATED.name) > alive


def test_the_precision_of_the_calls_is_on_the_page(stuck: Served) -> None:
    """Its inference uses torch.autocast, which nobody could know when it was loaded."""
    before = stuck.idle()
    for _ in range(LAST_WATCHED):
        assert stuck.post().status_code == 200
    series = stuck.idle(since=before, requests=LAST_WATCHED)
    assert stuck.value(series, m.RUNTIME_INFO.name, precision="autocast_bfloat16") == 1
    assert stuck.value(series, m.RUNTIME_INFO.name, precision="float32") == 0


def test_after_a_worker_was_killed_for_a_call_the_next_one_reports(
    server: Stack, flights: Flights, tmp_path: Path
) -> None:
    """What the killed worker had not flushed is lost; the new one has its name, and its gauges begin anew."""
    with serving(server, flights, "killed", responseTimeout=RESPONSE_TIMEOUT_SECONDS) as killed:
        assert killed.post().status_code == 200
        before = killed.idle(since={}, requests=1)
        first = killed.worker()
        answer = killed.post(until=str(tmp_path / "never"))
        assert answer.status_code == 500

        def restarted() -> bool:
            now = killed.worker()
            return now["status"] == "READY" and now["pid"] != first["pid"]

        eventually(restarted, lambda: f"the worker to be ready again; {killed.worker()}")
        now = killed.worker()
        assert now["id"] == first["id"]
        assert killed.post().status_code == 200
        after = killed.idle(since=before, requests=1)
        workers = killed.series(before, m.WINDOW_EVALUATED.name).keys()
        assert killed.series(after, m.WINDOW_EVALUATED.name).keys() == workers
        alive, dead = (killed.value(page, m.WINDOW_EVALUATED.name) for page in (after, before))
        assert alive > dead + RESPONSE_TIMEOUT_SECONDS
        assert killed.series(after, m.INFLIGHT.name) == dict.fromkeys(workers, 0)
