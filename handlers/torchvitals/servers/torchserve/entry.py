"""What TorchServe calls for each batch of requests."""

from __future__ import annotations

from typing import Any, Optional

from ...recording.guard import recorded
from ...recording.naming import PredictionNames
from ...recording.shadows import Function, Shadow, switchable
from ...worker.monitor import Monitor
from .requests import Requests


class Entry:
    """The `handle` that TorchServe keeps: first the handler's own, once the model is loaded the recorded one."""

    def __init__(self) -> None:
        self.monitor: Optional[Monitor] = None
        self.loading = False
        self.predictions = PredictionNames()
        self._shadow: Optional[Shadow] = None

    def shadow(self, handle: Function) -> Shadow:
        """Return what stands in the place of `handle` from now on."""
        self._shadow = switchable(handle)
        return self._shadow

    def watch(self, monitor: Monitor, requests: Requests, handle: Optional[Function] = None) -> None:
        """Write calls down from now on; `handle` answers them, by default what answered them so far."""
        self.monitor = monitor
        self.predictions = PredictionNames(monitor.recorder)
        if self._shadow is not None and self._shadow.become is not None:
            self._shadow.become(
                recorded(handle or self._shadow.__wrapped__, monitor.recorder, requests.describe)
            )

    def __reduce__(self) -> Any:
        """Stay behind when a handler goes to another process, or is copied: neither is watched."""
        return Entry, ()
