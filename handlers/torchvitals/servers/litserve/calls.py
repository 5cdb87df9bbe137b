"""When a call begins and ends in LitServe's loops, and how it was answered.

A loop takes requests, runs the hooks of a LitAPI, and hands each response, errors too, to its `put_response`. No one
function spans all of that, except where each request is a task of its own. So a call is a recorded coroutine that is
suspended while LitServe works.
"""

from __future__ import annotations

import functools
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, Optional, Protocol

from litserve.loops.base import DefaultLoop
from litserve.utils import LitAPIStatus, LoopResponseType

from ...errors import ConfigurationError
from ...recording.call import CallRecord
from ...recording.guard import recorded
from ...recording.recorder import Recorder, is_out_of_memory
from .stages import keep_signature

PUT_RESPONSE = ("transport", "response_queue_id", "uid", "response_data", "status", "response_type")
PUT_ERROR = ("transport", "response_queue_id", "uid", "error", "response_type")
# What runs in a task of its own for each request (litserve: loops/simple_loops.py, loops/streaming_loops.py).
TASKS = ("_process_single_request", "_process_streaming_request")
MAX_OPEN_CALLS = 10_000


class Calls(Protocol):
    """The calls of one loop.

    staged: whether the hooks of a LitAPI that run belong to one call, which is known then.
    """

    staged: bool

    def watch(self, api: Any) -> None:
        """Shadow what tells of a LitAPI's calls, once its stages are measured."""

    def taken(self, uid: str) -> None:
        """Note that the loop took a request off its queue."""

    def answered(self, uid: str, *, failed: bool) -> None:
        """Note that a request has its last response."""


def watch_calls(loop: Any, recorder: Recorder, *, stream: bool, tasks: bool) -> Calls:
    """Write down what a loop answers from now on.

    Args:
        loop: what LitServe runs a LitAPI by, before it runs.
        recorder: gets a record of each call.
        stream: whether responses are streams.
        tasks: whether each request is a task of its own.

    Raises:
        ConfigurationError: the loop is the user's own and sends responses by other means than LitServe's.
    """
    if not hasattr(loop, "put_response"):
        raise ConfigurationError(
            f"requests of {type(loop).__name__} cannot be counted, since it has no put_response; derive it from "
            "litserve.loops.LitLoop and send each response by put_response"
        )
    calls = _calls_of(loop, recorder, stream=stream, tasks=tasks)
    _watch_responses(loop, calls, recorder)
    return calls


def _calls_of(loop: Any, recorder: Recorder, *, stream: bool, tasks: bool) -> Calls:
    if not isinstance(loop, DefaultLoop):
        return Overlapping(recorder)
    if not tasks:
        return Sequential(recorder, stream=stream)
    functions = [name for name in TASKS if hasattr(loop, name)]
    if not functions:
        return Overlapping(recorder)
    calls = Concurrent(recorder, stream=stream)
    for name in functions:
        setattr(loop, name, recorded(getattr(loop, name), recorder, calls.describe))
    return calls


class Sequential:
    """Calls of a loop that answers what it took before it takes more: one request, or a batch of them."""

    staged = True

    def __init__(self, recorder: Recorder, *, stream: bool) -> None:
        self._recorder = recorder
        self._stream = stream
        self._run = recorded(_until_answered, recorder, self._describe)
        # In the order in which they came.
        self._taken: dict[str, bool] = {}
        # The requests of the latest call, and those of them that have no response yet.
        self._requests: list[str] = []
        self._open: set[str] = set()
        self._failed = 0
        # Whether a call was made of what was taken, or could not be.
        self._begun = False
        self._call: Optional[Coroutine[Any, Any, None]] = None

    def watch(self, api: Any) -> None:
        """Let a call begin with the first request that is decoded."""
        decode_request, note = api.decode_request, self._recorder.faults.note

        @functools.wraps(decode_request)
        def decode(*args: Any, **kwargs: Any) -> Any:
            try:
                self._begin()
            except BaseException as fault:
                note("begin", fault)
            return decode_request(*args, **kwargs)

        keep_signature(decode, decode_request)
        api.decode_request = decode

    def taken(self, uid: str) -> None:
        """Note that the loop took a request off its queue."""
        if self._call is not None:
            # The loop goes on, so that all has its answer; a fault of ours kept one from being noted.
            for answered in self._open:
                self._taken.pop(answered, None)
            self._end()
        self._taken[uid] = True
        self._begun = False

    def answered(self, uid: str, *, failed: bool) -> None:
        """Note that a request has its last response; the call ends with the last one of all."""
        self._taken.pop(uid, None)
        if uid in self._open:
            self._open.discard(uid)
            self._failed += failed
            if not self._open:
                self._end()
        elif uid not in self._requests:
            # One that waited too long, or that no call could begin with. A request of the call that has a response
            # already gets another one when a later output cannot be sent; the first is what the client sees.
            add_alone(self._recorder, failed=failed)

    def _end(self) -> None:
        call, self._call, self._open = self._call, None, set()
        _end(call)

    def _begin(self) -> None:
        """Begin a call with the requests taken, once."""
        if not self._begun and self._taken:
            self._begun = True
            requests, self._requests, self._failed = list(self._taken), [], 0
            call, still_open = self._run(requests), set(requests)
            call.send(None)
            self._requests, self._open, self._call = requests, still_open, call

    def _describe(self, call: CallRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Also of a call that could not begin: it counts, and its responses count no more.
        self._requests = args[0]
        call.requests = len(args[0])
        call.failed = self._failed
        if self._stream:
            without_inner_steps(call)


class Concurrent:
    """Calls of a loop that runs a task for each request."""

    staged = True

    def __init__(self, recorder: Recorder, *, stream: bool) -> None:
        self._recorder = recorder
        self._stream = stream

    def watch(self, api: Any) -> None:
        """Do nothing: a call begins with its task."""

    def taken(self, uid: str) -> None:
        """Do nothing: a call begins with its task."""

    def answered(self, uid: str, *, failed: bool) -> None:
        """Note that a request has its last response; the call ends with its task."""
        if not failed:
            return
        call = self._recorder.current.get()
        if call is not None and call in self._recorder.running:
            call.failed = 1
        else:
            add_alone(self._recorder, failed=True)

    def describe(self, call: CallRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Fill in what is known when a task ends."""
        call.requests = 1
        if self._stream:
            without_inner_steps(call)


class Overlapping:
    """Calls of a loop that takes requests while others are being answered, as continuous batching does.

    Each request is a call, from when it is taken to its last response.
    """

    staged = False

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._run = recorded(_until_answered, recorder, self._describe)
        self._calls: dict[str, tuple[Context, Coroutine[Any, Any, None]]] = {}
        self._failed: dict[str, bool] = {}

    def watch(self, api: Any) -> None:
        """Do nothing: a call begins when its request is taken."""

    def taken(self, uid: str) -> None:
        """Begin a call, in a context of its own, so that it is no part of another."""
        if len(self._calls) < MAX_OPEN_CALLS:
            context, call = Context(), self._run([uid])
            context.run(call.send, None)
            self._calls[uid] = context, call

    def answered(self, uid: str, *, failed: bool) -> None:
        """End a request's call."""
        known = self._calls.pop(uid, None)
        if known is None:
            add_alone(self._recorder, failed=failed)
            return
        self._failed[uid] = failed
        context, call = known
        context.run(_end, call)

    def _describe(self, call: CallRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        call.requests = 1
        call.failed = int(self._failed.pop(args[0][0], False))


def add_alone(recorder: Recorder, *, failed: bool) -> None:
    """Count a request that no call was made of; it has no durations."""
    recorder.add(CallRecord(0, 0, requests=1, failed=int(failed), timed=False))


def without_inner_steps(call: CallRecord) -> None:
    """Leave out of a stream's postprocess what predict takes: `encode_response` draws each step from it."""
    call.postprocess_ns = max(0, call.postprocess_ns - call.inference_ns)


class _Suspended:
    """Is awaited until it is sent something."""

    def __await__(self) -> Generator[None, None, None]:
        yield


async def _until_answered(requests: list[str]) -> None:
    await _Suspended()


def _end(call: Optional[Coroutine[Any, Any, None]]) -> None:
    try:
        if call is not None:
            call.send(None)
    except StopIteration:
        pass


def _watch_responses(loop: Any, calls: Calls, recorder: Recorder) -> None:
    """Shadow what a loop sends responses by. What is ours runs once the response is sent, and cannot fail it."""
    note = recorder.faults.note
    put_response, put_error_response = loop.put_response, loop.put_error_response

    @functools.wraps(put_response)
    def shadow(*args: Any, **kwargs: Any) -> Any:
        result = put_response(*args, **kwargs)
        try:
            response = {**dict(zip(PUT_RESPONSE, args)), **kwargs}
            status = response["status"]
            if status == LitAPIStatus.START:
                calls.taken(response["uid"])
            elif _is_last(status, response["response_type"]):
                calls.answered(response["uid"], failed=status == LitAPIStatus.ERROR)
        except BaseException as fault:
            note("end", fault)
        return result

    @functools.wraps(put_error_response)
    def shadow_error(*args: Any, **kwargs: Any) -> Any:
        try:
            call = recorder.current.get()
            if call is not None and call in recorder.running:
                call.out_of_memory = is_out_of_memory({**dict(zip(PUT_ERROR, args)), **kwargs}["error"])
        except BaseException as fault:
            note("end", fault)
        return put_error_response(*args, **kwargs)

    loop.put_response, loop.put_error_response = shadow, shadow_error


def _is_last(status: Any, response_type: Any) -> bool:
    if response_type == LoopResponseType.STREAMING:
        return bool(status in (LitAPIStatus.FINISH_STREAMING, LitAPIStatus.ERROR))
    return True
