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
from .training.baseline import Baseline, BaselineBuilder
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


def __getattr__(name: str) -> Any:
    """Import the handler only when asked for: it needs torchserve, and the rest does not."""
    if name == "MonitoredHandler":
        return importlib.import_module(".servers.torchserve.handler", __name__).MonitoredHandler
    raise AttributeError(f"module 'torchvitals' has no attribute {name!r}")
