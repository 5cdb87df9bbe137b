"""Running a model over training data, for what its outputs look like."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch

from ...errors import BaselineError
from ...featurizers.outputs import joined, size_of

BATCH_ROWS = 4096
# Outputs that are held at once, and the rows that tell how many a row has.
MOST_VALUES, FEW_ROWS = 2**24, 16


class Model:
    """A TorchScript file, or model.py with a state_dict. Raises BaselineError that says which file is wrong and how."""

    def __init__(self, path: Path, weights: Optional[Path]) -> None:
        self.path = path
        self._network = _load(path, weights)
        self._rows_at_once: Optional[int] = None

    def outputs(self, rows: Any) -> Any:
        """Return the outputs, of any kind, of (n, ...) rows or n texts. Raises BaselineError where they do not fit."""
        step = min(BATCH_ROWS, self.rows_at_once(rows))
        return joined([self._run(rows[start : start + step]) for start in range(0, max(len(rows), 1), step)])

    def rows_at_once(self, rows: Any) -> int:
        """Return of how many rows the outputs are held at once; fewer where a row has many, as told by the first."""
        if self._rows_at_once is None:
            some = rows[:FEW_ROWS]
            size = size_of(self._run(some)) // max(len(some), 1)
            self._rows_at_once = max(1, MOST_VALUES // max(size, 1))
        return self._rows_at_once

    def _run(self, rows: Any) -> Any:
        try:
            with torch.inference_mode():
                return self._network(_given(rows))
        except (RuntimeError, TypeError) as error:
            given = (
                f"rows of {'x'.join(map(str, rows.shape[1:]))} values" if hasattr(rows, "shape") else "texts"
            )
            raise BaselineError(f"--model: '{self.path}' does not take {given}: {error}") from error


def _given(rows: Any) -> Any:
    """Return rows as the model takes them: numbers as a tensor, texts as they are."""
    return torch.tensor(rows) if isinstance(rows, np.ndarray) else rows


def _load(model: Path, weights: Optional[Path]) -> Any:
    for path in filter(None, (model, weights)):
        if not path.is_file():
            raise BaselineError(f"there is no file '{path}'")
    if model.suffix != ".py":
        try:
            return torch.jit.load(model).eval()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise BaselineError(f"--model: '{model}' is not a TorchScript file: {error}") from error
    if weights is None:
        raise BaselineError(f"--weights is missing: '{model}' needs its state_dict")
    network = _class_of(model)()
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise BaselineError(f"--weights: '{weights}' does not fit '{model}': {error}") from error
    return network.eval()


def _class_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BaselineError(f"--model: '{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    classes = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, torch.nn.Module)
    ]
    if len(classes) != 1:
        raise BaselineError(f"--model: '{path}' defines {len(classes)} models; it must define one")
    return classes[0]
