"""A real LitServe keeps predictions under the ids that its LitAPIs say, and a labels service can read them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from stack.ports import Ports, url
from stack.waiting import PATIENCE_SECONDS, eventually
from tests.servers.apis import FEATURES
from tests.servers.live import server
from tests.servers.scraping import scrape, total
from torchvitals.telemetry import catalogue as m
from torchvitals_labels.batch import read_batch
from torchvitals_labels.collecting import waiting

REQUESTS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live") / "predictions"


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    port = Ports.free().inference
    words = ["-m", "tests.servers.named", str(port), str(folder)]
    with server(words, health=f"{url(port)}/health", log=folder.with_name("log"), LIT_SERVER_API_KEY=""):
        yield url(port)


@pytest.mark.parametrize("name", ["one", "batch"])
def test_each_prediction_is_kept_once_under_the_id_that_is_said(
    name: str, address: str, folder: Path
) -> None:
    rows = np.random.default_rng(3).normal(size=(REQUESTS, FEATURES)).tolist()
    limits = httpx.Limits(max_keepalive_connections=0)
    client = httpx.Client(timeout=PATIENCE_SECONDS, limits=limits, trust_env=False)

    def send(n: int) -> tuple[str, int]:
        body = {"row": rows[n], "say": f"{name} {n}", "segment": "even" if n % 2 == 0 else "odd"}
        answer = client.post(f"{address}/{name}", json=body).raise_for_status()
        return body["say"], int(np.argmax(answer.json()))

    with client, ThreadPoolExecutor(8) as pool:
        wanted = dict(pool.map(send, range(REQUESTS)))

    def written() -> bool:
        return total(scrape(f"{address}/metrics"), m.PREDICTIONS_WRITTEN.name, model_name=name) >= REQUESTS

    eventually(written, f"{REQUESTS} predictions in files")
    series = scrape(f"{address}/metrics")
    assert total(series, m.PREDICTIONS_WRITTEN.name, model_name=name) == REQUESTS
    assert total(series, m.PREDICTIONS_UNWRITTEN.name, model_name=name) == 0
    assert total(series, m.MONITOR_ERRORS.name, model_name=name) == 0
    # Several at a time, or nothing is said of batches.
    calls = total(series, m.BATCH_SIZE.count.name, model_name=name)
    assert calls < REQUESTS if name == "batch" else calls == REQUESTS

    batches = [batch for batch in map(read_batch, waiting(folder)) if batch.model_name == name]
    found = [(one, int(place)) for batch in batches for one, place in zip(batch.ids, batch.predicted)]
    assert len(found) == REQUESTS
    assert dict(found) == wanted
    for batch in batches:
        assert batch.model_version == "1"
        for one, segment in zip(batch.ids, batch.segments):
            assert segment == ("even" if int(one.split()[1]) % 2 == 0 else "odd")
