"""What TorchServe's context tells of the requests in a call."""

from __future__ import annotations

import time
from typing import Any

from ...recording.call import CallRecord
from ...recording.queue_time import HEADER, LOWER_HEADER

ERROR_STATUS = 400


def describe(call: CallRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Fill in how many requests a call of `handle(data, context)` had, how many it refused, and their start headers."""
    data, context = args
    call.requests = len(data) if isinstance(data, (list, tuple)) else 1
    processors = getattr(context, "request_processor", None)
    if not isinstance(processors, list):
        return  # no context of TorchServe's
    failed, starts = 0, None
    for request in processors:
        if request.get_response_status_code() >= ERROR_STATUS:
            failed += 1
        properties = request.get_request_properties()
        start = properties.get(HEADER) or properties.get(LOWER_HEADER)
        if start:
            starts = f"{start}" if starts is None else f"{starts}\n{start}"
    call.failed = failed
    if starts is not None:
        call.starts, call.ended = starts, time.time()
