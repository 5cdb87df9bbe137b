"""What a MonitoredHandler does at load: configuration, baseline, model, monitor."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional

import msgspec

from ...baseline.describing import introduced
from ...baseline.schema import BaselineData
from ...config import MonitoringConfig, read_config
from ...errors import BaselineError
from ...publishers.torchserve import CoalescingMetrics, TorchServePublisher
from ...recording.devices import as_device, device_of
from ...recording.faults import Faults
from ...recording.forward import ModelWatch
from ...telemetry.runtime import Runtime
from ...worker.folder import lasting_folder
from ...worker.learner import Learner, learner_of
from ...worker.monitor import Monitor
from .base_handlers import base_handler
from .ids import RequestIds
from .replies import watch_replies
from .request_log import leave_out_request_lines
from .requests import Requests
from .styles import uses_stages, watch_stages

logger = logging.getLogger(__name__)


def load(
    handler: Any, initialize: Callable[[Any], Any], context: Any
) -> tuple[Optional[Callable[..., Any]], Monitor, Requests]:
    """Load a model and start to watch it; return what answers calls, the monitor, and what tells of requests.

    The first is None unless the configuration names a `base_handler`: the handler itself answers.

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
    # The archive's own name is shared by all that is registered of it.
    name = context.model_name or manifest.get("modelName")
    version = str(manifest.get("modelVersion", "default"))
    rank = local_rank(os.environ)
    learner = _learner(config, name, version) if rank == 0 else None
    baseline = learner.known() if learner else None
    if learner is None and rank == 0:
        baseline = _load_baseline(config, model_dir)
    if baseline is not None:
        config.features.check(baseline)
    if rank:
        # Another process serves the same calls, and keeps their predictions.
        config = msgspec.structs.replace(config, ground_truth=None)
    faults = Faults()
    if config.coalesce and context.metrics is not None:
        context.metrics = CoalescingMetrics(context.metrics, faults)
    served, handle = handler, None
    if config.base_handler is not None:
        served = base_handler(config.base_handler, handler)
        # TorchServe takes both before either is called.
        handle, start = served.handle, served.initialize
        start(context)
        handler.initialized = getattr(served, "initialized", True)
    else:
        initialize(context)
    model, named = _attribute(served, "model"), _attribute(served, "device")
    device = as_device(named) or as_device(device_of(model))
    runtime = Runtime(model, device or named, faults)
    monitor = Monitor(
        config,
        TorchServePublisher(context.metrics, model_name=name, model_version=version),
        baseline=baseline,
        learner=learner if baseline is None else None,
        device=device,
        worker=worker_identity(sys.argv, rank),
        runtime=runtime,
        faults=faults,
        counts=rank == 0,
        classes=_classes_of(served),
        names=(name, version),
    )
    if config.quiet:
        leave_out_request_lines()
    recorder, clock = monitor.recorder, monitor.clock
    models = ModelWatch(recorder, clock)
    watched = watch_stages(served, recorder, clock)
    if not uses_stages(served):
        models.look(watched)
    runtime.watch(watched)

    def look() -> None:
        watch_stages(served, recorder, clock)
        models.look(watched)

    ids = None if config.ground_truth is None else RequestIds(config.ground_truth)
    requests = Requests(recorder, look, ids)
    watch_replies(context, requests, recorder)
    monitor.start()
    return handle, monitor, requests


def local_rank(environment: Mapping[str, str]) -> int:
    """Return which of the processes that torchrun started for one worker this is; 0 where it started none.

    >>> local_rank({"LOCAL_RANK": "3"}), local_rank({})
    (3, 0)
    """
    try:
        return int(environment.get("LOCAL_RANK", "0"))
    except ValueError:
        return 0


def _attribute(handler: Any, name: str) -> Any:
    """Return a handler's attribute; None where it has none, or where a property of it raises."""
    try:
        return getattr(handler, name, None)
    except Exception as error:
        logger.warning("the handler's '%s' cannot be read: %s", name, type(error).__name__)
        return None


def _classes_of(handler: Any) -> Optional[int]:
    """Return how many classes index_to_name.json names, which BaseHandler reads into `mapping`; None without it."""
    mapping = _attribute(handler, "mapping")
    return len(mapping) if isinstance(mapping, dict) and len(mapping) > 1 else None


def worker_identity(arguments: list[str], rank: int = 0) -> str:
    """Return the worker's stable name out of its command line: its socket's or port's number.

    TorchServe gives a restarted worker the same one (ts/arg_parser.py: --sock-name, --port). The processes that
    torchrun starts for one worker share it, and are told apart by their rank.

    >>> worker_identity(["--sock-type", "unix", "--sock-name", "/tmp/.ts.sock.9000"])
    '9000'
    >>> worker_identity(["--port", "9000"], rank=2)
    '9000-2'
    """
    for flag, value in zip(arguments, arguments[1:]):
        if flag in ("--sock-name", "--port"):
            name = value.rsplit(".", 1)[-1]
            return f"{name}-{rank}" if rank else name
    return str(rank)


def _load_baseline(config: MonitoringConfig, model_dir: Path) -> Optional[BaselineData]:
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
    baseline = BaselineData.load(path)
    logger.info("%s", introduced(baseline))
    return baseline


def _learner(config: MonitoringConfig, name: str, version: str) -> Optional[Learner]:
    return learner_of(config, lasting_folder(), name=name, version=version)
