"""Requests that take several calls: continuous batching calls the handler once a step."""

from __future__ import annotations

import time
from struct import pack
from typing import Any

from ...recording.call import CallRecord

ERROR_STATUS = 400
# What TorchServe says in the reply to a request that goes on (ts/protocol/otf_message_handler.py).
GOES_ON = "ts_stream_next"


class Steps:
    """Counts each request once, with its last step, and times its first and its last one.

    A request that is not in a step any more was given up by whoever asked; it counts as one that was served.
    """

    def __init__(self) -> None:
        # When a request's first step began, in nanoseconds, by its id.
        self.known: dict[str, int] = {}

    def add(self, call: CallRecord, context: Any) -> None:
        """Complete the record of a step whose reply is made."""
        ids: dict[int, str] = context.request_ids
        began = call.started_ns or time.perf_counter_ns() - call.handle_ns
        now = time.perf_counter_ns()
        new = [request for request in ids.values() if request not in self.known]
        for request in new:
            self.known[request] = began
        all_failed = call.requests > 0 and call.failed == call.requests
        ended, failed = set(self.known) - set(ids.values()), 0
        for place, request in ids.items():
            goes_on = context.get_response_headers(place).get(GOES_ON) == "true"
            refused = all_failed or context.get_response_status(place)[0] >= ERROR_STATUS
            if refused or not goes_on:
                ended.add(request)
                failed += refused
        call.size = len(ids)
        call.first_steps = _packed([now - self.known[request] for request in new])
        call.last_steps = _packed([now - self.known.pop(request) for request in ended])
        call.requests, call.failed = len(ended), failed


def _packed(nanoseconds: list[int]) -> bytes:
    return pack(f"{len(nanoseconds)}d", *(number / 1e9 for number in nanoseconds))
