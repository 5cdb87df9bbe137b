"""Leaving out the line that TorchServe's worker logs for every request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

# ts/protocol/otf_message_handler.py, retrieve_msg. Written to standard output and flushed, read by the front end and
# matched against two patterns there; our log4j2.xml throws it away at the end of that.
RECEIVED = "Backend received inference at: %d"


def leave_out_request_lines(logger: logging.Logger = logging.root) -> None:
    """Drop that line where it is logged, on the root logger. Every other line stays as it is.

    The logger's own `info` is shadowed: a filter would come after all the work of making a record of it.
    """
    if not isinstance(logger.info, _Info):
        setattr(logger, "info", _Info(logger.info))  # noqa: B010 - mypy knows `info` as a method


class _Info:
    """`Logger.info` without that one message."""

    def __init__(self, info: Callable[..., None]) -> None:
        self._info = info

    def __call__(self, msg: object, *args: Any, **kwargs: Any) -> None:
        if type(msg) is str and msg == RECEIVED:
            return
        # One more frame lies between the caller and the record.
        self._info(msg, *args, **{**kwargs, "stacklevel": kwargs.get("stacklevel", 1) + 1})
