"""Copies of what the model was given and gave, taken on the request path at the least cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from time import perf_counter_ns
from typing import Any, Optional, Protocol, Union

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from .accelerators import Event, accelerator_of

MAX_ROW_VALUES = 1024
FEW_VALUES = 64
# What a model's scores are called where it gives several things by name, as those of Transformers do beside a loss.
SCORES = ("logits", "scores", "probabilities")
# By number of values, what puts so many of them into bytes.
PACK = [Struct(f"{values}d").pack for values in range(FEW_VALUES + 1)]


class Timed(Protocol):
    """What keeps the nanoseconds of inference: a call."""

    inference_ns: int


class DeviceCopy(msgspec.Struct, gc=False, eq=False):
    """A copy on its way from a device to the host; holds no device tensor."""

    host: torch.Tensor
    event: Event

    @property
    def ready(self) -> bool:
        """Whether the copy has arrived."""
        return bool(self.event.query())

    def array(self) -> NDArray[Any]:
        """Return the arrived copy."""
        return np.asarray(self.host.numpy())


# Bytes are one row of few values, as doubles: at batch size 1 that is the cheapest copy there is. A list of numbers
# would be cheaper still, but the garbage collector tracks it (call.py).
Captured = Union[NDArray[Any], DeviceCopy, bytes]


def size_of(copy: Captured) -> int:
    """Return how many bytes a copy holds."""
    if isinstance(copy, bytes):
        return len(copy)
    if isinstance(copy, DeviceCopy):
        return int(copy.host.numel() * copy.host.element_size())
    return int(copy.nbytes)


def rows_in(copy: Captured) -> int:
    """Return how many rows a copy holds; a single number is a row."""
    if isinstance(copy, bytes):
        return 1
    shape = copy.host.shape if isinstance(copy, DeviceCopy) else copy.shape
    return int(shape[0]) if shape else 1


class TooLargeError(ValueError):
    """A row has more values than are worth copying on the request path."""


def capture(value: Any, call: Optional[Timed] = None) -> Optional[Captured]:
    """Copy the tensor or array in `value`; of several by name the scores, else the first; None where there is none.

    Tensors in a list that are a row each are copied together.
    Raises TooLargeError over MAX_ROW_VALUES values a row. Nothing waits for the device, unless it has no events; then
    the time is added to that of the call's inference.
    """
    if isinstance(value, torch.Tensor):
        # Rows of a nested tensor differ in length, so they have nothing to compare.
        return None if value.is_nested else packed_row(value) or _capture_tensor(value, call)
    if isinstance(value, np.ndarray):
        if value.ndim and value.size > MAX_ROW_VALUES * len(value):
            raise TooLargeError(value.shape)
        return value.copy()
    if isinstance(value, Mapping):
        named = next((value[name] for name in SCORES if name in value), None)
        return _first(value.values(), call) if named is None else capture(named, call)
    if isinstance(value, list) and len(value) > 1 and _are_rows(value):
        rows = torch.cat(value) if value[0].ndim > 1 else torch.stack(value)
        return _capture_tensor(rows, call)
    if isinstance(value, (list, tuple)):
        return _first(value, call)
    return None


def _first(values: Iterable[Any], call: Optional[Timed]) -> Optional[Captured]:
    """Copy the first tensor or array, single numbers such as a loss left out where there is more."""
    found = [value for value in values if isinstance(value, (torch.Tensor, np.ndarray))]
    return capture(next((value for value in found if value.ndim), found[0]), call) if found else None


def _are_rows(values: list[Any]) -> bool:
    """Tell whether tensors are a row each, all of one shape."""
    first = values[0]
    if not isinstance(first, torch.Tensor) or not (first.ndim == 1 or (first.ndim > 1 and len(first) == 1)):
        return False
    return all(isinstance(value, torch.Tensor) and value.shape == first.shape for value in values)


def packed_row(tensor: torch.Tensor) -> Optional[bytes]:
    """Return the one row of few numbers that a tensor of the host holds, as doubles; None for any other tensor.

    Whole numbers are left alone: that they are some says whether they can be ids.
    """
    try:
        shape = tensor.shape
    except RuntimeError:  # a nested tensor has none
        return None
    if len(shape) == 2 and shape[0] == 1 and shape[1] <= FEW_VALUES and tensor.is_cpu:
        row = tensor.tolist()[0]
        # Quicker than to ask the tensor for its type.
        if row and type(row[0]) is float:
            return PACK[shape[1]](*row)
    return None


def _capture_tensor(tensor: torch.Tensor, call: Optional[Timed]) -> Captured:
    shape = tensor.shape
    if shape and shape.numel() > MAX_ROW_VALUES * shape[0]:
        raise TooLargeError(tuple(shape))
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    return tensor.numpy().copy() if tensor.is_cpu else _from_device(tensor, call)


def _from_device(tensor: torch.Tensor, call: Optional[Timed]) -> Captured:
    accelerator = accelerator_of(tensor.device)
    if accelerator is not None and accelerator.copies:
        try:
            return DeviceCopy(*accelerator.copy(tensor))
        except Exception:
            if tensor.is_cuda:
                raise
            # A device whose events or copies are not what CUDA's are: from now on it is waited for.
            accelerator.copies = False
    began = perf_counter_ns()
    copy = tensor.cpu().numpy()
    if call is not None:
        call.inference_ns += perf_counter_ns() - began
    return np.asarray(copy)
