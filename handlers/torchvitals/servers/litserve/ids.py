"""The ids of predictions, out of requests that a LitAPI decodes one by one."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Optional

from ...config import GroundTruth
from ...recording.naming import PredictionNames, fields_of, name_of
from ...recording.recorder import Recorder
from .stages import keep_signature

# Ids and segments of the requests of a call that are decoded already; None of the first one.
Before = tuple[Optional[str], str]


def offer(api: Any, recorder: Optional[Recorder] = None) -> None:
    """Let a LitAPI say ids as `self.predictions.id`, unless it has something of its own under that name.

    recorder: of what watches it; without one, what it says goes nowhere.
    """
    # A property of the user's may raise, and may not be set.
    with contextlib.suppress(Exception):
        own = getattr(api, "predictions", None)
        if own is None or (recorder is not None and isinstance(own, PredictionNames)):
            api.predictions = PredictionNames(recorder)


class RequestIds:
    """Gives each call the ids of its predictions, request by request, and their segments.

    What `decode_request` says is of the request that it decodes, and counts before a field of its body. What is said
    later is of all requests of the call, and counts before both.
    """

    def __init__(self, recorder: Recorder, options: GroundTruth) -> None:
        self._recorder = recorder
        self._id_field = options.id_field
        self._segment_field = options.segment_field

    def watch(self, api: Any) -> None:
        """Shadow `decode_request`, which runs within a call from here on."""
        method = api.decode_request
        shadow = (self._async_shadow if inspect.iscoroutinefunction(method) else self._shadow)(method)
        keep_signature(shadow, method)
        api.decode_request = shadow

    def _shadow(self, method: Callable[..., Any]) -> Callable[..., Any]:
        note = self._recorder.faults.note

        @functools.wraps(method)
        def decode(*args: Any, **kwargs: Any) -> Any:
            before = None
            try:
                before = self._begin(*args[:1])
            except BaseException as fault:
                note("requests", fault)
            decoded = method(*args, **kwargs)
            try:
                self._end(before)
            except BaseException as fault:
                note("requests", fault)
            return decoded

        return decode

    def _async_shadow(self, method: Callable[..., Any]) -> Callable[..., Any]:
        note = self._recorder.faults.note

        @functools.wraps(method)
        async def decode(*args: Any, **kwargs: Any) -> Any:
            before = None
            try:
                before = self._begin(*args[:1])
            except BaseException as fault:
                note("requests", fault)
            decoded = await method(*args, **kwargs)
            try:
                self._end(before)
            except BaseException as fault:
                note("requests", fault)
            return decoded

        return decode

    def _begin(self, request: Any = None) -> Optional[Before]:
        """Take the names of a request from its body, which may be used up; return those of the requests before."""
        call = self._recorder.current.get()
        if call is None:
            return None
        before = call.ids, call.segments
        call.ids, call.segments = _in(request, self._id_field), _in(request, self._segment_field)
        return before

    def _end(self, before: Optional[Before]) -> None:
        """Add the names of a request, as they are now, to those of the requests before."""
        call = self._recorder.current.get()
        ids, segments = before or (None, "")
        if call is None or ids is None:
            return
        if segments or call.segments:
            call.segments = f"{_each(segments, ids)}\n{_each(call.segments, call.ids or '')}"
        call.ids = f"{ids}\n{call.ids or ''}"


def _each(segments: str, ids: str) -> str:
    """Return a segment for each id, where there is one for all of them."""
    return segments if "\n" in segments else "\n".join([segments] * (ids.count("\n") + 1))


def _in(request: Any, field: Optional[str]) -> str:
    """Return the names that a request's body has in a field, one a line; an empty one where there is none."""
    if field is None:
        return ""
    # A model of pydantic's has its fields as attributes.
    body = request if isinstance(request, (Mapping, list)) else getattr(request, "__dict__", None)
    return "\n".join(map(name_of, fields_of(body, field)))
