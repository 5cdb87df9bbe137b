"""How a baseline is built: one pass, constant memory, parts that merge."""

from .baseline import Baseline, BaselineBuilder
from .options import BuildOptions

__all__ = ["Baseline", "BaselineBuilder", "BuildOptions"]
