"""Predictions of a real TorchServe wait in files under the ids that its clients know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack import Stack
from stack.loopback import http
from stack.metrics_page import settled, total
from stack.waiting import PATIENCE_SECONDS
from tests.conftest import BASELINE, Flights
from torchvitals.telemetry import catalogue as m
from torchvitals_labels.batch import read_batch
from torchvitals_labels.collecting import waiting

pytestmark = pytest.mark.server

NAME = "kept"
HANDLER = Path(__file__).with_name("ids_handler.py")
CANARY = "canary-4711"
ROUNDS = 20


@pytest.fixture
def kept(server: Stack, flights: Flights, tmp_path: Path) -> Iterator[Path]:
    """The folder into which a model on two workers of the server writes its predictions."""
    folder = tmp_path / "predictions"
    truth = {"directory": str(folder), "id_field": "order", "segment_header": "X-Country"}
    monitoring = {"baseline": BASELINE, "flush_interval": 0.5, "ground_truth": truth}
    archive = flights.package(server.model_store, NAME, monitoring, handler=HANDLER)
    options = {"url": archive, "initial_workers": "2", "synchronous": "true"}
    http.post(f"{server.management_url}/models", params=options, timeout=PATIENCE_SECONDS).raise_for_status()
    yield folder
    http.delete(f"{server.management_url}/models/{NAME}", timeout=PATIENCE_SECONDS)


def test_each_prediction_is_kept_once_under_the_id_that_its_client_knows(
    server: Stack, flights: Flights, kept: Path
) -> None:
    values = iter(flights.frame("heldout").dropna().sample(200, random_state=1).to_numpy().tolist())
    wanted: dict[str, int] = {}

    def send(body: dict[str, Any], **headers: str) -> tuple[str, list[int]]:
        answer = http.post(
            f"{server.inference_url}/predictions/{NAME}",
            json=body,
            headers={"Authorization": CANARY, **headers},
            timeout=PATIENCE_SECONDS,
        ).raise_for_status()
        return answer.headers["x-request-id"], answer.json()

    def row() -> dict[str, Any]:
        return {"row": next(values)}

    for n in range(ROUNDS):
        request_id, (wanted_class,) = send(row())
        wanted[request_id] = wanted_class
        _, (wanted[f"header {n}"],) = send(row(), **{"X-Prediction-Id": f"header {n}"})
        _, (wanted[f"body-{n}"],) = send(
            {**row(), "order": f"body-{n}", "name": CANARY}, **{"x-prediction-id": CANARY, "x-country": "de"}
        )
        _, (wanted[f"said-{n}"],) = send({**row(), "say": f"said-{n}", "order": CANARY})
        request_id, (wanted[f"{request_id}/0"], wanted[f"{request_id}/1"]) = send(
            {"instances": [row(), row()]}
        )
        _, (wanted[f"i-{n}"], wanted[f"j-{n}"]) = send(
            {"instances": [{**row(), "order": f"i-{n}"}, {**row(), "order": f"j-{n}"}]}
        )

    assert len(wanted) == 8 * ROUNDS
    series = settled(server, lambda s: total(s, m.PREDICTIONS_WRITTEN.name, model_name=NAME) >= len(wanted))
    assert total(series, m.PREDICTIONS_WRITTEN.name, model_name=NAME) == len(wanted)
    assert total(series, m.PREDICTIONS_UNWRITTEN.name, model_name=NAME) == 0
    assert total(series, m.MONITOR_ERRORS.name, model_name=NAME) == 0

    batches = [read_batch(file) for file in waiting(kept)]
    found = {one: int(place) for batch in batches for one, place in zip(batch.ids, batch.predicted.tolist())}
    assert sum(len(batch.ids) for batch in batches) == len(wanted)
    assert found == wanted
    for batch in batches:
        assert (batch.model_name, batch.model_version) == (NAME, "1.0")
        assert batch.confidence == pytest.approx(batch.scores.max(axis=1))
        assert ((batch.expected > 0) & (batch.expected < 1)).all()
        places = zip(batch.ids, batch.segments)
        assert {segment for one, segment in places if one.startswith("body-")} <= {"de"}
    assert CANARY.encode() not in b"".join(path.read_bytes() for path in kept.iterdir())
