"""The TorchServe handler: a BaseHandler whose stages are measured, whatever a subclass overrides."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, Optional

from ts.torch_handler.base_handler import BaseHandler

from ...errors import TorchVitalsError
from ...recording.guard import recorded
from ...recording.stages import instrument_stages
from ...worker.monitor import Monitor
from .loading import load
from .requests import describe

HEARD_SECONDS = 0.5
# The one attribute that we add to a handler.
ENTRY = "_torchvitals_entry"

logger = logging.getLogger(__name__)


class MonitoredHandler(BaseHandler):  # type: ignore[misc]
    """Serve as BaseHandler does, and measure every prediction.

    Override `initialize`, `preprocess`, `inference`, `postprocess` or `handle` exactly as with
    BaseHandler. Configuration: `handler: monitoring:` in model-config.yaml. A wrong configuration or
    baseline stops the load with a TorchVitalsError; after that, no error of the monitor reaches a request.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Shadow `initialize` and `handle` on the object, which TorchServe takes from it before any load."""
        handler = super().__new__(cls)
        entry = _Entry(handler.handle)
        setattr(handler, ENTRY, entry)
        handler.handle = entry.function
        handler.initialize = functools.wraps(handler.initialize)(
            functools.partial(_initialize, handler, entry, handler.initialize)
        )
        return handler


class _Entry:
    """The `handle` that TorchServe keeps: first the handler's own, once the model is loaded the recorded one."""

    def __init__(self, handle: Callable[..., Any]) -> None:
        self._handle = run = handle
        self.monitor: Optional[Monitor] = None

        @functools.wraps(handle)
        def function(*args: Any, **kwargs: Any) -> Any:
            return run(*args, **kwargs)

        def become(other: Callable[..., Any]) -> None:
            nonlocal run
            run = other

        self.function, self._become = function, become

    def watch(self, monitor: Monitor, handle: Optional[Callable[..., Any]] = None) -> None:
        """Write calls down from now on; `handle` answers them, by default what answered them so far."""
        self.monitor = monitor
        self._become(recorded(handle or self._handle, monitor.recorder, describe))


def monitor_of(handler: MonitoredHandler) -> Optional[Monitor]:
    """Return what watches a handler; None before its model is loaded."""
    return _entry(handler).monitor


def attach(handler: MonitoredHandler, monitor: Monitor) -> None:
    """Watch a handler that was loaded by other means than `initialize`."""
    instrument_stages(handler, monitor.recorder, monitor.clock)
    _entry(handler).watch(monitor)


def _entry(handler: MonitoredHandler) -> _Entry:
    entry: _Entry = vars(handler)[ENTRY]
    return entry


def _initialize(handler: MonitoredHandler, entry: _Entry, initialize: Any, context: Any) -> None:
    """Load and start to watch; what a user can fix is in the log before TorchServe hears of the failure."""
    try:
        served, monitor = load(handler, initialize, context)
    except TorchVitalsError as error:
        logger.error("%s", error)
        # TorchServe kills the worker once the load is answered (frontend: wlm/WorkerLifeCycle.java, exit), and what it
        # has not read by then, at times its own "Failed to load model" too, reaches no log.
        time.sleep(HEARD_SECONDS)
        raise
    entry.watch(monitor, None if served is handler else served.handle)
