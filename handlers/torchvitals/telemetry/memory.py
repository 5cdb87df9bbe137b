"""Memory of a worker: the host's and, on a GPU, the device's."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PEAK_WINDOW_SECONDS = 60.0
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class MemorySample:
    """Bytes by (device, kind): rss, peak_rss on the host; allocated, reserved, peak_allocated and more on a device.

    allocation_retries: how often the device's allocator had to give memory back since the last sample.
    """

    bytes: dict[tuple[str, str], int]
    allocation_retries: int = 0

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
        self._retries = 0
        self.on_device = getattr(device, "type", None) == "cuda"

    def sample(self) -> MemorySample:
        """Read all kinds now; no synchronisation with the device."""
        rss = int(self._process.memory_info().rss)
        # The kernel brings its counts of the two up to date at different times.
        values = {("host", "rss"): rss, ("host", "peak_rss"): max(rss, peak_rss())}
        return self._with_device(values) if self.on_device else MemorySample(values)

    def _with_device(self, values: dict[tuple[str, str], int]) -> MemorySample:
        import torch

        device = self._device
        name = f"cuda{device.index or 0}"
        free, total = torch.cuda.mem_get_info(device)
        # One reading for all kinds. Allocators other than PyTorch's own lack some.
        stats = torch.cuda.memory_stats(device)
        for kind, key in (
            ("allocated", "allocated_bytes.all.current"),
            ("reserved", "reserved_bytes.all.current"),
            ("peak_allocated", "allocated_bytes.all.peak"),
            ("inactive_split", "inactive_split_bytes.all.current"),
        ):
            if key in stats:
                values[name, kind] = int(stats[key])
        values[name, "device_used"] = total - free
        values[name, "device_total"] = total
        known, self._retries = self._retries, int(stats.get("num_alloc_retries", 0))
        if self._clock() - self._window_began >= PEAK_WINDOW_SECONDS:
            torch.cuda.reset_peak_memory_stats(device)
            self._window_began = self._clock()
        return MemorySample(values, allocation_retries=max(0, self._retries - known))


def peak_rss() -> int:
    """Return the most memory that this process has held since its start, in bytes; 0 where the system does not say.

    Linux's `getrusage` would count what the process that started us held before (man 2 getrusage, ru_maxrss), so the
    kernel's own mark of this program is read where there is one.
    """
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
