"""Wrapping a handler's stages, so that whatever its class overrides is what is measured."""

from __future__ import annotations

import functools
from collections.abc import Callable
from threading import get_ident
from time import perf_counter_ns
from typing import Any

from .call import MEASURED, STAGE_FIELDS
from .clocks import Span, StageClock
from .recorder import Recorder

Function = Callable[..., Any]


def instrument_stages(handler: Any, recorder: Recorder, clock: StageClock) -> None:
    """Shadow preprocess, inference and postprocess of one handler object with measured ones.

    The most derived method is wrapped, once; what it calls through `super()` is part of it.
    """
    for index, stage in enumerate(MEASURED):
        method = getattr(handler, stage, None)
        if callable(method):
            setattr(handler, stage, _measured(method, stage, index, recorder, clock))


def _measured(method: Function, stage: str, index: int, recorder: Recorder, clock: StageClock) -> Function:
    """Return `method` with its duration added to the call in progress; inference with what goes in and comes out."""
    if not clock.host_only:
        timed = _timed_by(clock, method, index, recorder)
        return _observed(timed, recorder) if stage == "inference" else timed
    if stage == "inference":
        return _observed_by_host(method, STAGE_FIELDS[index], recorder)
    return _timed_by_host(method, STAGE_FIELDS[index], recorder)


def _timed_by_host(method: Function, field: str, recorder: Recorder) -> Function:
    # What `recorder.current` does, without the call: three of them a request would be felt.
    running, latest = recorder.running, recorder.latest

    @functools.wraps(method)
    def stage(*args: Any, **kwargs: Any) -> Any:
        call = running.get(get_ident()) or latest()
        if call is None:
            return method(*args, **kwargs)
        started = perf_counter_ns()
        try:
            return method(*args, **kwargs)
        finally:
            setattr(call, field, getattr(call, field) + perf_counter_ns() - started)

    return stage


def _observed_by_host(inference: Function, field: str, recorder: Recorder) -> Function:
    """Do what `_observed` and `_timed_by_host` do one after the other, in one function for the sake of speed."""
    running, latest = recorder.running, recorder.latest

    @functools.wraps(inference)
    def observed(*args: Any, **kwargs: Any) -> Any:
        call = running.get(get_ident()) or latest()
        if call is None:
            return inference(*args, **kwargs)
        if args:
            recorder.inputs(call, args[0])
        started = perf_counter_ns()
        try:
            result = inference(*args, **kwargs)
        finally:
            setattr(call, field, getattr(call, field) + perf_counter_ns() - started)
        recorder.outputs(call, result)
        return result

    return observed


def _timed_by(clock: StageClock, method: Function, index: int, recorder: Recorder) -> Function:
    field = STAGE_FIELDS[index]

    @functools.wraps(method)
    def stage(*args: Any, **kwargs: Any) -> Any:
        call = recorder.current()
        if call is None:
            return method(*args, **kwargs)
        begin = clock.mark()
        started = perf_counter_ns()
        try:
            result = method(*args, **kwargs)
            clock.settle()
            return result
        finally:
            setattr(call, field, getattr(call, field) + perf_counter_ns() - started)
            if begin is not None:
                call.span = Span(index, begin, clock.mark(), call.span)

    return stage


def _observed(inference: Function, recorder: Recorder) -> Function:
    """Return inference with its first argument and its result copied for the flush thread."""

    @functools.wraps(inference)
    def observed(*args: Any, **kwargs: Any) -> Any:
        call = recorder.current()
        if call is None:
            return inference(*args, **kwargs)
        if args:
            recorder.inputs(call, args[0])
        result = inference(*args, **kwargs)
        recorder.outputs(call, result)
        return result

    return observed
