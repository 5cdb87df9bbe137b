"""Building a baseline on Ray Data: each worker counts blocks of rows, and the counts are merged."""

from __future__ import annotations

import functools
import logging
import os
import pickle
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ...errors import BaselineError
from ...training.baseline import Baseline, BaselineBuilder
from .model_outputs import Model
from .recipe import Recipe, frames, require
from .tables import is_csv

BLOCK_ROWS = 262_144
PARTS_PER_MERGE = 16
PART, FILE = "part", "file"


def count_rows(frame: Any, *, recipe: Recipe, labelled: bool) -> dict[str, Any]:
    """Return one row for a block of them: the pickled builder, or the error that the user is to read."""
    builder = recipe.builder()
    try:
        recipe.add(builder, frame, _network(recipe.model, recipe.weights), labelled=labelled)
    except BaselineError as error:
        return _row(error)
    return _row(builder)


def count_file(row: dict[str, Any], *, recipe: Recipe, labelled: bool) -> dict[str, Any]:
    """Return one row for a CSV file, as `count_rows` does: the files are read as they are in one process."""
    builder = recipe.builder()
    try:
        for frame in frames([Path(row[FILE])], recipe.wanted, recipe.files):
            recipe.add(builder, frame, _network(recipe.model, recipe.weights), labelled=labelled)
    except BaselineError as error:
        return _row(error)
    return _row(builder)


def merge_parts(parts: dict[str, Any]) -> dict[str, Any]:
    """Return one row for several: their builders merged, or the first error among them."""
    whole = BaselineBuilder()
    first: Optional[BaselineBuilder] = None
    for part in map(_unpickled, parts[PART]):
        if isinstance(part, BaselineError):
            return _row(part)
        if first is None:
            first = whole = part
        else:
            try:
                whole.merge(part)
            except BaselineError as error:
                return _row(error)
    return _row(whole)


def build_on_ray(recipe: Recipe, files: list[Path], *, labelled: bool, mergeable: bool) -> Baseline:
    """Build on the cluster that RAY_ADDRESS names, or on this machine's cores. Raises BaselineError.

    The files, the model and torchvitals must be where the workers are.
    """
    try:
        import ray
    except ImportError as error:
        raise BaselineError(
            "--engine ray: Ray is not installed; run pip install 'torchvitals[ray]'"
        ) from error
    require(files, recipe.wanted, recipe.files)
    if len({is_csv(file) for file in files}) > 1:
        raise BaselineError("--engine ray reads files of one kind; give only .parquet or only .csv files")
    if not ray.is_initialized():
        _start(ray)
    try:
        paths = [str(file.resolve()) for file in files]
        if is_csv(files[0]):
            rows = ray.data.from_items([{FILE: path} for path in paths], override_num_blocks=len(paths))
            counted = rows.map(functools.partial(count_file, recipe=recipe, labelled=labelled))
        else:
            counted = (
                ray.data.read_parquet(paths)
                .select_columns(recipe.wanted)
                .map_batches(
                    functools.partial(count_rows, recipe=recipe, labelled=labelled),
                    batch_format="pandas",
                    batch_size=BLOCK_ROWS,
                )
            )
        parts = counted.map_batches(merge_parts, batch_size=PARTS_PER_MERGE)
        whole = merge_parts({PART: [row[PART] for row in parts.iter_rows()]})
    finally:
        ray.shutdown()
    built = _unpickled(whole[PART][0])
    if isinstance(built, BaselineError):
        raise built
    baseline: Baseline = built.baseline(mergeable=mergeable)
    return baseline


def _start(ray: Any) -> None:
    """Join the cluster that the environment names; else start Ray on this machine, reachable from it alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not os.environ.get("RAY_ADDRESS"):
        settings.update(include_dashboard=False, _node_ip_address="127.0.0.1")
    ray.init(**settings)
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False


@functools.lru_cache(maxsize=1)
def _network(model: Optional[Path], weights: Optional[Path]) -> Optional[Model]:
    """Load the model, once in each worker."""
    return Model(model, weights) if model else None


def _row(content: Any) -> dict[str, Any]:
    return {PART: np.array([pickle.dumps(content)], dtype=object)}


def _unpickled(content: Any) -> Any:
    # Written by this module on a worker of the user's own cluster.
    return pickle.loads(bytes(content))  # noqa: S301
