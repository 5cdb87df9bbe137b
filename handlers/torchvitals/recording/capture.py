"""Copies of what the model was given and gave, taken on the request path at the least cost."""

from __future__ import annotations

from struct import Struct
from time import perf_counter_ns
from typing import Any, Optional, Protocol, Union

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from .accelerators import Event, accelerator_of
from .parts import array_in

MAX_ROW_VALUES = 1024
# Whole numbers in rows are token ids, of texts of any length.
MAX_ROW_IDS = 16_384
NUMPY_IDS, TORCH_IDS = (np.int64, np.int32), (torch.int64, torch.int32)
ROWS_OF_IDS = 2
FEW_VALUES = 64
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


def dimensions_of(copy: Captured) -> int:
    """Return the number of dimensions of a copy."""
    if isinstance(copy, bytes):
        return 2
    return copy.host.ndim if isinstance(copy, DeviceCopy) else copy.ndim


class TooLargeError(ValueError):
    """A row has more values than are worth copying on the request path."""


def capture(value: Any, call: Optional[Timed] = None) -> Optional[Captured]:
    """Copy the tensor or array in `value` (see `array_in`); None where there is none.

    Raises TooLargeError over MAX_ROW_VALUES values a row, of token ids over MAX_ROW_IDS. Nothing waits for the device,
    unless it has no events; then the time is added to that of the call's inference.
    """
    if isinstance(value, torch.Tensor):
        # Rows of a nested tensor differ in length, so they have nothing to compare.
        return None if value.is_nested else packed_row(value) or _capture_tensor(value, call)
    if isinstance(value, np.ndarray):
        if _is_too_large(value.shape, value.size, ids=value.dtype in NUMPY_IDS):
            raise TooLargeError(value.shape)
        return value.copy()
    found = array_in(value)
    return None if found is None else capture(found, call)


def _is_too_large(shape: tuple[int, ...], values: int, *, ids: bool) -> bool:
    if not shape or values <= MAX_ROW_VALUES * shape[0]:
        return False
    return not ids or len(shape) != ROWS_OF_IDS or shape[1] > MAX_ROW_IDS


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
    if _is_too_large(shape, shape.numel(), ids=tensor.dtype in TORCH_IDS):
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
