"""Outages in which no handler is there to tell, and a queue: a real TorchServe, a real Prometheus and our rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from stack import Stack
from stack.loopback import http
from stack.waiting import eventually
from tests.conftest import BASELINE, READY_SECONDS, Flights
from tests.servers.live import rules

pytestmark = pytest.mark.server

HANDLER = Path(__file__).with_name("dying_handler.py")
MODEL = "fraud"
CLIENTS = 12
ERRORS = {
    httpx.codes.SERVICE_UNAVAILABLE,
    httpx.codes.INTERNAL_SERVER_ERROR,
    httpx.codes.INSUFFICIENT_STORAGE,
}


class Outages:
    """A model on one worker, what happens to it, and what Prometheus makes of that."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder

    def ask(self) -> int:
        """Send one request; return the status, or 0 where no answer comes."""
        try:
            answer = http.post(f"{self.stack.inference_url}/predictions/{MODEL}", json={}, timeout=20)
        except httpx.TransportError:
            return 0
        return answer.status_code

    def answers(self) -> bool:
        """Tell whether the model answers."""
        return self.ask() == httpx.codes.OK

    def scale(self, workers: int) -> None:
        """Let so many workers serve the model."""
        address = f"{self.stack.management_url}/models/{MODEL}"
        settings = {"min_worker": workers, "max_worker": workers, "synchronous": "true"}
        http.put(address, params=settings, timeout=60)

    @contextmanager
    def asked(self, clients: int = 1) -> Iterator[list[int]]:
        """Ask again and again, and give the statuses so far."""
        statuses: list[int] = []
        ended = threading.Event()

        def ask() -> None:
            while not ended.wait(0.1):
                statuses.append(self.ask())

        threads = [threading.Thread(target=ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield statuses
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def firing(self) -> dict[str, str]:
        """Return the descriptions of the alerts that fire about the model or its workers, by name."""
        found = (
            http.get(f"{self.stack.prometheus_url}/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
        )
        return {
            one["labels"]["alertname"]: " ".join(one["annotations"]["description"].split())
            for one in found
            if one["state"] == "firing"
        }

    def told(self, alert: str, words: str) -> str:
        """Wait for an alert that says something; return its description."""
        return eventually(
            lambda: next(
                (text for name, text in self.firing().items() if name == alert and words in text), ""
            ),
            lambda: f"{alert} that says {words!r}; there is {self.firing()}",
        )


@pytest.fixture(scope="module")
def outages(flights: Flights, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outages]:
    folder = tmp_path_factory.mktemp("outages")
    store = tmp_path_factory.mktemp("store")
    archive = flights.package(store, MODEL, {"baseline": BASELINE, "flush_interval": 0.5}, handler=HANDLER)
    # What waits is tested by promtool; that the real series raise the alerts is tested here.
    alerts = folder / "alerts.yml"
    alerts.write_text(
        yaml.safe_dump(rules("alerts.yml", **{"for": None, "keep_firing_for": None}), width=10_000)
    )
    with Stack(
        tmp_path_factory.mktemp("stack"), model_store=store, models={MODEL: archive}, scrape_interval="1s",
        alerts=alerts, environment={"OUTAGES": str(folder)},
    ) as stack:  # fmt: skip
        stack.wait_ready(READY_SECONDS)
        yield Outages(stack, folder)


@pytest.fixture
def well(outages: Outages) -> Iterator[Outages]:
    """The same, with a model that answers, and that answers again afterwards."""
    eventually(outages.answers, "an answer")
    yield outages
    for file in ("unloadable", "dies", "slow"):
        (outages.folder / file).unlink(missing_ok=True)
    outages.scale(0)
    outages.scale(1)


def test_requests_that_wait_in_the_queue_are_told_of_as_such(well: Outages) -> None:
    assert "ModelUnanswered" not in well.firing()
    (well.folder / "slow").touch()
    with well.asked(CLIENTS):
        text = well.told("ModelLatencyP95High", "It is the queue")
    assert "for a worker, on average" in text


def test_no_worker_is_told_of(well: Outages) -> None:
    well.scale(0)
    with well.asked() as statuses:
        text = well.told("ModelUnanswered", f"the requests to {MODEL} got an error of TorchServe's own")
    assert set(statuses) <= ERRORS
    assert "no handler saw them" in text


def test_workers_that_die_at_each_request_are_told_of(well: Outages) -> None:
    (well.folder / "dies").touch()
    with well.asked() as statuses:
        well.told("ModelUnanswered", "Its workers were started again")
        well.told("ModelWorkersRestarting", "in the last 15 minutes")
    assert ERRORS & set(statuses)
    assert httpx.codes.OK not in statuses


def test_a_worker_that_cannot_be_loaded_is_told_of(well: Outages) -> None:
    (well.folder / "unloadable").touch()
    well.scale(0)
    well.scale(1)
    with well.asked(CLIENTS) as statuses:
        # They wait for a worker. Two minutes after its last flush it counts as gone.
        well.told("ModelUnanswered", "No worker of it reports")
    assert httpx.codes.OK not in statuses
