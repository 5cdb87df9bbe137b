"""Metric lines as a TorchServe worker writes them, without TorchServe's front end to read them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


class _Lines(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes lines, and keeps what is worse than information."""

    def __init__(self, stream: object) -> None:
        super().__init__(stream)  # type: ignore[arg-type]
        self.troubles: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if record.levelno >= logging.WARNING:
            self.troubles.append(record)


@contextmanager
def lines_to_null() -> Iterator[None]:
    """Log as a worker does (ts/model_service_worker.py), to the null device instead of stdout.

    Raises RuntimeError at the end if a warning or an error was logged: monitoring that fails is cheap.
    """
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    with open(os.devnull, "w") as null:
        lines = _Lines(null)
        lines.setFormatter(logging.Formatter("%(message)s"))
        root.handlers[:] = [lines]
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.setLevel(level)
            root.handlers[:] = handlers
    if lines.troubles:
        first = lines.troubles[0]
        cause = f": {first.exc_info[1]!r}" if first.exc_info else ""
        raise RuntimeError(f"logged while measuring: {first.getMessage()}{cause}")
