"""Predictions of a LitAPI wait in files under the ids that it says, or that bodies have, batches included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pydantic
import pytest
import torch
from litserve import LitAPI

from tests.servers import apis
from tests.servers.named import Named
from tests.servers.worker import QUIET, Sent, callback_for, serve
from torchvitals import Baseline, GroundTruth
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.servers.litserve.snapshots import add_up
from torchvitals.telemetry import catalogue as m
from torchvitals_labels.batch import Batch, read_batch
from torchvitals_labels.collecting import waiting

BATCH = {"max_batch_size": 4, "batch_timeout": 5.0}
Kept = Callable[..., tuple[list[Batch], MemoryPublisher, list[Sent]]]


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    rng = np.random.default_rng(5)
    outputs = rng.normal(size=(2000, apis.CLASSES))
    return Baseline.fit(rng.normal(size=(2000, apis.FEATURES)), outputs=outputs, name="rows")


@pytest.fixture
def kept(baseline: Baseline, tmp_path: Path) -> Kept:
    """Serve requests; return what is in the files, what is published, and the answers."""

    def serve_them(api: LitAPI, payloads: list[Any], **options: Any) -> Any:
        truth = GroundTruth(directory=str(tmp_path / "predictions"), **options)
        callback = callback_for(baseline, msgspec.structs.replace(QUIET, ground_truth=truth))
        answers = serve(api, payloads, callback)
        seen = MemoryPublisher()
        add_up(callback._folder, seen)
        folder = tmp_path / "predictions"
        files = waiting(folder) if folder.exists() else []
        return [read_batch(file) for file in files], seen, answers

    return serve_them


def requests(count: int, **each: Callable[[int], Any]) -> list[dict[str, Any]]:
    rows = np.random.default_rng(7).normal(size=(count, apis.FEATURES)).tolist()
    return [{"row": row, **{key: value(n) for key, value in each.items()}} for n, row in enumerate(rows)]


def by_id(batches: list[Batch]) -> dict[str, int]:
    found = [(one, int(place)) for batch in batches for one, place in zip(batch.ids, batch.predicted)]
    assert len(dict(found)) == len(found)
    return dict(found)


def answered(answers: list[Sent], name: Callable[[int], str]) -> dict[str, int]:
    """Return the class of each answer, by the id that its request has."""
    scores = {uid: data for uid, data, status in answers if status == "OK"}
    return {name(int(uid[1:])): int(np.argmax(row)) for uid, row in scores.items()}


class AsynchronousNamed(Named):
    """Waits with an id said, so that calls overlap."""

    async def decode_request(self, request):
        row = super().decode_request(request)
        await asyncio.sleep(0)
        return row

    async def predict(self, rows: torch.Tensor) -> torch.Tensor:
        return super().predict(rows)

    async def encode_response(self, scores: torch.Tensor) -> Any:
        return super().encode_response(scores)


class NamedTogether(apis.Rows):
    """Says the ids of a batch when all its requests are there."""

    def decode_request(self, request):
        return super().decode_request(request), request["say"]

    def batch(self, inputs):
        self.predictions.id(*(said for _, said in inputs))
        return torch.stack([row for row, _ in inputs])


@pytest.mark.parametrize(
    "api",
    [Named(), Named(**BATCH), AsynchronousNamed(enable_async=True), NamedTogether(**BATCH)],
    ids=["one by one", "batches", "asynchronous", "a batch at once"],
)
def test_each_prediction_is_kept_once_under_the_id_that_is_said(api: LitAPI, kept: Kept) -> None:
    batches, seen, answers = kept(api, requests(10, say="order {}".format))
    assert by_id(batches) == answered(answers, "order {}".format)
    assert len(by_id(batches)) == seen.value(m.PREDICTIONS_WRITTEN) == 10
    assert seen.total(m.PREDICTIONS_UNWRITTEN) == seen.total(m.MONITOR_ERRORS) == 0
    assert {(batch.model_name, batch.model_version) for batch in batches} == {("m", "1")}


@pytest.mark.parametrize("options", [{}, BATCH], ids=["one by one", "batches"])
def test_what_is_said_counts_before_the_body(options: dict[str, Any], kept: Kept) -> None:
    payloads = requests(8, order="body {}".format, region=lambda n: ["north", "south"][n % 2])
    payloads[1]["say"] = payloads[6]["say"] = "said"
    payloads[6]["say"] += " too"
    batches, _, _ = kept(Named(**options), payloads, id_field="order", segment_field="region")
    names = ["body 0", "said", "body 2", "body 3", "body 4", "body 5", "said too", "body 7"]
    found = {one: segment for batch in batches for one, segment in zip(batch.ids, batch.segments)}
    assert found == dict(zip(names, ["north", "south"] * 4))


def test_a_segment_is_said_of_one_request(kept: Kept) -> None:
    payloads = requests(4, say="{}".format)
    payloads[2]["segment"] = "south"
    (batch,), _, _ = kept(Named(**BATCH), payloads)
    assert dict(zip(batch.ids, batch.segments)) == {"0": "", "1": "", "2": "south", "3": ""}


def test_instances_of_one_request_have_ids_of_their_own(kept: Kept) -> None:
    class Instances(Named):
        def decode_request(self, request):
            return torch.tensor([one["row"] for one in request["instances"]])

    several = [{"instances": requests(2, order="a{}".format)}, {"instances": requests(3)}]
    batches, seen, _ = kept(Instances(), several, id_field="order")
    assert sorted(by_id(batches)) == ["a0", "a1"]
    assert seen.value(m.PREDICTIONS_UNWRITTEN, "no_id") == 3


def test_one_id_of_several_rows_is_numbered(kept: Kept) -> None:
    class Several(Named):
        def decode_request(self, request):
            return super().decode_request(request).repeat(2, 1)

    batches, _, _ = kept(Several(), requests(1, say="order {}".format))
    assert sorted(by_id(batches)) == ["order 0/0", "order 0/1"]


class Typed(pydantic.BaseModel):
    row: list[float]
    order: str


def test_a_typed_body_has_its_fields(kept: Kept) -> None:
    class TypedRows(apis.Rows):
        def decode_request(self, request: Typed) -> torch.Tensor:
            return torch.tensor(request.row)

    payloads = [Typed(**one) for one in requests(3, order="order {}".format)]
    batches, _, _ = kept(TypedRows(), payloads, id_field="order")
    assert sorted(by_id(batches)) == ["order 0", "order 1", "order 2"]


def test_what_has_no_id_or_fails_is_counted(kept: Kept) -> None:
    payloads = requests(8)
    payloads[0]["say"] = "zero"
    payloads[5]["fail"] = "decode"
    batches, seen, _ = kept(Named(**BATCH), payloads)
    assert sorted(by_id(batches)) == ["zero"]
    assert seen.value(m.PREDICTIONS_UNWRITTEN, "no_id") == 3
    assert seen.value(m.PREDICTIONS_UNWRITTEN, "failed") == 4


def test_streams_are_not_kept(kept: Kept) -> None:
    batches, seen, _ = kept(apis.Streaming(stream=True), requests(3))
    assert batches == []
    assert seen.value(m.PREDICTIONS_UNWRITTEN, "rows") == 3


def test_ids_can_be_said_where_nothing_is_kept_or_watched(baseline: Baseline) -> None:
    for callback in (callback_for(baseline), callback_for(baseline, api_path="/elsewhere")):
        answers = serve(Named(), requests(2, say="{}".format), callback)
        assert [status for _, _, status in answers if status] == ["OK", "OK"]


def test_an_attribute_of_the_user_s_own_stays(kept: Kept) -> None:
    class Own(apis.Rows):
        predictions = ("mine",)

    api = Own()
    kept(api, requests(1))
    assert api.predictions == ("mine",)
