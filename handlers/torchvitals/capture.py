"""Copies of what the model was given and gave, taken on the request path at the least cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

import numpy as np
import torch
from numpy.typing import NDArray

MAX_ROW_VALUES = 1024
FEW_VALUES = 64


class DeviceCopy:
    """A copy on its way from a device to pinned memory; holds no device tensor."""

    __slots__ = ("_event", "_host")

    def __init__(self, tensor: torch.Tensor) -> None:
        self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._host.copy_(tensor, non_blocking=True)
        # The stream of the tensor's own device, which need not be the process's current one.
        self._event = torch.cuda.current_stream(tensor.device).record_event()

    @property
    def ready(self) -> bool:
        """Whether the copy has arrived."""
        return bool(self._event.query())

    def array(self) -> NDArray[Any]:
        """Return the arrived copy."""
        return np.asarray(self._host.numpy())


# A list is one row: at batch size 1 that is the cheapest copy there is, and few objects wait for the flush.
Captured = Union[NDArray[Any], DeviceCopy, list[float]]


class TooLargeError(ValueError):
    """A row has more values than are worth copying on the request path."""


def capture(value: Any) -> Optional[Captured]:
    """Copy the first tensor or array in `value`; None where there is none.

    Raises TooLargeError over MAX_ROW_VALUES values a row. Nothing waits for the device.
    """
    if isinstance(value, torch.Tensor):
        shape = value.shape
        if len(shape) == 2 and shape[0] == 1 and shape[1] <= FEW_VALUES and not value.is_cuda:
            row: list[float] = value.tolist()[0]
            return row
        return _capture_tensor(value)
    if isinstance(value, np.ndarray):
        if value.ndim and value.size > MAX_ROW_VALUES * len(value):
            raise TooLargeError(value.shape)
        return value.copy()
    if isinstance(value, Mapping):
        return capture(next(iter(value.values()))) if value else None
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], (torch.Tensor, np.ndarray)):
        return capture(value[0])
    return None


def _capture_tensor(tensor: torch.Tensor) -> Captured:
    if tensor.ndim and tensor.numel() > MAX_ROW_VALUES * len(tensor):
        raise TooLargeError(tuple(tensor.shape))
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    if tensor.is_cuda:
        return DeviceCopy(tensor)
    return np.array(tensor.numpy() if tensor.is_cpu else tensor.cpu().numpy())
