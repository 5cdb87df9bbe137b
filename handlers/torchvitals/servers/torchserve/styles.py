"""Where a handler of any style keeps its stages."""

from __future__ import annotations

import inspect
from typing import Any

from ts.torch_handler.base_handler import BaseHandler

from ...recording.call import MEASURED
from ...recording.clocks import StageClock
from ...recording.recorder import Recorder
from ...recording.shadows import Shadow
from ...recording.stages import instrument_stages
from .base_handlers import FunctionHandler


def watch_stages(served: Any, recorder: Recorder, clock: StageClock) -> Any:
    """Measure the stages of what serves a model; return the object or module that has its model."""
    if not isinstance(served, FunctionHandler):
        instrument_stages(served, recorder, clock)
        return served
    found = [value for value in list(vars(served.module).values()) if _has_stages(value)]
    for value in found:
        instrument_stages(value, recorder, clock)
    # A handler object that the module keeps has the model; without one, it is a variable of the module.
    return found[0] if found else served.module


def uses_stages(served: Any) -> bool:
    """Tell whether a handler's `handle` runs its `inference`, as far as that can be read from it."""
    if isinstance(served, FunctionHandler):
        return False
    handle = getattr(served, "handle", None)
    while isinstance(handle, Shadow):
        handle = handle.__wrapped__
    function = inspect.unwrap(getattr(handle, "__func__", handle)) if callable(handle) else None
    if function is BaseHandler.handle:
        return True
    code = getattr(function, "__code__", None)
    return code is not None and "inference" in code.co_names and callable(getattr(served, "inference", None))


def _has_stages(value: Any) -> bool:
    if inspect.isclass(value) or inspect.ismodule(value) or not hasattr(value, "__dict__"):
        return False
    return all(callable(getattr(value, stage, None)) for stage in MEASURED)
