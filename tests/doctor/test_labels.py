"""The doctor where a model keeps predictions: whatever keeps them from their labels is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from stack import Stack
from stack.loopback import http
from stack.ports import Ports, is_free, url
from stack.waiting import eventually
from tests.labels.serving import Served
from torchvitals import GroundTruth, MonitoredModel, MonitoringConfig
from torchvitals.publishers.prometheus import PrometheusPublisher

from .conftest import Config, eventually_found, examined, free, healthy_config, prometheus

pytestmark = pytest.mark.server
NOWHERE = "postgresql://tests:secret@127.0.0.1:1/store"
ABSENT = "predictions of kept 1.0 are kept for labels, and Prometheus scrapes no labels service"


@contextmanager
def page_of(registry: CollectorRegistry) -> Iterator[str]:
    """Show metrics; give their address."""
    port = next(port for port in iter(lambda: Ports.free().metrics, 0) if is_free(port))
    server, thread = start_http_server(port, "127.0.0.1", registry)
    try:
        yield url(port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def words(places: list[str | Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str | Path]]:
    """Where the healthy stack is, but for Prometheus and the metrics: those of a model that keeps predictions."""
    registry = CollectorRegistry()
    directory = str(tmp_path_factory.mktemp("kept") / "predictions")
    truth = GroundTruth(directory=directory, model_name="kept", model_version="1.0")
    publisher = PrometheusPublisher(model_name="kept", model_version="1.0", registry=registry)
    config = MonitoringConfig(ground_truth=truth)
    with (
        MonitoredModel(torch.nn.Linear(3, 2), config=config, publisher=publisher),
        page_of(registry) as address,
    ):
        yield [places[0], "--metrics", address, *places[3:]]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def service(started: ExitStack, folder: Path, store: str) -> Served:
    served = Served(folder, store)
    started.callback(served.stop)
    served.start()
    return served


def scraping(stack: Stack, address: str, name: str = "labels") -> Config:
    config = healthy_config(stack)
    (job,) = [one for one in config["scrape_configs"] if one["job_name"] == "labels"]
    del job["file_sd_configs"]
    job |= {"job_name": name, "static_configs": [{"targets": [address.removeprefix("http://")]}]}
    return config


def eventually_scraped(address: str, promql: str) -> None:
    def found() -> bool:
        answer = http.get(f"{address}/api/v1/query", params={"query": promql}).json()
        return bool(answer["data"]["result"])

    eventually(found, promql)


def test_a_service_that_is_not_there_is_named(stack: Stack, words: list[str | Path], tmp_path: Path) -> None:
    with prometheus(tmp_path, healthy_config(stack)) as address:
        assert ABSENT in examined(*words, "--prometheus", address)
        assert ABSENT not in examined(*words, "--prometheus", address, "--without", "labels")
        # Prometheus alone knows.
        assert ABSENT not in examined(*words, "--prometheus", free())
        assert ABSENT not in examined(*words, "--without", "prometheus")


def test_a_service_that_is_down_is_named(stack: Stack, words: list[str | Path], tmp_path: Path) -> None:
    where = free()
    with prometheus(tmp_path, scraping(stack, where)) as address:
        said = f"Prometheus cannot scrape the labels service at {where}/metrics: "
        eventually_found([said], *words, "--prometheus", address)


def test_a_service_under_another_job_is_named(
    stack: Stack, words: list[str | Path], tmp_path: Path, started: ExitStack
) -> None:
    served = service(started, tmp_path, f"sqlite:///{tmp_path}/labels.sqlite")
    with prometheus(tmp_path, scraping(stack, served.address, "truth")) as address:
        said = "Prometheus scrapes the labels service as job 'truth'; the rules ask for 'labels'"
        assert ABSENT not in eventually_found([said], *words, "--prometheus", address)


def test_a_store_that_is_down_is_named(
    stack: Stack, words: list[str | Path], tmp_path: Path, started: ExitStack
) -> None:
    served = service(started, tmp_path, NOWHERE)
    with prometheus(tmp_path, scraping(stack, served.address)) as address:
        instance = served.address.removeprefix("http://")
        said = (
            f"the labels service at {instance} cannot use its store: predictions wait, and labels are refused"
        )
        eventually_found([said], *words, "--prometheus", address)


def test_files_that_are_refused_are_named_and_nothing_of_a_service_that_is_well(
    stack: Stack, words: list[str | Path], tmp_path: Path, started: ExitStack
) -> None:
    served = service(started, tmp_path, f"sqlite:///{tmp_path}/labels.sqlite")
    with prometheus(tmp_path, scraping(stack, served.address)) as address:
        eventually_scraped(address, "predictions_refused_files_total == 0")
        said = examined(*words, "--prometheus", address)
        assert not [problem for problem in said if "labels" in problem]
        served.leave(b"nothing")
        instance = served.address.removeprefix("http://")
        refused = f"the labels service at {instance} refused files of predictions in the last hour: 1"
        eventually_found([refused], *words, "--prometheus", address)


@pytest.mark.parametrize(("store_up", "named"), [(1, True), (0, False)])
def test_files_that_wait_are_named_unless_the_store_is_down(
    store_up: int, named: bool, stack: Stack, words: list[str | Path], tmp_path: Path
) -> None:
    registry = CollectorRegistry()
    Gauge("predictions_waiting_files", "as of a service that is too slow", registry=registry).set(150)
    Gauge("labels_store_up", "of the same", registry=registry).set(store_up)
    with page_of(registry) as service, prometheus(tmp_path, scraping(stack, service)) as address:
        eventually_scraped(address, "predictions_waiting_files")
        said = f"150 files of predictions wait for the labels service at {service.removeprefix('http://')}"
        assert (said in examined(*words, "--prometheus", address)) == named
