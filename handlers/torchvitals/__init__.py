"""TorchVitals: production monitoring for PyTorch models on TorchServe."""

from __future__ import annotations

import importlib
from typing import Any

from ._version import __version__ as __version__

# Imported when it is asked for: a handler needs torchserve, a baseline's builder takes a worker's memory, and the
# command line starts where there is no torch.
_PLACES = {
    "Baseline": "training.baseline",
    "BaselineBuilder": "training.baseline",
    "BaselineError": "errors",
    "ConfigurationError": "errors",
    "DriftDetector": "drift.detector",
    "DriftReport": "drift.verdict",
    "Feature": "baseline.schema",
    "FeatureDrift": "drift.verdict",
    "Features": "baseline.selection",
    "GroundTruth": "config",
    "Monitor": "worker.monitor",
    "MonitoredHandler": "servers.torchserve.handler",
    "MonitoredModel": "servers.local",
    "MonitoringConfig": "config",
    "Thresholds": "config",
    "TorchVitalsError": "errors",
}
_OTHER_NAMES = {"DriftMonitor": "DriftDetector"}

__all__ = sorted([*_PLACES, *_OTHER_NAMES, "__version__"])


def __getattr__(name: str) -> Any:
    """Import what is public, once."""
    known = _OTHER_NAMES.get(name, name)
    if known not in _PLACES:
        raise AttributeError(f"module 'torchvitals' has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_PLACES[known]}", __name__), known)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return what is public, too."""
    return sorted({*globals(), *__all__})
