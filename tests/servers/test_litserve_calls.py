"""Each kind of LitAPI in LitServe's own worker: the same responses, and each request counted once."""

from __future__ import annotations

import asyncio
import math
import pickle
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import torch
from litserve import LitServer, OpenAISpec
from litserve.specs.openai import ChatCompletionRequest, ChatMessage

from tests.servers import apis
from tests.servers.worker import QUIET, callback_for, serve
from tests.unit.servers.test_injection import FAULTS, Watch, plant
from torchvitals import Baseline, ConfigurationError, Features, GroundTruth, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.servers.litserve.snapshots import add_up
from torchvitals.telemetry import catalogue as m

GOOD = {"row": [0.1, 0.2, 0.3, 0.4]}
REFUSED = {"row": [0.0] * 4, "fail": "decode: refused"}
BROKEN = {"row": [0.0] * 4, "fail": "decode"}
TOO_WIDE = {"row": [0.0] * 7}
NO_MEMORY = {"row": [math.nan] * 4}
UNSENT = {"row": [math.inf, 0.0, 0.0, 0.0]}


@dataclass(frozen=True)
class Style:
    """A kind of LitAPI, what it is sent, and what is to be counted of that."""

    api: type[apis.Rows]
    payloads: list[Any]
    ok: int
    error: int = 0
    calls: int | None = None  # where they are fewer than requests
    options: dict[str, Any] = field(default_factory=dict)
    measured: tuple[str, ...] = ("preprocess", "inference", "postprocess", "handle")
    rows: int | None = None  # inputs that are compared, where they are not all that succeeded
    out_of_memory: int = 0


def said(text: str) -> ChatCompletionRequest:
    return ChatCompletionRequest(model="m", messages=[ChatMessage(role="user", content=text)])


def chat() -> dict[str, Any]:
    return {"spec": OpenAISpec(), "stream": True}


BATCH = {"max_batch_size": 4, "batch_timeout": 5.0}
STYLES = {
    "one by one": Style(apis.Rows, [GOOD] * 5, ok=5),
    "one refused, one broken": Style(apis.Rows, [GOOD, REFUSED, GOOD, BROKEN, GOOD], ok=3, error=2),
    "a wrong width": Style(apis.Rows, [GOOD, TOO_WIDE], ok=1, error=1, rows=2),
    "out of memory": Style(apis.Rows, [GOOD, NO_MEMORY], ok=1, error=1, rows=2, out_of_memory=1),
    "an answer that cannot be sent": Style(apis.Rows, [GOOD, UNSENT, GOOD], ok=2, error=1, rows=3),
    "contexts": Style(apis.Contexts, [GOOD] * 3, ok=3),
    "a batch": Style(apis.Rows, [GOOD] * 8, ok=8, calls=2, options=BATCH),
    "a batch with a broken request": Style(
        apis.Rows, [GOOD] * 4 + [GOOD, BROKEN, GOOD, GOOD], ok=4, error=4, calls=2, options=BATCH
    ),
    "a batch with a refused request": Style(
        apis.Rows, [REFUSED, GOOD, GOOD, GOOD], ok=0, error=4, calls=1, options=BATCH, measured=(), rows=0
    ),
    "a batch that is too short": Style(
        apis.TooFew, [GOOD] * 4, ok=0, error=4, calls=1, options=BATCH, measured=("inference",), rows=4
    ),
    # The first has its answer by then.
    "a batch with an answer that cannot be sent": Style(
        apis.Rows, [GOOD, UNSENT, GOOD, GOOD], ok=1, error=3, calls=1, options=BATCH, rows=4
    ),
    "a batch that waited too long": Style(
        apis.Late, [GOOD] * 4, ok=0, error=4, options={"max_batch_size": 4}, measured=(), rows=0
    ),
    "waited too long": Style(apis.Late, [GOOD] * 3, ok=0, error=3, measured=(), rows=0),
    "asynchronous": Style(apis.Asynchronous, [GOOD] * 5, ok=5, options={"enable_async": True}),
    "asynchronous, one refused, one broken": Style(
        apis.Asynchronous, [GOOD, REFUSED, GOOD, BROKEN], ok=2, error=2, options={"enable_async": True}
    ),
    "partly asynchronous": Style(
        apis.PartlyAsynchronous, [GOOD, BROKEN, GOOD], ok=2, error=1, options={"enable_async": True}
    ),
    "streams": Style(apis.Streaming, [GOOD] * 3, ok=3, options={"stream": True}),
    "streams that break": Style(
        apis.Streaming, [GOOD, BROKEN, UNSENT], ok=1, error=2, options={"stream": True}, rows=2
    ),
    "streams of a batch": Style(
        apis.Streaming, [GOOD] * 4, ok=4, calls=1, options={"stream": True, **BATCH}
    ),
    "a batch of streams that break": Style(
        apis.Streaming, [GOOD, UNSENT, GOOD, GOOD], ok=0, error=4, calls=1, options={"stream": True, **BATCH}, rows=4
    ),
    "asynchronous streams": Style(
        apis.AsynchronousStreaming,
        [GOOD, UNSENT, GOOD, BROKEN],
        ok=2,
        error=2,
        options={"stream": True, "enable_async": True},
        rows=3,
    ),
    "a chat": Style(
        apis.Chat, [said("one two"), said("three break"), said("four")], ok=2, error=1, options=chat(), rows=0
    ),
    "an asynchronous chat": Style(
        apis.AsynchronousChat,
        [said("one two"), said("three break"), said("four")],
        ok=2,
        error=1,
        options={"enable_async": True, **chat()},
        measured=("inference", "handle"),
        rows=0,
    ),
    "a loop of its own": Style(
        apis.Rows, [GOOD, BROKEN, GOOD], ok=2, error=1, options={"loop": apis.Turns()}, measured=("handle",), rows=0
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    rng = np.random.default_rng(5)
    return Baseline.fit(
        rng.normal(size=(2000, apis.FEATURES)), outputs=rng.normal(size=(2000, apis.CLASSES)), name="rows"
    )


def published(callback: Any) -> MemoryPublisher:
    publisher = MemoryPublisher()
    add_up(callback._folder, publisher)
    return publisher


@pytest.mark.filterwarnings("ignore:.*should be an async function.*:UserWarning")
@pytest.mark.filterwarnings("ignore:The `dict` method is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", STYLES)
def test_responses_are_the_same_and_each_request_counts_once(name: str, baseline: Baseline) -> None:
    style = STYLES[name]
    callback = callback_for(baseline)
    plain = serve(style.api(**style.options), style.payloads)
    watched = serve(style.api(**style.options), style.payloads, callback)
    assert sorted(map(repr, watched)) == sorted(map(repr, plain))

    seen = published(callback)
    assert seen.value(m.REQUESTS, "ok") == style.ok
    assert seen.value(m.REQUESTS, "error") == style.error
    assert seen.value(m.BATCH_SIZE.sum) == len(style.payloads)
    assert seen.value(m.BATCH_SIZE.count) == (style.calls or len(style.payloads))
    for stage in style.measured:
        assert seen.value(m.STAGE_DURATION.count, stage, "host") > 0, stage
        assert seen.value(m.STAGE_DURATION.sum, stage, "host") > 0, stage
    if not style.measured:
        assert seen.value(m.STAGE_DURATION.count, "inference", "host") == 0
    rows = style.ok if style.rows is None else style.rows
    assert seen.value(m.WINDOW_SAMPLES, "1000", "0") + wide(seen) == rows
    assert seen.value(m.OUT_OF_MEMORY, "cpu") == style.out_of_memory
    assert seen.total(m.MONITOR_ERRORS) == 0
    assert not callback.monitor.recorder.running


def wide(seen: MemoryPublisher) -> float:
    return seen.value(m.INPUT_INVALID, "all", "bad_shape")


def test_outputs_are_compared_a_row_a_request(baseline: Baseline) -> None:
    for options in ({}, BATCH, {"enable_async": True}):
        callback = callback_for(baseline)
        api = apis.Asynchronous if "enable_async" in options else apis.Rows
        serve(api(**options), [GOOD] * 8, callback)
        assert published(callback).total(m.PREDICTIONS) == 8
        assert published(callback).value(m.CONFIDENCE.count) == 8


def test_encoding_a_stream_is_without_the_steps_that_it_draws(baseline: Baseline) -> None:
    class Counted(apis.Streaming):
        def predict(self, rows):
            for _ in range(50):
                torch.linalg.svdvals(torch.randn(60, 60))
                yield rows

        def encode_response(self, steps):
            yield from ("step" for _ in steps)

    callback = callback_for(baseline)
    serve(Counted(stream=True), [GOOD], callback)
    seen = published(callback)
    inference, encoding, whole = (
        seen.value(m.STAGE_DURATION.sum, stage, "host") for stage in ("inference", "postprocess", "handle")
    )
    assert 0 < encoding < inference
    assert inference + encoding <= whole


def test_a_loop_that_sends_responses_by_itself_is_named_and_served_unwatched(baseline, caplog) -> None:
    class Alone:
        def pre_setup(self, api, spec=None):
            pass

        def __call__(self, api, device, worker, requests, transport, *_):
            queue, uid, _, payload = requests.get()
            answer = api.predict(api.decode_request(payload)).tolist()
            transport.send((uid, (answer, "OK", None, 0)), queue)

    api = apis.Rows()
    api.loop = Alone()
    callback = callback_for(baseline)
    assert len(serve(api, [GOOD], callback)) == 1
    assert callback.monitor is None
    assert (
        "Alone cannot be counted, since it has no put_response; derive it from litserve.loops.LitLoop"
        in caplog.text
    )


def test_a_server_of_several_needs_to_know_which(baseline, caplog) -> None:
    serve_two = [apis.Rows(api_path="/a"), apis.Rows(api_path="/b")]
    LitServer(serve_two, accelerator="cpu", callbacks=[callback_for(baseline)])
    assert "api_path is None, and the server's are /a, /b; give each model a callback" in caplog.text
    caplog.clear()
    LitServer(serve_two, accelerator="cpu", callbacks=[callback_for(baseline, api_path="/c")])
    assert "api_path is '/c', and the server's are /a, /b" in caplog.text


def test_what_a_user_can_mend_stops_the_start(baseline, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        callback_for(baseline, MonitoringConfig(learn=100))
    with pytest.raises(RuntimeError, match="cannot be read"):
        callback_for(None, MonitoringConfig(baseline=str(tmp_path / "none.json")))


def test_a_baseline_is_learned_from_what_is_served(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    config = MonitoringConfig(flush_interval=10, learn=100)
    rng = np.random.default_rng(5)
    payloads = [{"row": row} for row in rng.normal(size=(120, apis.FEATURES)).tolist()]
    first, second = callback_for(config=config), callback_for(config=config)
    serve(apis.Rows(), payloads, first)
    serve(apis.Rows(), payloads[:10], second)
    assert published(second).value(m.BASELINE_SAMPLES) == 100
    assert published(second).value(m.WINDOW_SAMPLES, "1000", "0") == 10


def test_a_callback_reaches_a_worker_with_a_baseline_of_any_kind() -> None:
    rng = np.random.default_rng(5)
    kinds = {
        "images": rng.normal(size=(200, 3, 8, 8)),
        "tokens": rng.integers(1, 50, size=(200, 12)),
        "texts": ["one or two words"] * 200,
    }
    for kind, inputs in kinds.items():
        built = Baseline.fit(inputs, features=Features(inputs=kind), name=kind)
        callback = pickle.loads(pickle.dumps(callback_for(built)))
        assert callback.baseline == built
        assert callback.baseline.input_kind == kind


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("wrong", 401), ("right", 200)])
def test_the_page_is_open_to_whom_the_server_is_open_to(key, status, baseline, monkeypatch) -> None:
    monkeypatch.setattr("litserve.server.LIT_SERVER_API_KEY", "right")
    server = LitServer(apis.Rows(), accelerator="cpu", callbacks=callback_for(baseline))

    async def scraped() -> httpx.Response:
        transport = httpx.ASGITransport(server.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get("/metrics", headers={"X-API-Key": key} if key else {})

    assert asyncio.run(scraped()).status_code == status


STAGED = [("one by one", 6, False), ("a batch", 8, True), ("streams", 4, False)]


@pytest.mark.parametrize(("name", "count", "keeps"), STAGED)
def test_no_fault_of_ours_reaches_a_response_and_each_is_counted(
    name, count, keeps, baseline, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr("torchvitals.worker.pacing.SLICE_SECONDS", 1e9)
    truth = GroundTruth(directory=str(tmp_path), id_field="order") if keeps else None
    config = msgspec.structs.replace(QUIET, ground_truth=truth)
    style = STYLES[name]
    payloads = [GOOD] * count
    plain = serve(style.api(**style.options), payloads)

    def watched(profile):
        api = style.api(**style.options)
        run = type(api.loop).__call__
        callback = callback_for(baseline, config)

        def loop(*args):
            with profile:
                return run(*args)

        monkeypatch.setattr(type(api.loop), "__call__", loop)
        answers = serve(api, payloads, callback)
        monkeypatch.setattr(type(api.loop), "__call__", run)
        return answers, published(callback)

    watch = Watch(("apis.py",))
    assert watched(watch)[0] == plain
    # The guard itself, as far as it runs what it guards.
    places = {code: place for code, place in watch.places.items() if place != "_Ending.awaited"}
    print(f"{len(places)} places: {', '.join(sorted(places.values()))}")
    assert len(places) >= 10
    for code, place in places.items():
        for fault in FAULTS:
            planted = plant(code, fault)
            answers, seen = watched(planted)
            assert answers == plain, (place, fault)
            # Of a call that could not be described, the guard knows that it was one at least.
            least = count - 3 if place in ("Sequential._describe", "_Ending.ended") else count
            assert least <= seen.total(m.REQUESTS) <= count, (place, fault)
            if planted.sprung:
                assert seen.total(m.MONITOR_ERRORS) >= 1, (place, fault)
