"""Measuring what a LitAPI does: decode_request and batch, predict, unbatch and encode_response."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from types import SimpleNamespace
from typing import Any

from ...recording.clocks import StageClock
from ...recording.stages import instrument_stages
from ...telemetry.runtime import Runtime
from .rows import RowRecorder, Uncopied

Function = Callable[..., Any]


def instrument(api: Any, recorder: RowRecorder, clock: StageClock, runtime: Runtime) -> None:
    """Shadow the hooks of one LitAPI object with measured ones; each stays the kind of function that it is.

    Streams are timed step by step. Of their outputs nothing is copied: a part of an answer is no row.
    """
    instrument_stages(_Stages(api, preprocess="decode_request"), recorder, clock)
    instrument_stages(_Stages(api, preprocess="batch"), recorder, clock)
    if api.stream:
        _shadow_stream(api, recorder, clock)
        return
    stages = _Stages(api, inference="predict", postprocess="encode_response")
    instrument_stages(stages, recorder, clock)
    instrument_stages(_Stages(api, postprocess="unbatch"), recorder, clock)
    if not inspect.iscoroutinefunction(api.predict):
        runtime.watch(stages)


class _Stages(SimpleNamespace):
    """Hooks of a LitAPI under the names of the stages that they are; what is set here is set there."""

    def __init__(self, api: Any, **names: str) -> None:
        vars(self).update(
            {stage: getattr(api, name) for stage, name in names.items()}, _api=api, _names=names
        )

    def __setattr__(self, stage: str, function: Function) -> None:
        keep_signature(function, getattr(self, stage))
        vars(self)[stage] = function
        setattr(self._api, self._names[stage], function)


def keep_signature(shadow: Function, method: Function) -> None:
    """Let a shadow know its signature: LitServe asks each hook for it at each request (litserve: loops/base.py)."""
    # One that cannot be told is LitServe's to ask for.
    with contextlib.suppress(TypeError, ValueError):
        vars(shadow)["__signature__"] = inspect.signature(method)


def _shadow_stream(api: Any, recorder: RowRecorder, clock: StageClock) -> None:
    """Measure the steps of `predict` and `encode_response`, where they are generators or return some."""
    # On a device's clock the steps of `predict` would be in those of `encode_response` too.
    for stage, name, its_clock in (
        ("inference", "predict", clock),
        ("postprocess", "encode_response", StageClock()),
    ):
        method = getattr(api, name)
        wrap, advance = (
            (_async_stream, _advance_async) if inspect.isasyncgenfunction(method) else (_stream, _advance)
        )
        if api.enable_async and wrap is _stream:
            # A spec's: what comes of it is not known before it is awaited.
            continue
        steps = SimpleNamespace(**{stage: advance})
        instrument_stages(steps, Uncopied(recorder), its_clock)
        stream = wrap(method, getattr(steps, stage), recorder, copied=stage == "inference")
        keep_signature(stream, method)
        setattr(api, name, stream)


def _advance(steps: Iterator[Any]) -> Any:
    return next(steps)


async def _advance_async(steps: AsyncIterator[Any]) -> Any:
    return await steps.__anext__()


def _stream(method: Function, advance: Function, recorder: RowRecorder, *, copied: bool) -> Function:
    note = recorder.faults.note

    @functools.wraps(method)
    def stream(*args: Any, **kwargs: Any) -> Generator[Any, None, Any]:
        try:
            if copied:
                _copy_inputs(recorder, args)
        except BaseException as fault:
            note("capture", fault)
        steps = iter(method(*args, **kwargs))
        try:
            while True:
                try:
                    step = advance(steps)
                except StopIteration as end:
                    return end.value
                yield step
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                close()

    return stream


def _async_stream(method: Function, advance: Function, recorder: RowRecorder, *, copied: bool) -> Function:
    note = recorder.faults.note

    @functools.wraps(method)
    async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            if copied:
                _copy_inputs(recorder, args)
        except BaseException as fault:
            note("capture", fault)
        steps = method(*args, **kwargs)
        try:
            while True:
                try:
                    step = await advance(steps)
                except StopAsyncIteration:
                    return
                yield step
        finally:
            await steps.aclose()

    return stream


def _copy_inputs(recorder: RowRecorder, args: tuple[Any, ...]) -> None:
    call = recorder.current.get()
    if call is not None and args:
        recorder.inputs(call, args[0])
