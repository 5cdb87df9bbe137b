"""A baseline from the first rows that are served, for a model whose training data nobody has."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.selection import Features
from ..featurizers import Images, reducer
from ..featurizers.images import IMAGE_DIMENSIONS
from ..featurizers.registry import first_of
from ..featurizers.texts import is_texts
from ..training.baseline import Baseline

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
        # What images come, told by the first batch, and what makes their features.
        self._images: Optional[Images] = None
        self._reduce_images: Callable[[Any], Any]
        self.version = version + SUFFIX
        self.path = folder / f"{name}-{version}{SUFFIX}.json"
        self._inputs: list[NDArray[Any]] = []
        self._outputs: list[NDArray[Any]] = []

    def reduce(self, value: Any) -> Any:
        """Return what is copied of a model's inputs on the request path: of images their features, of texts a list."""
        batch = first_of(value)
        if is_texts(batch):
            return np.array(batch, dtype=object)
        if getattr(batch, "ndim", 0) != IMAGE_DIMENSIONS or self.features.inputs not in (None, "images"):
            return value
        if self._images is None:
            images = Images(channels=batch.shape[1])
            # Before `_images`, by which another thread sees that it is there.
            self._reduce_images = reducer(images)
            self._images = images
        return self._reduce_images(batch)

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
        width = max(rows.shape[1] for rows in self._inputs)
        inputs = np.concatenate(
            [
                np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=self.features.padding)
                for rows in self._inputs
            ]
        )[: self.rows]
        if outputs is not None and len(outputs) != len(inputs):
            outputs = None
        names, features = None, self.features
        if self._images is not None:
            names = self._images.names
            features = msgspec.structs.replace(features, inputs="columns", row_distance=False)
        baseline = Baseline.fit(
            inputs[:, 0] if inputs.dtype == object else inputs,
            feature_names=names,
            outputs=outputs,
            features=features,
            name=self.name,
            version=self.version,
        )
        return msgspec.structs.replace(baseline, inputs=self._images).sealed() if self._images else baseline

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
