"""Which torch device a handler means, and what it is called in a label."""

from __future__ import annotations

import operator
from typing import Any, Optional

import torch


def as_device(value: Any) -> Optional[torch.device]:
    """Return the torch device that a handler names by a device, a text or a number; None for what names none here.

    A CUDA device has an index, the current one's where none is given. A negative number is the host, as Transformers'
    pipelines have it.

    >>> as_device("cpu"), as_device(-1)
    (device(type='cpu'), device(type='cpu'))
    >>> as_device("an abacus"), as_device(None)
    (None, None)
    """
    if value is None or isinstance(value, bool):
        return None
    device = value if isinstance(value, torch.device) else _named(value)
    if device is None or device.type != "cuda":
        return device
    try:
        if not torch.cuda.is_available():
            return None
        return device if device.index is not None else torch.device("cuda", torch.cuda.current_device())
    except Exception:
        # A driver that fails is the model's to report.
        return None


def device_of(model: Any) -> Optional[torch.device]:
    """Return the device of a model's first parameter; None where it has none, or does not tell."""
    try:
        device: torch.device = next(iter(model.parameters())).device
        return device
    except Exception:
        return None


def _named(value: Any) -> Optional[torch.device]:
    try:
        if isinstance(value, str):
            return torch.device(value)
        number = operator.index(value)
        return torch.device("cuda", number) if number >= 0 else torch.device("cpu")
    except (TypeError, RuntimeError):
        return None


def device_name(device: Any) -> str:
    """Return a device's name without a colon: cpu, cuda0. What is no device, a text for example, names itself.

    >>> device_name(None), device_name(torch.device("cuda", 1)), device_name("npu:0")
    ('cpu', 'cuda1', 'npu0')
    """
    if device is None:
        return "cpu"
    try:
        if isinstance(device, torch.device):
            return f"{device.type}{device.index if device.index is not None else ''}"
        return str(device).replace(":", "") or "cpu"
    except Exception:
        return "unknown"
