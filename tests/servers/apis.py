"""LitAPIs of each kind that LitServe has, around one small network."""

from __future__ import annotations

import math
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import torch
from fastapi import HTTPException
from litserve import LitAPI
from litserve.loops import LitLoop
from litserve.loops.base import _SENTINEL_VALUE
from litserve.utils import LitAPIStatus, LoopResponseType

FEATURES, CLASSES = 4, 3


class Rows(LitAPI):
    """A row of numbers in, a list of scores out; what `fail` names goes wrong."""

    def setup(self, device: str) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(FEATURES, CLASSES).eval()

    # LitServe reads a request by its annotation, of which `Any` is none.
    def decode_request(self, request):
        fail_if(request, "decode")
        return torch.tensor(request["row"], dtype=torch.float32)

    def predict(self, rows: torch.Tensor) -> torch.Tensor:
        if rows.isnan().any():
            raise MemoryError
        with torch.inference_mode():
            return self.model(rows)

    def encode_response(self, scores):
        if scores.isinf().any():
            return threading.Lock()  # cannot be sent
        return scores.tolist()


def fail_if(request: Any, stage: str) -> None:
    fail = request.get("fail")
    if fail == f"{stage}: refused":
        raise HTTPException(418, "not this one")
    if fail == stage:
        raise ValueError("not this one either")


class Contexts(Rows):
    """Asks for the context of a request."""

    def predict(self, rows: torch.Tensor, context: Any) -> torch.Tensor:
        context["seen"] = True
        return super().predict(rows)

    def encode_response(self, scores: torch.Tensor, context: dict[str, Any]) -> Any:
        return [context["seen"], *scores.tolist()]


class TooFew(Rows):
    """Gives fewer outputs than it is given inputs."""

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        return list(output)[1:]


class Late(Rows):
    """Each request has waited too long once it is taken."""

    def setup(self, device: str) -> None:
        super().setup(device)
        self.request_timeout = 1e-9


class Asynchronous(Rows):
    async def decode_request(self, request: Any) -> torch.Tensor:
        return super().decode_request(request)

    async def predict(self, rows: torch.Tensor) -> torch.Tensor:
        return super().predict(rows)

    async def encode_response(self, scores: torch.Tensor) -> Any:
        return super().encode_response(scores)


class PartlyAsynchronous(Rows):
    """LitServe runs what is no coroutine function in threads."""

    async def predict(self, rows: torch.Tensor) -> torch.Tensor:
        return super().predict(rows)


class Streaming(Rows):
    """A score at a time."""

    def predict(self, rows: torch.Tensor) -> Iterator[Any]:
        scores = super().predict(rows)
        for place in range(CLASSES):
            yield scores[..., place]

    def encode_response(self, steps: Iterator[torch.Tensor]) -> Iterator[Any]:
        for place, step in enumerate(steps):
            scores = torch.stack(step) if isinstance(step, list) else step
            if place and scores.isinf().any():
                raise ValueError("in the middle")
            yield scores.tolist()


class AsynchronousStreaming(Rows):
    async def decode_request(self, request: Any) -> torch.Tensor:
        return super().decode_request(request)

    async def predict(self, rows: torch.Tensor) -> AsyncIterator[float]:
        for score in super().predict(rows).tolist():
            yield score

    async def encode_response(self, steps: AsyncIterator[float]) -> AsyncIterator[Any]:
        async for step in steps:
            if math.isinf(step):
                raise ValueError("in the middle")
            yield {"score": step}


class Chat(Rows):
    """A stream of words by OpenAI's specification, which decodes and encodes."""

    decode_request, encode_response = LitAPI.decode_request, LitAPI.encode_response

    def predict(self, request: Any) -> Iterator[dict[str, str]]:
        for word in request.messages[0].content.split():
            if word == "break":
                raise ValueError("in the middle")
            yield {"role": "assistant", "content": word}


class AsynchronousChat(Chat):
    async def predict(self, request: Any) -> AsyncIterator[dict[str, str]]:
        for step in super().predict(request):
            yield step


class Turns(LitLoop):
    """A loop of somebody's own, which takes all requests before it answers the first."""

    def __call__(self, api: LitAPI, device: str, worker: int, requests: Any, transport: Any, *_: Any) -> None:
        taken = []
        while (request := requests.get()) != _SENTINEL_VALUE:
            queue, uid, _, payload = request
            self.put_response(transport, queue, uid, (), LitAPIStatus.START, LoopResponseType.REGULAR)
            taken.append((queue, uid, payload))
            if not requests.empty():
                continue
            for queue, uid, payload in taken:
                try:
                    answer = api.encode_response(api.predict(api.decode_request(payload)))
                except ValueError as error:
                    self.put_error_response(transport, queue, uid, error)
                else:
                    self.put_response(
                        transport, queue, uid, answer, LitAPIStatus.OK, LoopResponseType.REGULAR
                    )
            taken.clear()
