"""The TorchServe handler: a BaseHandler whose stages are measured, whatever a subclass overrides."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, Optional

from ts.torch_handler.base_handler import BaseHandler

from ...errors import TorchVitalsError
from ...recording.shadows import Shadow, put
from ...recording.stages import instrument_stages, shadow_stages
from ...worker.monitor import Monitor
from .entry import Entry
from .loading import load
from .requests import Requests

HEARD_SECONDS = 0.5
# The one attribute that we add to a handler.
ENTRY = "_torchvitals_entry"

logger = logging.getLogger(__name__)


class _Names:
    """`self.predictions` of a handler, unless it has something of its own under that name."""

    def __get__(self, handler: Any, _: Any = None) -> Any:
        return self if handler is None else _entry(handler).predictions


class MonitoredHandler(BaseHandler):  # type: ignore[misc]
    """Serve as BaseHandler does, and measure every prediction.

    Override `initialize`, `preprocess`, `inference`, `postprocess` or `handle` exactly as with
    BaseHandler. Configuration: `handler: monitoring:` in model-config.yaml. A wrong configuration or
    baseline stops the load with a TorchVitalsError; after that, no error of the monitor reaches a request.
    `self.predictions.id("order 17")` gives the predictions of a call the ids that their labels come with.
    """

    predictions = _Names()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Shadow the stages, which threads that `__init__` starts may take, and what TorchServe takes after it."""
        handler = super().__new__(cls)
        vars(handler)[ENTRY] = Entry()
        shadow_stages(handler)
        _shadow_entry_points(handler)
        return handler

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Shadow what an `__init__` puts in the place of `handle` and `initialize`, too."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            setattr(cls, "__init__", _completed(vars(cls)["__init__"]))  # noqa: B010 - mypy knows it as a method


def monitor_of(handler: MonitoredHandler) -> Optional[Monitor]:
    """Return what watches a handler; None before its model is loaded."""
    return _entry(handler).monitor


def attach(handler: MonitoredHandler, monitor: Monitor) -> None:
    """Watch a handler that was loaded by other means than `initialize`."""
    instrument_stages(handler, monitor.recorder, monitor.clock)
    _entry(handler).watch(monitor, Requests(monitor.recorder))


def _entry(handler: MonitoredHandler) -> Entry:
    entry: Entry = vars(handler)[ENTRY]
    return entry


def _completed(init: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(init)
    def initialized(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = init(self, *args, **kwargs)
        # The outermost `__init__` ends last.
        if type(self).__init__ is initialized:
            _shadow_entry_points(self)
        return result

    return initialized


def _shadow_entry_points(handler: Any) -> None:
    """Shadow `handle` and `initialize` as they are now; TorchServe takes them as soon as the handler is made."""
    entry = _entry(handler)
    handle = handler.handle
    if not isinstance(handle, Shadow):
        put(handler, "handle", entry.shadow(handle).stands_on(handler, "handle"))
    initialize = handler.initialize
    if not isinstance(initialize, Shadow):
        shadow = Shadow(functools.partial(_initialize, handler, entry, initialize), initialize)
        put(handler, "initialize", shadow.stands_on(handler, "initialize"))


def _initialize(handler: Any, entry: Entry, initialize: Any, context: Any) -> None:
    """Load and start to watch; what a user can fix is in the log before TorchServe hears of the failure."""
    if entry.loading or entry.monitor is not None:
        # It is part of another `initialize`, or the handler initialises itself anew.
        initialize(context)
        if entry.monitor is not None:
            instrument_stages(handler, entry.monitor.recorder, entry.monitor.clock)
        return
    entry.loading = True
    try:
        handle, monitor, requests = load(handler, initialize, context)
    except TorchVitalsError as error:
        # What a line begins with is ours: the front end reads one with [METRICS] as a metric.
        logger.error("cannot load the model: %s", error)
        # TorchServe kills the worker once the load is answered (frontend: wlm/WorkerLifeCycle.java, exit), and what it
        # has not read by then, at times its own "Failed to load model" too, reaches no log.
        time.sleep(HEARD_SECONDS)
        raise
    finally:
        entry.loading = False
    entry.watch(monitor, requests, handle)
