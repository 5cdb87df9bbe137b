"""A baseline from the first rows that are served, for a model whose training data nobody has."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from .baseline import Baseline

SUFFIX = "-learned"

logger = logging.getLogger(__name__)


class BaselineLearner:
    """Collects rows until there are enough, then makes the baseline that all workers of the model share.

    The first worker that has enough writes the file; the others, and workers that start later, read it.
    Delete the file to learn anew.
    """

    def __init__(self, rows: int, *, folder: Path, name: str, version: str) -> None:
        self.rows = rows
        self.name = name
        self.version = version + SUFFIX
        self.path = folder / f"{name}-{version}{SUFFIX}.json"
        self._inputs: list[NDArray[Any]] = []
        self._outputs: list[NDArray[Any]] = []

    def add(self, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]]) -> None:
        """Take in (n, d) inputs and (n, k) outputs; only rows as wide as the first ones count."""
        for kept, arrays in ((self._inputs, inputs), (self._outputs, outputs)):
            for rows in arrays:
                if not kept or rows.shape[1] == kept[0].shape[1]:
                    kept.append(rows)

    @property
    def collected(self) -> int:
        """Number of input rows so far."""
        return sum(len(rows) for rows in self._inputs)

    def known(self) -> Optional[Baseline]:
        """Return the baseline that a worker has written, or None. Raises BaselineError for a damaged file."""
        return Baseline.load(self.path) if self.path.exists() else None

    def learned(self) -> Optional[Baseline]:
        """Return the baseline once there is one: another worker's, or from our rows when they are enough."""
        known = self.known()
        if known is not None or self.collected < self.rows:
            return known
        inputs = np.concatenate(self._inputs)[: self.rows]
        outputs = np.concatenate(self._outputs)[: self.rows] if self._outputs else None
        same = outputs is not None and len(outputs) == len(inputs)
        baseline = Baseline.fit(
            inputs, outputs=outputs if same else None, name=self.name, version=self.version
        )
        written = self._write(baseline)
        self._inputs, self._outputs = [], []
        return baseline if written else self.known()

    def _write(self, baseline: Baseline) -> bool:
        """Write the file whole or not at all; False when another worker was faster."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".learning-")
        os.close(handle)
        try:
            baseline.save(temporary)
            os.link(temporary, self.path)
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary)
        logger.warning(
            "learned a baseline from the first %d rows served: %s. Drift is compared with these rows, not with "
            "training data; pack the file as 'baseline' to keep it",
            self.rows,
            self.path,
        )
        return True
