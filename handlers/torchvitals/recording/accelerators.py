"""A device that computes beside the host: its events and streams, by one interface for CUDA, XPU, MPS and others."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Optional, Protocol

import torch

# cudaThreadExchangeStreamCaptureMode and its name under ROCm, and cudaStreamCaptureModeThreadLocal.
EXCHANGE_MODE, THREAD_LOCAL = ("cudaThreadExchangeStreamCaptureMode", "hipThreadExchangeStreamCaptureMode"), 1


class Event(Protocol):
    """What we use of torch.cuda.Event, torch.xpu.Event and torch.mps.Event."""

    def record(self, stream: Any = None) -> None:
        """Mark a stream."""

    def query(self) -> bool:
        """Tell whether the device has passed the mark."""

    def elapsed_time(self, end: Any) -> float:
        """Return milliseconds from this mark to `end`."""


class Accelerator:
    """A device with events, by which the host knows what the device has done without waiting for it.

    has_timers: whether the time between two events can be had without waiting, too. MPS waits for all of the device's
    work there (aten/src/ATen/mps/MPSEvent.mm: elapsedTime). copies: whether tensors can be copied to the host without
    waiting, as far as is known; until a first copy fails.
    """

    def __init__(self, device: torch.device, module: Any) -> None:
        self._device = device
        self._module = module
        self.has_timers = device.type != "mps"
        self.copies = True
        self._pins = True

    def timer(self) -> Event:
        """Return a new event that takes the time."""
        event: Event = self._module.Event(enable_timing=True)
        return event

    def stream(self) -> Any:
        """Return the stream that is in use now; it need not be one of the process's current device. None for MPS."""
        current_stream = getattr(self._module, "current_stream", None)
        return None if current_stream is None else current_stream(self._device)

    def synchronize(self) -> None:
        """Wait for all of the device's work."""
        if self.stream() is None:
            self._module.synchronize()
        else:
            self._module.synchronize(self._device)

    def copy(self, tensor: torch.Tensor) -> tuple[torch.Tensor, Event]:
        """Start to copy a tensor to the host, behind the work that makes it; return the copy and its event."""
        host = self._host_memory(tensor)
        host.copy_(tensor, non_blocking=True)
        event: Event = self._module.Event()
        stream = self.stream()
        if stream is None:
            # MPS has one stream, and its events take none.
            event.record()
        else:
            event.record(stream)
        return host, event

    def _host_memory(self, like: torch.Tensor) -> torch.Tensor:
        if self._pins:
            try:
                return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
            except (RuntimeError, NotImplementedError):
                if self._device.type == "cuda":
                    raise
                # Not every device has memory of the host that it can write to by itself.
                self._pins = False
        return torch.empty(like.shape, dtype=like.dtype)


def accelerator_of(device: Any) -> Optional[Accelerator]:
    """Return a device as an accelerator; None for the host, for no device, and for one without events."""
    return _accelerator(device) if isinstance(device, torch.device) else None


@lru_cache(maxsize=64)
def _accelerator(device: torch.device) -> Optional[Accelerator]:
    if device.type in ("cpu", "meta"):
        return None
    module = getattr(torch, device.type, None)
    return Accelerator(device, module) if hasattr(module, "Event") else None


def capture_check(device: Any) -> Optional[Callable[[], bool]]:
    """Return what tells whether this thread's work is being captured as a CUDA graph; None where that cannot be.

    A mark or a copy made meanwhile would become part of the graph, or end the capture with an error.
    """
    kind = getattr(device, "type", None)
    built_for = [getattr(torch.version, name, None) for name in ("cuda", "hip")]
    if kind not in (None, "cuda") or (kind is None and not any(built_for)):
        return None

    def is_capturing() -> bool:
        initialized = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        return bool(initialized and torch.cuda.is_current_stream_capturing())

    return is_capturing


def spare_captures(device: Any) -> bool:
    """Let this thread ask the device for events while others capture graphs; returns whether that was arranged.

    By default a capture ends with an error when any thread of the process asks for an event meanwhile.
    """
    if getattr(device, "type", None) != "cuda":
        return False
    try:
        library = ctypes.CDLL(None)
        exchange = next(getattr(library, name) for name in EXCHANGE_MODE if hasattr(library, name))
        return bool(exchange(ctypes.byref(ctypes.c_int(THREAD_LOCAL))) == 0)
    except (OSError, TypeError, StopIteration):
        return False
