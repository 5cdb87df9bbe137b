"""TorchVitals: production monitoring for PyTorch models on TorchServe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .baseline import Baseline, Feature
from .config import MonitoringConfig, Thresholds
from .drift_monitor import DriftMonitor
from .errors import BaselineError, ConfigurationError, TorchVitalsError
from .features import Features
from .monitor import Monitor
from .monitored_model import MonitoredModel
from .verdict import DriftReport, FeatureDrift

if TYPE_CHECKING:
    from .handler import MonitoredHandler

__all__ = [
    "Baseline",
    "BaselineError",
    "ConfigurationError",
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
        from .handler import MonitoredHandler

        return MonitoredHandler
    raise AttributeError(f"module 'torchvitals' has no attribute {name!r}")
