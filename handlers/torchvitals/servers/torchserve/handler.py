"""The TorchServe handler: a BaseHandler whose stages are measured, whatever a subclass overrides."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

from ts.torch_handler.base_handler import BaseHandler
from ts.utils.util import list_classes_from_module

from ...config import MonitoringConfig, read_config
from ...errors import BaselineError, ConfigurationError, TorchVitalsError
from ...publishers.torchserve import CoalescingMetrics, TorchServePublisher
from ...recording.call import Call
from ...recording.queue_time import request_starts
from ...recording.stages import instrument_stages
from ...telemetry.runtime import Runtime
from ...training.baseline import Baseline
from ...worker.learning import BaselineLearner
from ...worker.monitor import Monitor
from .request_log import leave_out_request_lines

ERROR_STATUS = 400
HEARD_SECONDS = 0.5
STAGES_OF_A_HANDLER = ("preprocess", "inference", "postprocess", "handle")

logger = logging.getLogger(__name__)


class MonitoredHandler(BaseHandler):  # type: ignore[misc]
    """Serve as BaseHandler does, and measure every prediction.

    Override `initialize`, `preprocess`, `inference`, `postprocess` or `handle` exactly as with
    BaseHandler. Configuration: `handler: monitoring:` in model-config.yaml. A wrong configuration or
    baseline stops the load with a TorchVitalsError; after that, no error of the monitor reaches a request.
    """

    monitor: Optional[Monitor] = None
    delegate: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Shadow `initialize` and `handle` on the object, which TorchServe takes from it before any load."""
        handler = super().__new__(cls)
        handler.initialize = functools.wraps(handler.initialize)(
            functools.partial(_initialize, handler, handler.initialize)
        )
        handler.handle = functools.wraps(handler.handle)(functools.partial(_handle, handler, handler.handle))
        return handler


def _initialize(handler: MonitoredHandler, initialize: Any, context: Any) -> None:
    """Load and start to watch; what a user can mend is in the log before TorchServe hears of the failure."""
    try:
        _load(handler, initialize, context)
    except TorchVitalsError as error:
        logger.error("%s", error)
        # TorchServe kills the worker once the load is answered (frontend: wlm/WorkerLifeCycle.java, exit), and what it
        # has not read by then, at times its own "Failed to load model" too, reaches no log.
        time.sleep(HEARD_SECONDS)
        raise


def _load(handler: MonitoredHandler, initialize: Any, context: Any) -> None:
    """Load the configuration, then the model, then start to watch."""
    manifest = (context.manifest or {}).get("model", {})
    config = read_config(context.model_yaml_config, manifest.get("configFile", "model-config.yaml"))
    model_dir = Path(context.system_properties.get("model_dir") or ".")
    name = manifest.get("modelName") or context.model_name
    version = str(manifest.get("modelVersion", "default"))
    learner = _learner(config, name, version)
    baseline = learner.known() if learner else _load_baseline(config, model_dir)
    if baseline is not None:
        config.features.check(baseline)
    if config.coalesce and context.metrics is not None:
        context.metrics = CoalescingMetrics(context.metrics)
    served = handler
    if config.base_handler is not None:
        served = handler.delegate = _base_handler(config.base_handler, handler)
        served.initialize(context)
        handler.initialized = served.initialized
    else:
        initialize(context)
    device = getattr(served, "device", None)
    runtime = Runtime(getattr(served, "model", None), device)
    monitor = Monitor(
        config,
        TorchServePublisher(context.metrics, model_name=name, model_version=version),
        baseline=baseline,
        learner=learner if baseline is None else None,
        device=device,
        worker=worker_identity(sys.argv),
        runtime=runtime,
    )
    if config.quiet:
        leave_out_request_lines()
    instrument_stages(served, monitor.recorder, monitor.clock)
    runtime.watch(served)
    monitor.start()
    handler.monitor = monitor


def _handle(handler: MonitoredHandler, handle: Any, data: Any, context: Any) -> Any:
    """Run one call of the handler and write it down."""
    monitor = handler.monitor
    if handler.delegate is not None:
        handle = handler.delegate.handle
    if monitor is None:
        return handle(data, context)
    recorder = monitor.recorder
    call = recorder.begin()
    try:
        result = handle(data, context)
    except BaseException as error:
        _note_starts(call, context)
        recorder.fail(call, requests=_length(data), error=error)
        raise
    requests = _length(data)
    failed = _failed(context, requests)
    _note_starts(call, context)
    recorder.finish(call, requests=requests, failed=failed)
    return result


def _note_starts(call: Call, context: Any) -> None:
    starts = request_starts(context)
    if starts is not None:
        call.starts, call.ended = starts, time.time()


def worker_identity(arguments: list[str]) -> str:
    """Return the worker's stable name out of its command line: its socket's or port's number.

    TorchServe gives a restarted worker the same one (ts/arg_parser.py: --sock-name, --port).

    >>> worker_identity(["--sock-type", "unix", "--sock-name", "/tmp/.ts.sock.9000"])
    '9000'
    """
    for flag, value in zip(arguments, arguments[1:]):
        if flag in ("--sock-name", "--port"):
            return value.rsplit(".", 1)[-1]
    return "0"


def _load_baseline(config: MonitoringConfig, model_dir: Path) -> Optional[Baseline]:
    if config.baseline is None:
        logger.warning("no baseline is configured (handler.monitoring.baseline): drift is not watched")
        return None
    path = model_dir / config.baseline
    if not path.is_file():
        found = ", ".join(sorted(file.name for file in model_dir.glob("*.json"))) or "none"
        raise BaselineError(
            f"handler.monitoring.baseline: there is no '{config.baseline}' in the archive (JSON files in it: {found}); "
            "pack it with torch-model-archiver --extra-files"
        )
    return Baseline.load(path)


def _learner(config: MonitoringConfig, name: str, version: str) -> Optional[BaselineLearner]:
    """Return what learns a baseline; its file outlives the unpacked archive, which is this process's folder."""
    if config.learn is None:
        return None
    folder = os.environ.get("LOG_LOCATION") or os.path.join(tempfile.gettempdir(), "torchvitals")
    return BaselineLearner(
        config.learn, folder=Path(folder), name=name, version=version, features=config.features
    )


def _base_handler(name: str, handler: MonitoredHandler) -> Any:
    """Make the handler that `base_handler` names: one of TorchServe's, or a module in the archive."""
    overridden = [stage for stage in STAGES_OF_A_HANDLER if stage in vars(type(handler))]
    if overridden:
        raise ConfigurationError(
            f"handler.monitoring.base_handler: {type(handler).__name__} has a {overridden[0]} of its own; "
            "remove one of the two"
        )
    module_name = name[:-3] if name.endswith(".py") else name
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise ConfigurationError(
                f"handler.monitoring.base_handler: '{name}' cannot be imported: {error}"
            ) from error
        try:
            module = importlib.import_module(f"ts.torch_handler.{module_name}")
        except ModuleNotFoundError as missing:
            raise ConfigurationError(
                f"handler.monitoring.base_handler: '{name}' is neither in the archive nor one of TorchServe's "
                f"({missing})"
            ) from missing
    classes = [cls for cls in list_classes_from_module(module) if hasattr(cls, "handle")]
    if len(classes) != 1:
        raise ConfigurationError(
            f"handler.monitoring.base_handler: '{name}' defines {len(classes)} handler classes; it must define one"
        )
    return classes[0]()


def _length(data: Any) -> int:
    return len(data) if isinstance(data, (list, tuple)) else 1


def _failed(context: Any, requests: int) -> int:
    """Count the requests of a batch that the handler answered with an error status."""
    failed = 0
    try:
        for request in context.request_processor[:requests]:
            if request.get_response_status_code() >= ERROR_STATUS:
                failed += 1
    except (AttributeError, TypeError):
        return 0
    return failed
