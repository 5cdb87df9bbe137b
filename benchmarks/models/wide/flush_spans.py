"""MonitoredHandler whose flushes are written down: a line with the begin and the end of each, seconds since 1970.

Packed into the archive of benchmarks/flush_latency.py, which reads the file from the folder of the server's logs.
"""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import Any

from torchvitals import Monitor, MonitoredHandler

__all__ = ["MonitoredHandler"]

FILE = Path(os.environ["LOG_LOCATION"]) / "flushes.txt"

_flush = Monitor.flush


@functools.wraps(_flush)
def _recorded(monitor: Monitor, *args: Any, **kwargs: Any) -> float:
    began = time.time()
    spent = _flush(monitor, *args, **kwargs)
    ended = time.time()
    with FILE.open("a", encoding="utf-8") as file:
        file.write(f"{began:.6f} {ended:.6f}\n")
    return spent


Monitor.flush = _recorded  # type: ignore[method-assign]
