"""Running a model over training data, for what its outputs look like."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch

from ...errors import BaselineError
from ...featurizers.outputs import joined, size_of

BATCH_ROWS = 4096
# What a file holds.
SCRIPT, PICKLED, STATE = "TorchScript", "a pickled model", "a state_dict"
# Where training loops keep a state_dict among other things.
STATE_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "ema")
AS_STATE = (
    "write its weights where its class can be imported: torch.save(model.state_dict(), 'weights.pt'), and give those "
    "as --weights and its model.py as --model"
)
LONGEST_REASON = 600
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
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            given = (
                f"rows of {'x'.join(map(str, rows.shape[1:]))} values" if hasattr(rows, "shape") else "texts"
            )
            raise BaselineError(
                f"--model: '{self.path}' does not take {given}: {_first_lines(error)}"
            ) from error


def _given(rows: Any) -> Any:
    """Return rows as the model takes them: numbers as a tensor, texts as they are."""
    return torch.tensor(rows) if isinstance(rows, np.ndarray) else rows


def _load(model: Path, weights: Optional[Path]) -> Any:
    for path in filter(None, (model, weights)):
        if not path.is_file():
            raise BaselineError(f"there is no file '{path}'")
    if model.suffix != ".py":
        return _torchscript(model)
    if weights is None:
        raise BaselineError(f"--weights is missing: '{model}' needs its state_dict")
    cls = _class_of(model)
    try:
        network = cls()
    except TypeError as error:
        raise BaselineError(
            f"--model: '{model}': the class {cls.__name__} cannot be made without arguments; give them defaults, or "
            "give a TorchScript file"
        ) from error
    state = _state_in(weights, model)
    try:
        network.load_state_dict(state)
    except (AttributeError, RuntimeError, TypeError) as error:
        raise BaselineError(
            f"--weights: '{weights}' does not fit '{model}': {_first_lines(error)}"
        ) from error
    return network.eval()


def _torchscript(model: Path) -> Any:
    try:
        return torch.jit.load(model).eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        found = _kind_of(model)
        if found == PICKLED:
            raise BaselineError(
                f"--model: '{model}' is not a TorchScript file: it is a whole model that was pickled, which runs code "
                f"of its own when it is read; {AS_STATE}, or make it TorchScript with torch.jit.trace(model, rows)"
            ) from error
        if found == STATE:
            raise BaselineError(
                f"--model: '{model}' is not a TorchScript file: it holds a state_dict; give it as --weights, and the "
                "model.py with its class as --model"
            ) from error
        raise BaselineError(
            f"--model: '{model}' is not a TorchScript file; write one with torch.jit.trace(model, rows).save(...), or "
            "give model.py with --weights"
        ) from error


def _state_in(weights: Path, model: Path) -> Any:
    """Return the state_dict in a file. Raises BaselineError that says what else is in it."""
    found = _kind_of(weights)
    if found == SCRIPT:
        raise BaselineError(
            f"--weights: '{weights}' is a TorchScript file, which is a whole model; give it as --model, without "
            "--weights"
        )
    if found == PICKLED:
        raise BaselineError(
            f"--weights: '{weights}' holds a whole model that was pickled, not its state_dict; reading it would run "
            f"code of its own. {AS_STATE[0].upper()}{AS_STATE[1:]}"
        )
    if found is None:
        raise BaselineError(
            f"--weights: '{weights}' is not a file that torch.save wrote; write one with "
            f"torch.save(model.state_dict(), '{weights.name}')"
        )
    state = torch.load(weights, map_location="cpu", weights_only=True)
    inside = [key for key in STATE_KEYS if isinstance(state, Mapping) and isinstance(state.get(key), Mapping)]
    if inside:
        raise BaselineError(
            f"--weights: '{weights}' is a checkpoint, with the state_dict under '{inside[0]}'; write that alone: "
            f"torch.save(checkpoint['{inside[0]}'], 'weights.pt')"
        )
    if not isinstance(state, Mapping):
        raise BaselineError(
            f"--weights: '{weights}' holds a {type(state).__name__}, not the state_dict of '{model}'; {AS_STATE}"
        )
    return state


def _kind_of(path: Path) -> Optional[str]:
    """Return what torch.save, or torch.jit.save, wrote into a file; None where neither did."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                return SCRIPT
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # What torch says of a class or function that is none of its own (torch/_weights_only_unpickler.py).
        return PICKLED if "GLOBAL" in str(error) else None
    except Exception:  # of bytes that are no pickle, the unpickler raises whatever they lead it to
        return None
    return STATE


def _first_lines(error: Exception) -> str:
    """Return what torch says of keys and shapes, which may be hundreds, up to a length that is read."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def _class_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BaselineError(f"--model: '{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError) as error:
        raise BaselineError(
            f"--model: '{path}' cannot be imported: {error}; mend it, or set PYTHONPATH"
        ) from error
    classes = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, torch.nn.Module)
    ]
    if len(classes) != 1:
        raise BaselineError(f"--model: '{path}' defines {len(classes)} models; it must define one")
    return classes[0]
