"""TorchVitals: production monitoring for PyTorch models on TorchServe."""

from __future__ import annotations

import importlib
from typing import Any

from ._version import __version__
from .baseline.schema import Feature
from .baseline.selection import Features
from .config import MonitoringConfig, Thresholds
from .drift.detector import DriftDetector
from .drift.detector import DriftDetector as DriftMonitor
from .drift.verdict import DriftReport, FeatureDrift
from .errors import BaselineError, ConfigurationError, TorchVitalsError
from .servers.local import MonitoredModel
from .worker.monitor import Monitor

__all__ = [
    "Baseline",
    "BaselineBuilder",
    "BaselineError",
    "ConfigurationError",
    "DriftDetector",
    "DriftMonitor",
    "DriftReport",
    "Feature",
    "FeatureDrift",
    "Features",
    "Monitor",
    "MonitoredHandler",
    "MonitoredModel",
    "MonitoringConfig",
    "Thresholds",
    "TorchVitalsError",
    "__version__",
]


# Imported only when asked for: the handler needs torchserve, and what builds baselines takes a worker's memory.
_ON_DEMAND = {
    "Baseline": ".training.baseline",
    "BaselineBuilder": ".training.baseline",
    "MonitoredHandler": ".servers.torchserve.handler",
}


def __getattr__(name: str) -> Any:
    """Import what is not needed by all."""
    if name not in _ON_DEMAND:
        raise AttributeError(f"module 'torchvitals' has no attribute {name!r}")
    return getattr(importlib.import_module(_ON_DEMAND[name], __name__), name)
