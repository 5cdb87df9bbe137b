"""Wrapping a handler's stages, so that whatever its class overrides is what is measured."""

from __future__ import annotations

import functools
import inspect
from time import perf_counter_ns
from typing import Any, Optional

import msgspec

from .accelerators import Event
from .call import MEASURED, STAGE_FIELDS, CallRecord
from .clocks import Span, StageClock
from .recorder import Recorder
from .shadows import Function, Shadow, put, switchable

INFERENCE = MEASURED.index("inference")


def shadow_stages(handler: Any) -> None:
    """Let whoever takes a stage of a handler before it is loaded, such as a thread of its own, run the measured one.

    Args:
        handler: one that was made but not initialised yet.
    """
    for stage in MEASURED:
        method = getattr(handler, stage, None)
        if callable(method):
            put(handler, stage, switchable(method).stands_on(handler, stage))


def instrument_stages(handler: Any, recorder: Recorder, clock: StageClock) -> None:
    """Shadow preprocess, inference and postprocess of one handler object with measured ones.

    The most derived method is wrapped, once; what it calls through `super()` is part of it. Nothing of ours that goes
    wrong in a stage reaches it: it is counted by phase (capture, timing). A stage that cannot be shadowed is left
    alone.
    """
    for index, stage in enumerate(MEASURED):
        try:
            method = original = getattr(handler, stage, None)
            while isinstance(original, Shadow) and getattr(original, "recorder", None) is not recorder:
                original = original.__wrapped__
            if not callable(original) or isinstance(original, Shadow):
                continue
            measured = _measured(original, index, recorder, clock)
            setattr(handler, stage, _Measured(measured, original, recorder).stands_on(handler, stage))
            if isinstance(method, Shadow) and method.become is not None:
                method.become(measured)
        except BaseException as fault:
            recorder.faults.note("timing", fault)


class _Measured(Shadow):
    """The measured stage of a handler."""

    def __new__(cls, function: Function, original: Function, recorder: Recorder) -> _Measured:
        """Make it; `recorder` tells by whom it is measured."""
        shadow: _Measured = super().__new__(cls, function, original)  # type: ignore[assignment]
        vars(shadow)["recorder"] = recorder
        return shadow


def first_argument(method: Function) -> Optional[str]:
    """Return the name of a function's first parameter; None where it has none, or does not tell."""
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return None
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return next((parameter.name for parameter in parameters if parameter.kind in named), None)


def given(args: tuple[Any, ...], kwargs: dict[str, Any], first: Optional[str]) -> Any:
    """Return the first thing that a function is given, by place or by name; None for nothing."""
    if args:
        return args[0]
    if first in kwargs:
        return kwargs[first]
    return next(iter(kwargs.values()), None)


def _measured(method: Function, index: int, recorder: Recorder, clock: StageClock) -> Function:
    """Return `method` with its duration added to the call in progress; inference with what goes in and comes out."""
    if inspect.iscoroutinefunction(method):
        return _of_coroutine(method, index, recorder, clock)
    if not clock.host_only:
        return _by_device(method, index, recorder, clock)
    return BY_HOST[index](method, recorder)


# A function a stage, for the sake of speed: to add to a field that is only known by its name takes twice as long.


def _preprocess(method: Function, recorder: Recorder) -> Function:
    now, current, latest, note = perf_counter_ns, recorder.current, recorder.latest, recorder.faults.note

    @functools.wraps(method)
    def preprocess(*args: Any, **kwargs: Any) -> Any:
        call, started = None, 0
        try:
            call = current.get()
            if call is None or call.handle_ns:
                call = latest()
            started = now()
        except BaseException as fault:
            note("timing", fault)
        try:
            return method(*args, **kwargs)
        finally:
            try:
                if call is not None and started:
                    call.preprocess_ns += now() - started
            except BaseException as fault:
                note("timing", fault)

    return preprocess


def _inference(method: Function, recorder: Recorder) -> Function:
    """Copy the first argument and the result as well."""
    now, current, latest, note = perf_counter_ns, recorder.current, recorder.latest, recorder.faults.note
    inputs, outputs, first = recorder.inputs, recorder.outputs, first_argument(method)

    @functools.wraps(method)
    def inference(*args: Any, **kwargs: Any) -> Any:
        call, started = None, 0
        try:
            call = current.get()
            if call is None or call.handle_ns:
                call = latest()
            if call is not None:
                call.staged = True
                inputs(call, args[0] if args else given(args, kwargs, first))
        except BaseException as fault:
            note("capture", fault)
        try:
            started = now()
        except BaseException as fault:
            note("timing", fault)
        try:
            result = method(*args, **kwargs)
        finally:
            try:
                if call is not None and started:
                    call.inference_ns += now() - started
            except BaseException as fault:
                note("timing", fault)
        try:
            if call is not None:
                outputs(call, result)
        except BaseException as fault:
            note("capture", fault)
        return result

    return inference


def _postprocess(method: Function, recorder: Recorder) -> Function:
    now, current, latest, note = perf_counter_ns, recorder.current, recorder.latest, recorder.faults.note

    @functools.wraps(method)
    def postprocess(*args: Any, **kwargs: Any) -> Any:
        call, started = None, 0
        try:
            call = current.get()
            if call is None or call.handle_ns:
                call = latest()
            started = now()
        except BaseException as fault:
            note("timing", fault)
        try:
            return method(*args, **kwargs)
        finally:
            try:
                if call is not None and started:
                    call.postprocess_ns += now() - started
            except BaseException as fault:
                note("timing", fault)

    return postprocess


BY_HOST = (_preprocess, _inference, _postprocess)


def _by_device(method: Function, index: int, recorder: Recorder, clock: StageClock) -> Function:
    stopwatch = Stopwatch(index, recorder, clock, first=first_argument(method))
    note = recorder.faults.note

    @functools.wraps(method)
    def stage(*args: Any, **kwargs: Any) -> Any:
        run = None
        try:
            run = stopwatch.begin(args, kwargs)
        except BaseException as fault:
            note("timing", fault)
        if run is None:
            return method(*args, **kwargs)
        returned = False
        try:
            result = method(*args, **kwargs)
            returned = True
            return result
        finally:
            try:
                stopwatch.end(run, returned, result if returned else None)
            except BaseException as fault:
                note("timing", fault)

    return stage


def _of_coroutine(method: Function, index: int, recorder: Recorder, clock: StageClock) -> Function:
    stopwatch = Stopwatch(index, recorder, clock, first=first_argument(method))
    note = recorder.faults.note

    @functools.wraps(method)
    async def stage(*args: Any, **kwargs: Any) -> Any:
        run = None
        try:
            run = stopwatch.begin(args, kwargs)
        except BaseException as fault:
            note("timing", fault)
        if run is None:
            return await method(*args, **kwargs)
        returned = False
        try:
            result = await method(*args, **kwargs)
            returned = True
            return result
        finally:
            try:
                stopwatch.end(run, returned, result if returned else None)
            except BaseException as fault:
                note("timing", fault)

    return stage


class Run(msgspec.Struct, gc=False, eq=False):
    """One run of a stage."""

    call: CallRecord
    mark: Optional[Event]
    started_ns: int


class Stopwatch:
    """Times the runs of one stage on both clocks, and copies what inference is given and gives.

    first: the name of the parameter that inference is given its inputs by.
    """

    def __init__(
        self, index: int, recorder: Recorder, clock: StageClock, *, first: Optional[str] = None
    ) -> None:
        self._index = index
        self._field = STAGE_FIELDS[index]
        self._recorder = recorder
        self._clock = clock
        self._observed = index == INFERENCE
        self._first = first

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, staged: bool = True) -> Optional[Run]:
        """Begin to time a run with these arguments; None outside a call.

        staged: whether it is a run of the handler's stage; one of the model is no run of its own within the stage.
        """
        call = self._recorder.current.get()
        if call is None or call.handle_ns:
            # A thread or task that a handler started itself, or one that outlived the call it was started in.
            call = self._recorder.latest()
        if call is None or (call.staged and not staged):
            return None
        if self._observed:
            call.staged = staged
            self._guarded("capture", self._recorder.inputs, call, given(args, kwargs, self._first))
        return Run(call, self._clock.mark(), perf_counter_ns())

    def end(self, run: Run, returned: bool, result: Any) -> None:
        """Add the time of a run to its call; wait for the device, where that is asked for and the run returned."""
        if returned:
            self._guarded("timing", self._clock.settle)
        call = run.call
        setattr(call, self._field, getattr(call, self._field) + perf_counter_ns() - run.started_ns)
        if run.mark is not None:
            call.span = Span(self._index, run.mark, self._clock.mark(), call.span)
        if returned and self._observed:
            self._guarded("capture", self._recorder.outputs, call, result)

    def _guarded(self, phase: str, part: Function, *args: Any) -> None:
        try:
            part(*args)
        except BaseException as fault:
            self._recorder.faults.note(phase, fault)
