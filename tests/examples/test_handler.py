"""The flight delay handler, loaded and called as a TorchServe worker does, on good and bad requests."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import ts
from ts.context import Context, RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.utils.util import list_classes_from_module

from examples.flight_delay import handler as module
from examples.flight_delay import model
from examples.flight_delay.handler import FlightDelayHandler
from examples.flight_delay.model import FlightDelayNet
from torchvitals.servers.torchserve.handler import monitor_of

GOOD = {
    "hour": 17,
    "minute": 45,
    "distance": 1089,
    "temp": 39.02,
    "dewp": 28.04,
    "humid": 64.43,
    "wind_speed": 12.65858,
    "precip": 0,
    "pressure": 1011.9,
    "visib": 10,
}


@pytest.fixture(scope="module")
def network() -> FlightDelayNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        net = FlightDelayNet()
    net.mean.copy_(torch.tensor([13, 25, 1000, 36, 22, 58, 12, 0.003, 1018, 8.8]))
    net.std.copy_(torch.tensor([4.6, 19, 720, 10, 12, 17, 6, 0.02, 8, 2.6]))
    return net.eval()


@pytest.fixture(scope="module")
def loaded(network: FlightDelayNet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlightDelayHandler]:
    """A handler that has loaded an unpacked archive."""
    folder = tmp_path_factory.mktemp("archive")
    shutil.copy(model.__file__, folder / "model.py")
    torch.save(network.state_dict(), folder / "model.pt")
    metrics = MetricsCacheYamlImpl(str(Path(__file__).parents[2] / "metrics.yaml"))
    metrics.initialize_cache()
    manifest = {"model": {"modelName": "flight_delay", "modelFile": "model.py", "serializedFile": "model.pt"}}
    context = Context("flight_delay", str(folder), manifest, 8, None, ts.__version__, True, metrics, {})
    before = sys.modules.pop("model", None)
    sys.path.insert(0, str(folder))
    try:
        handler = FlightDelayHandler()
        handler.initialize(context)
        handler.context = context
        yield handler
        monitor_of(handler).stop()
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("model", None)
        if before is not None:
            sys.modules["model"] = before


class Served:
    """What a batch was answered: (status, decoded body) of each request."""

    def __init__(self, handler: FlightDelayHandler, bodies: list[Any], *, field: str = "body") -> None:
        context = handler.context
        context.request_ids = {index: f"request-{index}" for index in range(len(bodies))}
        context.request_processor = [RequestProcessor({}) for _ in bodies]
        context.metrics.request_ids = context.request_ids
        requests = [{} if body is ABSENT else {field: body} for body in bodies]
        self.texts = handler.handle(requests, context)
        self.statuses = [context.get_response_status(index)[0] for index in range(len(bodies))]
        self.phrases = [context.get_response_status(index)[1] for index in range(len(bodies))]
        self.types = [context.get_response_content_type(index) for index in range(len(bodies))]
        self.answers = [json.loads(text) for text in self.texts]


ABSENT = object()


def changed(**values: Any) -> dict[str, Any]:
    return {**GOOD, **values}


def expected(network: FlightDelayNet, row: dict[str, Any]) -> dict[str, float]:
    values = [np.nan if row[c] is None else row[c] for c in network.COLUMNS]
    with torch.inference_mode():
        scores = network(torch.tensor([values], dtype=torch.float32)).softmax(1)[0]
    return dict(zip(network.CLASSES, scores.tolist()))


def test_the_module_defines_one_class() -> None:
    assert list_classes_from_module(module) == [FlightDelayHandler]


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        json.dumps(GOOD),
        json.dumps(GOOD).encode(),
        bytearray(json.dumps(GOOD, indent=2).encode()),
        json.dumps(dict(reversed(GOOD.items()))).encode("utf-16"),
    ],
    ids=["decoded", "text", "bytes", "bytearray", "utf-16"],
)
@pytest.mark.parametrize("field", ["body", "data"])
def test_a_good_request_gets_class_and_probabilities(
    loaded: FlightDelayHandler, network: FlightDelayNet, body: Any, field: str
) -> None:
    served = Served(loaded, [body], field=field)
    assert served.statuses == [200]
    assert served.types == ["application/json"]
    (answer,) = served.answers
    assert answer["probabilities"] == pytest.approx(expected(network, GOOD), rel=1e-5)
    assert answer["class"] == max(answer["probabilities"], key=answer["probabilities"].__getitem__)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-6)


def test_null_is_missing_and_reaches_inference_as_nan(
    loaded: FlightDelayHandler, network: FlightDelayNet
) -> None:
    row = changed(temp=None, pressure=None)
    inputs = loaded.preprocess([{"body": row}])
    assert inputs.dtype is torch.float32
    assert torch.isnan(inputs[0]).nonzero().flatten().tolist() == [3, 8]
    assert Served(loaded, [row]).answers[0]["probabilities"] == pytest.approx(
        expected(network, row), rel=1e-5
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("NaN", np.nan), ("Infinity", np.inf), ("-Infinity", -np.inf), ("1e300", np.inf), ("-1e39", -np.inf)],
)
def test_nan_and_infinity_are_passed_on_and_answered(
    loaded: FlightDelayHandler, text: str, value: float
) -> None:
    body = json.dumps(GOOD).replace("39.02", text).encode()
    inputs = loaded.preprocess([{"body": body}])
    np.testing.assert_equal(inputs[0, 3].item(), value)
    served = Served(loaded, [body])
    assert served.statuses == [200]
    assert all(np.isfinite(list(served.answers[0]["probabilities"].values())))


BAD = {
    "no body": (ABSENT, "the request has no body"),
    "empty": (bytearray(b""), "the request has no body"),
    "blank": (b"  \n", "the request has no body"),
    "malformed": (bytearray(b'{"hour": 17,'), "the body is not valid JSON"),
    "not text": (b"\xff\xfe\x00\xd8", "the body is not valid JSON"),
    "deep": (b"[" * 100_000, "the body is not valid JSON"),
    "null": (None, "the body must be a JSON object with the columns hour, minute, distance"),
    "a list": ([GOOD], "the body must be a JSON object with the columns hour, minute, distance"),
    "ten numbers": (b"[1,2,3,4,5,6,7,8,9,10]", "the body must be a JSON object"),
    "a number": (7, "the body must be a JSON object"),
    "a JSON text": (b'"hour"', "the body must be a JSON object"),
    "empty object": ({}, "missing column 'hour', 'minute'"),
    "missing": ({c: v for c, v in GOOD.items() if c != "temp"}, "missing column 'temp'; send null"),
    "unknown": (changed(wind_gust=20), "unknown column 'wind_gust'; the columns are hour,"),
    "unknown for known": (
        {**{c: v for c, v in GOOD.items() if c != "temp"}, "température": 4},
        "missing column 'temp'",
    ),
    "many unknown": (changed(a=1, b=2, c=3, d=4), "unknown column 'a', 'b', 'c', ...;"),
    "text": (changed(temp="39.02"), "column 'temp' must be a number or null, not text"),
    "bool": (changed(precip=False), "column 'precip' must be a number or null, not true or false"),
    "nested": (changed(visib=[10]), "column 'visib' must be a number or null, not a list"),
    "object": (changed(visib={"miles": 10}), "column 'visib' must be a number or null, not an object"),
    "too large": (changed(hour=10**400), "a number is too large"),
}


@pytest.mark.parametrize(("body", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_request_is_answered_400_and_says_why(
    loaded: FlightDelayHandler, body: Any, message: str
) -> None:
    served = Served(loaded, [body])
    assert served.statuses == [400]
    (answer,) = served.answers
    assert answer["code"] == 400
    assert answer["message"].startswith(message)


def test_bad_requests_do_not_fail_their_neighbours(
    loaded: FlightDelayHandler, network: FlightDelayNet
) -> None:
    second = changed(hour=6, temp=None)
    served = Served(loaded, [b"{", GOOD, changed(temp="warm"), second, ABSENT])
    assert served.statuses == [400, 200, 400, 200, 400]
    assert served.answers[1]["probabilities"] == pytest.approx(expected(network, GOOD), rel=1e-5)
    assert served.answers[3]["probabilities"] == pytest.approx(expected(network, second), rel=1e-5)
    assert [served.answers[index]["message"][:18] for index in (0, 2, 4)] == [
        "the body is not va",
        "column 'temp' must",
        "the request has no",
    ]


def test_only_good_rows_reach_inference(loaded: FlightDelayHandler) -> None:
    inputs = loaded.preprocess([{"body": b"{"}, {"body": GOOD}, {"body": {}}])
    assert inputs.shape == (1, 10)
    np.testing.assert_array_equal(inputs[0].numpy(), np.array(list(GOOD.values()), dtype=np.float32))


def test_without_a_good_row_each_client_reads_its_own_fault(
    loaded: FlightDelayHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any) -> None:
        raise AssertionError("the model was asked")

    monkeypatch.setattr(loaded.model, "forward", never)
    served = Served(loaded, [b"{", [], changed(wind_gust=1)])
    assert served.statuses == [400, 400, 400]
    assert len({answer["message"] for answer in served.answers}) == 3


def test_a_fault_does_not_reach_the_next_batch(loaded: FlightDelayHandler) -> None:
    assert Served(loaded, [b"{"]).statuses == [400]
    assert Served(loaded, [GOOD]).statuses == [200]


def test_the_reason_phrase_is_ascii_whatever_the_client_sent(loaded: FlightDelayHandler) -> None:
    served = Served(loaded, [changed(température=1)])
    assert served.phrases == ["Bad Request"]
    assert "'température'" in served.answers[0]["message"]
    assert served.texts[0].isascii()
