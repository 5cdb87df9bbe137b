# What type checkers know of the package; __init__.py imports some of it on demand.
from ._version import __version__ as __version__
from .baseline.schema import Feature as Feature
from .baseline.selection import Features as Features
from .config import GroundTruth as GroundTruth
from .config import MonitoringConfig as MonitoringConfig
from .config import Thresholds as Thresholds
from .drift.detector import DriftDetector as DriftDetector
from .drift.verdict import DriftReport as DriftReport
from .drift.verdict import FeatureDrift as FeatureDrift
from .errors import BaselineError as BaselineError
from .errors import ConfigurationError as ConfigurationError
from .errors import TorchVitalsError as TorchVitalsError
from .servers.local import MonitoredModel as MonitoredModel
from .servers.torchserve.handler import MonitoredHandler as MonitoredHandler
from .training.baseline import Baseline as Baseline
from .training.baseline import BaselineBuilder as BaselineBuilder
from .worker.monitor import Monitor as Monitor

DriftMonitor = DriftDetector
