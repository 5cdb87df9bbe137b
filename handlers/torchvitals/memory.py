"""Memory of a worker: the host's and, on a GPU, the device's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

PEAK_WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class MemorySample:
    """Bytes by (device, kind): rss on the host; allocated, reserved, peak_allocated and more on a device."""

    bytes: dict[tuple[str, str], int]

    @property
    def peak_device_bytes(self) -> int:
        """The highest peak_allocated of any device; 0 without one."""
        return max((value for (_, kind), value in self.bytes.items() if kind == "peak_allocated"), default=0)


class MemorySampler:
    """Samples at each flush. The device's peak is reset once a window, never for a prediction."""

    def __init__(self, device: Any, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._process = psutil.Process()
        self._device = device
        self._clock = clock
        self._window_began = clock()

    def sample(self) -> MemorySample:
        """Read all kinds now; no synchronisation with the device."""
        values = {("host", "rss"): int(self._process.memory_info().rss)}
        if getattr(self._device, "type", None) == "cuda":
            values.update(self._device_sample())
        return MemorySample(values)

    def _device_sample(self) -> dict[tuple[str, str], int]:
        import torch

        device = self._device
        name = f"cuda{device.index or 0}"
        free, total = torch.cuda.mem_get_info(device)
        values = {
            (name, "allocated"): torch.cuda.memory_allocated(device),
            (name, "reserved"): torch.cuda.memory_reserved(device),
            (name, "peak_allocated"): torch.cuda.max_memory_allocated(device),
            (name, "device_used"): total - free,
            (name, "device_total"): total,
        }
        if self._clock() - self._window_began >= PEAK_WINDOW_SECONDS:
            torch.cuda.reset_peak_memory_stats(device)
            self._window_began = self._clock()
        return values
