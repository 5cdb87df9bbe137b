"""The callback: a monitor in each worker of one model."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import uuid
import weakref
from pathlib import Path
from typing import Any, Optional

from litserve.callbacks import Callback

from ...baseline.describing import introduced
from ...baseline.schema import BaselineData
from ...config import MonitoringConfig
from ...errors import ConfigurationError
from ...recording.devices import as_device
from ...recording.faults import Faults
from ...telemetry.runtime import Runtime
from ...worker.learner import learner_of
from ...worker.monitor import Monitor
from .calls import watch_calls
from .ids import RequestIds, offer
from .page import page_of
from .rows import row_recorder
from .snapshots import SnapshotPublisher
from .stages import instrument

logger = logging.getLogger(__name__)


class MonitoringCallback(Callback):  # type: ignore[misc]
    """Watch the workers of one model that LitServe serves, and show their series on the server's own metrics page.

    One for each model: `LitServer(api, callbacks=[MonitoringCallback(baseline, model_name="fraud", ...)])`. The metrics
    have the names and labels that they have under TorchServe, `worker` being LitServe's number of a worker. After the
    server has started, no error of the monitor reaches a request.

    Args:
        baseline: what inputs and outputs of `predict` are compared with; without one, drift is not watched.
        model_name: the label of all series.
        model_version: the label of all series.
        config: how the model is monitored. `baseline` names a file, relative to where the server runs.
        api_path: of the LitAPI that is watched; needed where the server has several.
        metrics_path: of the page; several callbacks of one server may share it.

    Raises:
        ConfigurationError, BaselineError: what the user can fix, before the server starts.
    """

    def __init__(
        self,
        baseline: Optional[BaselineData] = None,
        *,
        model_name: str,
        model_version: str,
        config: Optional[MonitoringConfig] = None,
        api_path: Optional[str] = None,
        metrics_path: str = "/metrics",
    ) -> None:
        self.config = config or MonitoringConfig()
        if baseline is None and self.config.baseline is not None:
            baseline = BaselineData.load(self.config.baseline)
        if baseline is not None:
            if self.config.learn is not None:
                raise ConfigurationError("a baseline and 'learn' exclude each other; remove one")
            self.config.features.check(baseline)
            logger.info("%s", introduced(baseline))
        self.baseline = baseline
        self.model_name = model_name
        self.model_version = model_version
        self.api_path = api_path
        self.metrics_path = metrics_path
        # Of the worker that this is a copy in.
        self.monitor: Optional[Monitor] = None
        self._folder: Optional[Path] = None

    def on_server_start(self, litserver: Any) -> None:
        """Add the page; LitServe calls this for each LitAPI of a server that is made, in the main process."""
        if self._folder is not None:
            return
        paths = [api.api_path for api in litserver.litapi_connector]
        if self.api_path not in paths and (self.api_path is not None or len(paths) > 1):
            raise ConfigurationError(
                f"MonitoringCallback of '{self.model_name}': api_path is {self.api_path!r}, and the server's are "
                f"{', '.join(paths)}; give each model a callback with its api_path"
            )
        # Workers make it: a server that is made in a worker too, by a script without a main guard, leaves no folder.
        self._folder = Path(tempfile.gettempdir()) / f"torchvitals-litserve-{uuid.uuid4().hex}"
        weakref.finalize(self, _remove, self._folder, os.getpid())
        page = page_of(litserver, self.metrics_path)
        page.add(self._folder, model_name=self.model_name, model_version=self.model_version)

    def on_after_setup(self, lit_api: Any) -> None:
        """Watch a LitAPI whose model is loaded; LitServe calls this in each worker."""
        # Also where nothing watches it: what it says must not fail.
        offer(lit_api)
        if self._folder is None or self.api_path not in (None, lit_api.api_path):
            return
        worker = os.environ.get("LITSERVE_WORKER_ID", "0")
        device = as_device(_first(lit_api.device))
        faults = Faults()
        runtime = Runtime(_model_of(lit_api), device, faults)
        learner = learner_of(
            self.config,
            Path(tempfile.gettempdir()) / "torchvitals",
            name=self.model_name,
            version=self.model_version,
        )
        baseline = learner.known() if learner is not None else self.baseline
        monitor = Monitor(
            self.config,
            SnapshotPublisher(self._folder, worker),
            baseline=baseline,
            learner=learner if baseline is None else None,
            device=device,
            worker=worker,
            runtime=runtime,
            faults=faults,
            names=(self.model_name, self.model_version),
        )
        recorder = monitor.recorder
        calls = watch_calls(lit_api.loop, recorder, stream=lit_api.stream, tasks=lit_api.enable_async)
        if calls.staged:
            rows = row_recorder(recorder, baseline, batched=lit_api.max_batch_size > 1)
            instrument(lit_api, rows, monitor.clock, runtime)
            if self.config.ground_truth is not None:
                RequestIds(recorder, self.config.ground_truth).watch(lit_api)
        calls.watch(lit_api)
        offer(lit_api, recorder)
        monitor.start()
        self.monitor = monitor


def _remove(folder: Path, owner: int) -> None:
    """Remove the folder at the end of the process that made the server, and of no other."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _first(devices: Any) -> Any:
    """Return the device of a worker, which LitServe gives as a list of one or by itself."""
    return devices[0] if isinstance(devices, (list, tuple)) and devices else devices


def _model_of(api: Any) -> Any:
    try:
        return getattr(api, "model", None)
    except Exception:  # a property of the user's
        return None
