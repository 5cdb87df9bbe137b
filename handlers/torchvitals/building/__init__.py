"""Building a baseline batch by batch: one pass, constant memory, parts that merge."""

from .batches import inputs_of
from .builder import BaselineBuilder

__all__ = ["BaselineBuilder", "inputs_of"]
