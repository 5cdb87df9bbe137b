"""TorchServe, Prometheus, Alertmanager, a notification receiver and Grafana on one machine.

For development, the demo, tests and benchmarks; not part of the package. ``python -m stack`` runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import MissingProgramError as MissingProgramError
    from .errors import StackError as StackError
    from .runner import Stack as Stack

__all__ = ["MissingProgramError", "Stack", "StackError"]


def __getattr__(name: str) -> Any:
    """Import on first use: the receiver's container has this file and receiver.py alone."""
    if name == "Stack":
        from .runner import Stack

        return Stack
    if name in __all__:
        from . import errors

        return getattr(errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
