"""The flight delay model under LitServe and FastAPI, served, scraped, and judged by our rules."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from examples.flight_delay.replay import bodies
from stack import programs
from stack.loopback import http
from stack.ports import Ports, is_free, url
from stack.waiting import PATIENCE_SECONDS, answers, eventually
from tests.servers.live import prometheus, query, server
from tests.servers.scraping import counted, scrape, total
from torchvitals import Baseline
from torchvitals.telemetry import catalogue as m

REQUESTS = 300
JSON = {"Content-Type": "application/json"}
LITSERVE, FASTAPI, WORKERS = "litserve", "fastapi", "fastapi-workers"


@dataclass(frozen=True)
class Served:
    """A server of the model: where it is, its metrics pages, and how many workers it has."""

    address: str
    pages: tuple[str, ...]
    workers: int

    @property
    def predictions(self) -> str:
        return f"{self.address}/predict"

    def send(self, frame, count):
        """Send so many rows, four at a time; all must be answered, however long that takes."""
        # A connection for each: the server may close one that is kept just as it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        client = httpx.Client(timeout=PATIENCE_SECONDS, limits=limits, trust_env=False)
        rows = bodies(frame.sample(count, random_state=count, replace=True))
        with client, ThreadPoolExecutor(4) as pool:
            answered = list(
                pool.map(lambda body: client.post(self.predictions, content=body, headers=JSON), rows)
            )
        assert [one.text for one in answered if one.status_code != 200] == []

    def post(self, body):
        return http.post(self.predictions, content=body, headers=JSON, timeout=PATIENCE_SECONDS)


def two_neighbours():
    """Return the first of two free ports, one after the other."""
    return next(port for port in itertools.count(Ports.free().grafana) if is_free(port) and is_free(port + 1))


@pytest.fixture(scope="module")
def live(flights, tmp_path_factory):
    """All three servers, started one beside the other."""
    folder = tmp_path_factory.mktemp("servers")
    ports = list(vars(Ports.free()).values())
    app = ["-m", "uvicorn", "examples.servers.fastapi_app:app", "--host", "127.0.0.1"]
    settings = {"FLIGHTS": str(flights.folder), "FLUSH_SECONDS": "0.5"}
    first = two_neighbours()
    programs_of = {
        LITSERVE: (
            [
                "-m", "examples.servers.litserve_server", "--folder", str(flights.folder), "--port", str(ports[0]),
                "--workers", "2", "--flush-interval", "0.5",
            ],
            "/health",
            {},
        ),
        FASTAPI: ([*app, "--port", str(ports[1])], "/metrics", settings),
        WORKERS: (
            [*app, "--port", str(ports[2]), "--workers", "2"],
            "/metrics",
            {**settings, "METRICS_PORTS": f"{first}-{first + 1}"},
        ),
    }  # fmt: skip
    pages = {
        LITSERVE: (f"{url(ports[0])}/metrics",),
        FASTAPI: (f"{url(ports[1])}/metrics",),
        WORKERS: tuple(f"{url(port)}/metrics" for port in (first, first + 1)),
    }
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        begun = [
            pool.submit(
                stack.enter_context,
                server(words, health=f"{url(port)}{health}", log=folder / f"{name}.log", **environment),
            )
            for port, (name, (words, health, environment)) in zip(ports, programs_of.items())
        ]
        for one in begun:
            one.result()
        for page in pages[WORKERS]:
            eventually(lambda page=page: answers(page), f"{page} to answer")
        yield {
            name: Served(url(port), pages[name], 1 if name == FASTAPI else 2)
            for port, name in zip(ports, programs_of)
        }


@pytest.fixture(scope="module")
def prometheus_address(live, tmp_path_factory):
    jobs = {
        name: [page.removeprefix("http://").partition("/")[0] for page in served.pages]
        for name, served in live.items()
    }
    port = Ports.free().prometheus
    with prometheus(tmp_path_factory.mktemp("prometheus"), port, jobs) as address:
        yield address


@pytest.mark.parametrize("name", [LITSERVE, FASTAPI, WORKERS])
def test_the_page_counts_what_was_sent(name, live, flights):
    served = live[name]
    served.send(flights.frame("heldout"), REQUESTS)
    series = counted(REQUESTS, *served.pages, outcome="ok")

    def flushed():
        page = scrape(*served.pages)
        rows = total(page, m.WINDOW_SAMPLES.name, window="1000")
        return page if total(page, m.PREDICTIONS.name) == rows == REQUESTS else None

    series = eventually(flushed, lambda: f"{REQUESTS} predictions: {scrape(*served.pages)}")
    assert total(series, m.REQUESTS.name, outcome="ok") == REQUESTS
    assert total(series, m.REQUESTS.name, outcome="error") == 0
    assert total(series, m.BATCH_SIZE.sum.name) == REQUESTS
    calls = total(series, m.BATCH_SIZE.count.name)
    # The first two calls of a process are its warm-up.
    for stage in ("inference", "handle"):
        assert total(series, m.STAGE_DURATION.count.name, stage=stage) == calls - 2 * served.workers
    for feature in Baseline.load(flights.baseline).features:
        found = total(series, m.OBSERVATIONS.name, source=feature.source, feature=feature.name)
        assert found == REQUESTS, feature.name
    assert total(series, m.MONITOR_DROPPED.name) == total(series, m.MONITOR_ERRORS.name) == 0


def test_litserve_has_a_page_of_all_its_workers(live, flights):
    [page] = live[LITSERVE].pages
    series = scrape(page)
    workers = {dict(labels)["worker"] for name, labels in series if name == m.WINDOW_EVALUATED.name}
    assert workers == {"0", "1"}
    assert total(series, m.STAGE_DURATION.count.name, stage="preprocess") > 0
    assert total(series, m.STAGE_DURATION.count.name, stage="postprocess") > 0
    runtime = [dict(labels) for name, labels in series if name == m.RUNTIME_INFO.name]
    assert {(one["device"], one["precision"], one["compiled"]) for one in runtime} == {
        ("cpu", "float32", "false")
    }


@pytest.mark.parametrize(("name", "counted_as_error"), [(LITSERVE, 1), (FASTAPI, 0)])
def test_a_request_that_cannot_be_read_is_answered_as_without_us(name, counted_as_error, live, flights):
    served = live[name]
    before = scrape(*served.pages)
    row = json.loads(bodies(flights.frame("heldout").head(1))[0])
    del row["temp"]
    refused = served.post(json.dumps(row))
    assert refused.status_code == 422
    assert "temp" in refused.text
    served.send(flights.frame("heldout"), 20)
    already = total(before, m.REQUESTS.name)
    after = counted(already + 20 + counted_as_error, *served.pages)
    grown = total(after, m.REQUESTS.name, outcome="error") - total(before, m.REQUESTS.name, outcome="error")
    # FastAPI refuses it before the model is asked.
    assert grown == counted_as_error


def test_the_rules_judge_all_of_them(live, flights, prometheus_address):
    july = flights.frame("july")

    def found(promql):
        return query(prometheus_address, promql)

    def send(name):
        live[name].send(july, 100)

    def drives(promql):
        """Send to those for which a query gives nothing yet, all at a time, until it does for each."""
        missing = [name for name in live if name not in found(promql)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(send, missing))
        return not missing

    for promql in (
        'max by (job) (model_feature:model_feature_drifted:max{feature="temp"}) == 1',
        'max by (job) (ALERTS{alertname="ModelInputDrift", alertstate="firing", model_name="flight_delay"})',
        "sum by (job) (model:model_requests:rate5m) > 0",
    ):
        eventually(lambda promql=promql: drives(promql), promql)
    p95 = found(
        'max by (job) (model_stage:model_stage_duration_seconds:p95_rate5m{stage="handle", clock="host"})'
    )
    assert set(p95) == set(live)
    assert all(0 < seconds <= 30 for seconds in p95.values())
    workers = {name: served.workers for name, served in live.items()}
    fresh = "sum by (job) (model:model_monitor:fresh_workers)"
    eventually(lambda: found(fresh) == workers, lambda: f"{workers}: {found(fresh)}")
    eventually(lambda: found("count by (job) (up == 0)") == {}, "each page to be scraped")


def test_gunicorn_may_load_the_application_before_it_forks(flights, tmp_path):
    port, first = Ports.free().inference, two_neighbours()
    pages = [f"{url(one)}/metrics" for one in (first, first + 1)]
    served = Served(url(port), tuple(pages), 2)
    words = ["-m", "gunicorn", "-k", "asgi", "-w", "2", "--preload", "--bind", f"127.0.0.1:{port}"]
    with server(
        [*words, "examples.servers.fastapi_app:app"],
        health=f"{url(port)}/metrics",
        log=tmp_path / "log",
        FLIGHTS=str(flights.folder),
        FLUSH_SECONDS="0.5",
        METRICS_PORTS=f"{first}-{first + 1}",
    ):
        eventually(lambda: all(map(answers, pages)), f"{pages} to answer")
        served.send(flights.frame("heldout"), 50)
        series = counted(50, *pages)
    assert total(series, m.REQUESTS.name, outcome="ok") == 50
    assert total(series, m.MONITOR_ERRORS.name) == 0


@pytest.fixture(scope="module")
def restarting(tmp_path_factory):
    port = Ports.free().inference
    log = tmp_path_factory.mktemp("restarting") / "log"
    with server(
        ["-m", "tests.servers.restarting", str(port)],
        health=f"{url(port)}/health",
        log=log,
        LIT_SERVER_API_KEY="",
    ):
        yield url(port)


def ask(address, model):
    answer = http.post(f"{address}/{model}", json={"row": [1, 2, 3, 4]}, timeout=PATIENCE_SECONDS)
    return answer.raise_for_status().json()["worker"]


def last_flush(series, model):
    return max(
        value
        for (name, labels), value in series.items()
        if name == m.WINDOW_EVALUATED.name and dict(labels)["model_name"] == model
    )


def test_two_models_share_a_page_and_a_killed_worker_takes_no_count_along(restarting):
    page = f"{restarting}/metrics"
    workers = {model: {ask(restarting, model) for _ in range(10)} for model in "ab"}
    for model in "ab":
        assert total(counted(10, page, model_name=model), m.REQUESTS.name, model_name=model) == 10
    [killed] = workers["a"]
    os.kill(killed, signal.SIGKILL)
    since = time.time()

    def anew():
        """Tell whether the worker after it is there; what LitServe took off its queue for a dead one is lost."""
        return last_flush(scrape(page), "a") > since and answers(f"{restarting}/health")

    eventually(anew, "a worker in its place")
    assert killed not in {ask(restarting, "a") for _ in range(5)}
    series = counted(15, page, model_name="a")
    assert total(series, m.REQUESTS.name, model_name="a") == 15
    assert total(series, m.REQUESTS.name, model_name="b") == 10
    assert len([1 for name, labels in series if name == m.INFLIGHT.name]) == 2


def test_promtool_reads_the_page(restarting):
    text = http.get(f"{restarting}/metrics").text
    promtool = programs.require("promtool", "promtool")
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
