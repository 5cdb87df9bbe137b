"""One file a tool: how it is given a baseline and a window, and how its verdict is read.

An adapter has a class ``Detector`` with ``__init__(data)`` (learn the baseline), ``prepare(rows)`` (the
form that the tool takes; not timed) and ``evaluate(window)`` (the flagged columns, worst first; timed).
These files run in the environment of their tool: besides it, they import NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Data:
    """A baseline (rows, columns) and windows (windows, rows, columns) of the same columns, NaN for missing.

    categorical: columns whose few values are codes. ordered: the baseline's rows are in the order of time.
    timed: measure the CPU time of the call that the documentation names.
    """

    name: str
    columns: list[str]
    categorical: list[str]
    ordered: bool
    timed: bool
    reference: np.ndarray
    windows: np.ndarray

    @property
    def window(self) -> int:
        """Rows in a window."""
        return int(self.windows.shape[1])
