"""LitServe's worker in this process: its own function, loops and hooks, with queues in the place of its transport."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Queue
from typing import Any

import pytest
from litserve import LitAPI, LitServer
from litserve.loops.base import _SENTINEL_VALUE, _StopLoopError
from litserve.loops.loops import inference_worker
from litserve.transport.base import MessageTransport
from litserve.utils import LitAPIStatus, LoopResponseType

from torchvitals import Baseline, MonitoringConfig
from torchvitals.servers.litserve import MonitoringCallback

Sent = tuple[str, Any, str]
# Nothing is flushed that a test does not flush itself.
QUIET = MonitoringConfig(flush_interval=10, warmup=0)


class Answers(MessageTransport):
    """Keeps what a worker sends, and ends the worker once each request has its last response."""

    def __init__(self, requests: Queue[Any], expected: int) -> None:
        self.sent: list[Sent] = []
        self._requests = requests
        self._left = expected

    def send(self, item: Any, consumer_id: int) -> None:
        uid, (data, status, kind, _) = pickle.loads(pickle.dumps(item))
        answered = {done for done, _, end in self.sent if self._is_last(end, kind)}
        self.sent.append((uid, _comparable(data), status))
        if self._is_last(status, kind) and uid not in answered:
            self._left -= 1
            if not self._left:
                self._requests.put(_SENTINEL_VALUE)

    async def areceive(self, timeout: int | None = None, consumer_id: int | None = None) -> Any:
        raise NotImplementedError

    @staticmethod
    def _is_last(status: str, kind: LoopResponseType) -> bool:
        return status != LitAPIStatus.OK or kind == LoopResponseType.REGULAR


def _comparable(data: Any) -> Any:
    error = pickle.loads(data) if isinstance(data, bytes) and data[:1] == b"\x80" else data
    return repr(error) if isinstance(error, Exception) else data


def callback_for(
    baseline: Baseline | None = None, config: MonitoringConfig = QUIET, **options: Any
) -> MonitoringCallback:
    return MonitoringCallback(baseline, model_name="m", model_version="1", config=config, **options)


def serve(api: LitAPI, payloads: list[Any], callback: MonitoringCallback | None = None) -> list[Sent]:
    """Serve requests by one worker and return all responses: identifier, content, status."""
    server = LitServer(api, accelerator="cpu", callbacks=callback)
    requests: Queue[Any] = Queue()
    for number, payload in enumerate(payloads):
        requests.put((0, f"r{number}", time.monotonic(), payload))
    answers = Answers(requests, len(payloads))
    # By which the loop of batched streams ends.
    with event_loops_closed(), suppress(_StopLoopError):
        inference_worker(api, "cpu", 0, requests, answers, {}, server._callback_runner, False)
    if callback is not None and callback.monitor is not None:
        callback.monitor.stop()
    return answers.sent


@contextmanager
def event_loops_closed() -> Iterator[None]:
    """Close the event loops that LitServe makes and leaves to the end of its process."""
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def new_event_loop() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", new_event_loop)
        yield
    for loop in made:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
