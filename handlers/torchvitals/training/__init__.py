"""How a baseline is built: one pass, constant memory, parts that merge."""

from .baseline import Baseline, BaselineBuilder
from .batches import inputs_of

__all__ = ["Baseline", "BaselineBuilder", "inputs_of"]
