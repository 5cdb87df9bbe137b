"""The one guard around a call: whatever server runs it, nothing of ours reaches its response."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, Optional

from .call import CallRecord
from .recorder import Recorder, is_out_of_memory
from .shadows import Function

SEQUENCES = (list, tuple)
Arguments = tuple[Any, ...]
# Fills in what a server knows of a call that has ended: requests, failed, starts. Is given the record, and the
# positional and keyword arguments of the call.
Describe = Callable[[CallRecord, Arguments, dict[str, Any]], None]


def recorded(function: Function, recorder: Recorder, describe: Describe) -> Function:
    """Return `function` with each of its calls written down, until it returns or until its coroutine ends.

    What the function raises passes unchanged, KeyboardInterrupt and SystemExit included. What we raise is counted by
    phase (begin, requests, end) and goes no further; the call counts all the same. A call within a call is part of it.

    Args:
        function: what a server calls for one or several requests: a function, or a coroutine function.
        recorder: gets a record of each call.
        describe: completes the record when the call has ended; it may raise.
    """
    ending = _Ending(recorder, describe)
    wrap = _wrap_coroutine_function if inspect.iscoroutinefunction(function) else _wrap_function
    return functools.wraps(function)(wrap(function, recorder, ending))


class _Ending:
    """What happens when a call ends, and to a call that could not begin as it should."""

    def __init__(self, recorder: Recorder, describe: Describe) -> None:
        self._recorder = recorder
        self._describe = describe
        self._note = recorder.faults.note
        self._end = recorder.end

    def ended(
        self, call: CallRecord, args: Arguments, kwargs: dict[str, Any], error: Optional[BaseException]
    ) -> None:
        """Complete a record and let it wait."""
        try:
            self._describe(call, args, kwargs)
        except BaseException as fault:
            call.requests = call.requests or 1
            self._note("requests", fault)
        if error is not None:
            call.failed = call.requests
            call.out_of_memory = is_out_of_memory(error)
        self._end(call)

    def incomplete(self, call: CallRecord, fault: BaseException) -> None:
        """Let a record wait that could not be completed: the call counts, without durations."""
        if self._recorder.running.pop(call, False):
            call.timed = False
            call.requests = call.requests or 1
            self._recorder.waiting.append(call)
        self._note("end", fault)

    def untimed(self, fault: BaseException) -> CallRecord:
        """Return the record of a call that could not begin as it should; it counts, without durations."""
        self._note("begin", fault)
        call = CallRecord(0, 0, timed=False)
        self._recorder.running[call] = True
        self._recorder.current.set(call)
        return call

    async def awaited(
        self, result: Awaitable[Any], call: CallRecord, args: Arguments, kwargs: dict[str, Any]
    ) -> Any:
        """Await the result of a call that has begun, and end the call."""
        error = None
        try:
            try:
                self._recorder.running[call] = True
                self._recorder.current.set(call)
            except BaseException as fault:
                self._note("begin", fault)
            return await result
        except BaseException as raised:
            error = raised
            raise
        finally:
            try:
                self.ended(call, args, kwargs, error)
            except BaseException as fault:
                self.incomplete(call, fault)
            del error


def _wrap_function(function: Function, recorder: Recorder, ending: _Ending) -> Function:
    current, running, begin, ended = recorder.current, recorder.running, recorder.begin, ending.ended

    def call_function(*args: Any, **kwargs: Any) -> Any:
        try:
            outer = current.get()
            call = begin() if outer is None or outer not in running else None
            if call is not None and args and isinstance(args[0], SEQUENCES):
                call.expected = len(args[0])
        except BaseException as fault:
            call = ending.untimed(fault)
        if call is None:
            return function(*args, **kwargs)
        error = None
        try:
            result = function(*args, **kwargs)
            if type(result) is not CoroutineType:
                return result
            # The call goes on in whatever context awaits it; where none does, it is nobody's.
            current.set(None)
            running.pop(call, None)
            result, call = ending.awaited(result, call, args, kwargs), None
            return result
        except BaseException as raised:
            error = raised
            raise
        finally:
            if call is not None:
                try:
                    ended(call, args, kwargs, error)
                except BaseException as fault:
                    ending.incomplete(call, fault)
            del error

    return call_function


def _wrap_coroutine_function(function: Function, recorder: Recorder, ending: _Ending) -> Function:
    current, running, begin = recorder.current, recorder.running, recorder.begin

    async def call_function(*args: Any, **kwargs: Any) -> Any:
        try:
            outer = current.get()
            call = begin() if outer is None or outer not in running else None
            if call is not None and args and isinstance(args[0], SEQUENCES):
                call.expected = len(args[0])
        except BaseException as fault:
            call = ending.untimed(fault)
        result = function(*args, **kwargs)
        return await (result if call is None else ending.awaited(result, call, args, kwargs))

    return call_function
