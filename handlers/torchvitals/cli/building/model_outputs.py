"""Running a model over training data, for what its outputs look like."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import BaselineError

BATCH_ROWS = 4096


class Model:
    """A TorchScript file, or model.py with a state_dict. Raises BaselineError that says which file is wrong and how."""

    def __init__(self, path: Path, weights: Optional[Path]) -> None:
        self.path = path
        self._network = _load(path, weights)

    def outputs(self, rows: Any) -> NDArray[np.float64]:
        """Return the outputs, (n, k) or (n,), of (n, ...) rows or n texts.

        Raises BaselineError where they do not fit.
        """
        try:
            with torch.inference_mode():
                parts = [
                    self._network(_given(rows[start : start + BATCH_ROWS]))
                    for start in range(0, max(len(rows), 1), BATCH_ROWS)
                ]
        except (RuntimeError, TypeError) as error:
            given = (
                f"rows of {'x'.join(map(str, rows.shape[1:]))} values" if hasattr(rows, "shape") else "texts"
            )
            raise BaselineError(f"--model: '{self.path}' does not take {given}: {error}") from error
        if not all(isinstance(part, torch.Tensor) and part.ndim in (1, 2) for part in parts):
            raise BaselineError(f"--model: '{self.path}' must give one tensor, (rows, classes) or (rows,)")
        return torch.cat(parts).double().numpy()


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
