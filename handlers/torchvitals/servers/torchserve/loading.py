"""What a MonitoredHandler does at load: configuration, baseline, model, monitor."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from ts.utils.util import list_classes_from_module

from ...config import MonitoringConfig, read_config
from ...errors import BaselineError, ConfigurationError
from ...publishers.torchserve import CoalescingMetrics, TorchServePublisher
from ...recording.faults import Faults
from ...recording.stages import instrument_stages
from ...telemetry.runtime import Runtime
from ...training.baseline import Baseline
from ...worker.learning import BaselineLearner
from ...worker.monitor import Monitor
from .request_log import leave_out_request_lines

STAGES_OF_A_HANDLER = ("preprocess", "inference", "postprocess", "handle")

logger = logging.getLogger(__name__)


def load(handler: Any, initialize: Callable[[Any], Any], context: Any) -> tuple[Any, Monitor]:
    """Load a model and start to watch it; return the handler that serves it, and the monitor.

    The two handlers are the same unless the configuration names a `base_handler`.

    Args:
        handler: a MonitoredHandler.
        initialize: its own `initialize`, which loads the model.
        context: TorchServe's context of the worker.

    Raises:
        ConfigurationError, BaselineError: what the user can fix, before the model is loaded.
    """
    manifest = (context.manifest or {}).get("model", {})
    config = read_config(context.model_yaml_config, manifest.get("configFile", "model-config.yaml"))
    model_dir = Path(context.system_properties.get("model_dir") or ".")
    name = manifest.get("modelName") or context.model_name
    version = str(manifest.get("modelVersion", "default"))
    learner = _learner(config, name, version)
    baseline = learner.known() if learner else _load_baseline(config, model_dir)
    if baseline is not None:
        config.features.check(baseline)
    faults = Faults()
    if config.coalesce and context.metrics is not None:
        context.metrics = CoalescingMetrics(context.metrics, faults)
    served = handler
    if config.base_handler is not None:
        served = _base_handler(config.base_handler, handler)
        served.initialize(context)
        handler.initialized = served.initialized
    else:
        initialize(context)
    device = getattr(served, "device", None)
    runtime = Runtime(getattr(served, "model", None), device, faults)
    monitor = Monitor(
        config,
        TorchServePublisher(context.metrics, model_name=name, model_version=version),
        baseline=baseline,
        learner=learner if baseline is None else None,
        device=device,
        worker=worker_identity(sys.argv),
        runtime=runtime,
        faults=faults,
    )
    if config.quiet:
        leave_out_request_lines()
    instrument_stages(served, monitor.recorder, monitor.clock)
    runtime.watch(served)
    monitor.start()
    return served, monitor


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


def _base_handler(name: str, handler: Any) -> Any:
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
