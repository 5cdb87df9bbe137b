"""What a torch device is called in a label."""

from __future__ import annotations

from typing import Any


def device_name(device: Any) -> str:
    """Return a torch device's name without a colon: cpu, cuda0.

    >>> device_name(None)
    'cpu'
    """
    if device is None:
        return "cpu"
    return f"{device.type}{device.index if device.index is not None else ''}"
