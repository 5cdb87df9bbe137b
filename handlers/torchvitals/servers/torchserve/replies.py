"""How TorchServe answers a call: what it makes of a handler's result is known only after the handler returned."""

from __future__ import annotations

import functools
import weakref
from typing import Any, Optional

from ts import service

from ...recording.recorder import Recorder
from .requests import Requests

try:
    from ts import async_service
except ImportError:  # TorchServe before 0.12
    async_service = None

# By the identity of a worker's context: TorchServe makes a service of it once the model is loaded.
_watched: dict[int, tuple[Any, Requests, Recorder]] = {}


def watch_replies(context: Any, requests: Requests, recorder: Recorder) -> None:
    """See how each call of the service with this context is answered, and complete its record then.

    TorchServe refuses results of another type or length than the batch's, and what it cannot write as JSON, with a 503
    (ts/service.py, ts/protocol/otf_message_handler.py); an envelope may refuse a request before a handler sees it.
    """
    _watched[id(context)] = (weakref.ref(context), requests, recorder)
    recorder.holds = True
    if not hasattr(service.Service.predict, "__wrapped__"):
        service.Service.predict = _synchronous(service.Service.predict)
    # An asynchronous worker puts this function in the place of the method when its service is made.
    if async_service is not None and not hasattr(async_service.predict, "__wrapped__"):
        async_service.predict = _asynchronous(async_service.predict)


def _watch_of(context: Any) -> Optional[tuple[Requests, Recorder]]:
    found = _watched.get(id(context))
    return None if found is None or found[0]() is not context else found[1:]


def _synchronous(predict: Any) -> Any:
    @functools.wraps(predict)
    def predict_and_record(self: Any, batch: Any) -> Any:
        reply: Optional[bytes] = b""
        try:
            reply = predict(self, batch)
            return reply
        finally:
            try:
                _answered(self.context, len(batch), reply)
            except BaseException as fault:
                _incomplete(self.context, fault)

    return predict_and_record


def _asynchronous(predict: Any) -> Any:
    @functools.wraps(predict)
    async def predict_and_record(self: Any, batch: Any) -> Any:
        reply: Optional[bytes] = b""
        try:
            reply = await predict(self, batch)
            return reply
        finally:
            try:
                _answered(self.context, len(batch), reply)
            except BaseException as fault:
                _incomplete(self.context, fault)

    return predict_and_record


def _answered(context: Any, count: int, reply: Optional[bytes]) -> None:
    """Complete the record of a call of `count` requests."""
    watch = _watch_of(context)
    if watch is not None:
        requests, recorder = watch
        requests.answered(recorder.current.get(), reply, count, context)
        recorder.current.set(None)


def _incomplete(context: Any, fault: BaseException) -> None:
    """Let calls wait as they are, and count the fault."""
    watch = _watch_of(context)
    if watch is not None:
        _, recorder = watch
        recorder.current.set(None)
        for call in list(recorder.held):
            recorder.answered(call)
        recorder.faults.note("requests", fault)
