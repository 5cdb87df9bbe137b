"""A baseline from the first rows that are served, for a model whose training data nobody has."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ..baseline.selection import Features
from ..errors import BaselineError
from ..featurizers import INPUTS, Featurizer, detect, reducer
from ..featurizers.batches import first_of, to_array
from ..training.baseline import Baseline, BaselineBuilder
from ..training.options import BuildOptions

SUFFIX = "-learned"

logger = logging.getLogger(__name__)


class BaselineLearner:
    """Collects rows until there are enough, then makes the baseline that all workers of the model share.

    The first worker that has enough writes the file; the others, and workers that start later, read it.
    Delete the file to learn anew.
    """

    def __init__(
        self, rows: int, *, folder: Path, name: str, version: str, features: Optional[Features] = None
    ) -> None:
        self.rows = rows
        self.name = name
        self.features = features or Features()
        # Of a kind that learns nothing: what makes features, told by the first batch.
        self._featurizer: Optional[Featurizer] = None
        self._reduce: Callable[[Any], Any]
        self.version = version + SUFFIX
        self.path = folder / f"{name}-{version}{SUFFIX}.json"
        self._inputs: list[NDArray[Any]] = []
        self._outputs: list[NDArray[Any]] = []

    def reduce(self, value: Any) -> Any:
        """Return what is copied of a model's inputs on the request path.

        Features already, where the kind of input learns nothing; else raw inputs, which are learned from later.
        """
        if self._featurizer is not None:
            return self._reduce(value)
        batch = first_of(value)
        if batch is None:
            return value
        kind = INPUTS.named(self.features.inputs or detect(batch))
        if kind.learns:
            kept = kind.kept(batch)
            return value if kept is batch else kept
        try:
            featurizer = kind.of(to_array(batch[:1]))
        except BaselineError:
            return value
        # Before `_featurizer`, by which another thread sees that it is there.
        self._reduce = reducer(featurizer)
        self._featurizer = featurizer
        return self._reduce(value)

    def add(self, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]]) -> None:
        """Take in (n, d) inputs and (n, k) outputs; only rows as wide as the first ones count, but for token ids."""
        for kept, arrays in ((self._inputs, inputs), (self._outputs, outputs)):
            for rows in arrays:
                if not kept or rows.shape[1] == kept[0].shape[1] or self._are_tokens(rows):
                    kept.append(rows)

    def forget(self) -> None:
        """Forget the rows so far: this process is a fork, and they are its parent's."""
        self._inputs, self._outputs = [], []

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
        outputs = np.concatenate(self._outputs)[: self.rows] if self._outputs else None
        baseline = self._fit(outputs)
        written = self._write(baseline)
        self._inputs, self._outputs = [], []
        return baseline if written else self.known()

    def _fit(self, outputs: Optional[NDArray[Any]]) -> Baseline:
        if outputs is not None and len(outputs) != self.rows:
            outputs = None
        builder = BaselineBuilder(
            BuildOptions(features=self.features, name=self.name, version=self.version, exact=True)
        )
        # Token ids come in several widths; all else together, as one batch tells its kind best.
        one_width = len({rows.shape[1] for rows in self._inputs}) == 1
        start = 0
        for batch in [np.concatenate(self._inputs)] if one_width else self._inputs:
            rows = batch[: self.rows - start]
            scores = None if outputs is None else outputs[start : start + len(rows)]
            if self._featurizer is not None:
                builder.add_described(self._featurizer, rows, scores)
            else:
                builder.add(rows[:, 0] if rows.dtype == object else rows, scores)
            start += len(rows)
        return builder.baseline()

    def _are_tokens(self, rows: NDArray[Any]) -> bool:
        return self.features.inputs in (None, "tokens") and rows.dtype.kind in "iu"

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
