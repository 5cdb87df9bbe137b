"""What TorchServe's context tells of the requests in a call, and how they were answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Optional

from ...recording.call import CallRecord
from ...recording.queue_time import HEADER, LOWER_HEADER
from ...recording.recorder import Recorder
from .ids import RequestIds
from .steps import ERROR_STATUS, Steps

# The first four bytes of a reply, as ts/protocol/otf_message_handler.py packs 200.
OK = (200).to_bytes(4, "big")
# Calls after whose end something that was not seen is looked for; then one in so many.
EARLY_CALLS = 100
ONE_IN = 128


class Requests:
    """Completes the records of a worker's calls.

    look: looks for what runs inference, after a call in which nothing of it was seen. ids: gives predictions their ids.
    """

    def __init__(
        self,
        recorder: Recorder,
        look: Optional[Callable[[], Any]] = None,
        ids: Optional[RequestIds] = None,
    ) -> None:
        self._recorder = recorder
        self._ids = ids
        self._look = look
        self._unseen = 0
        self._steps = Steps()

    def describe(self, call: CallRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Fill in how many requests a call of `handle(data, context)` had, how many it refused, their start headers."""
        data = args[0] if args else kwargs.get("data")
        context = args[1] if len(args) > 1 else kwargs.get("context")
        call.requests = len(data) if isinstance(data, (list, tuple)) else 1
        processors = getattr(context, "request_processor", None)
        if not isinstance(processors, list):
            return  # no context of TorchServe's
        call.instances = call.requests
        call.requests = len(processors) or call.requests
        failed, starts = 0, None
        for request in processors:
            if request.get_response_status_code() >= ERROR_STATUS:
                failed += 1
            properties = request.get_request_properties()
            start = properties.get(HEADER) or properties.get(LOWER_HEADER)
            if start:
                starts = f"{start}" if starts is None else f"{starts}\n{start}"
        call.failed = failed
        if self._ids is not None:
            self._ids.fill(call, data, context)
        if starts is not None:
            call.starts, call.ended = starts, time.time()
        if not call.inference_ns:
            call.special = any(map(_is_special, processors))
            self._look_again(call)

    def answered(self, call: Optional[CallRecord], reply: Optional[bytes], count: int, context: Any) -> None:
        """Complete the record of a call once TorchServe has made its reply.

        Args:
            call: the call; None where the requests reached no handler, as those that an envelope refuses.
            reply: what goes to the front end; empty where making it failed, None from a rank that answers nobody.
            count: requests in the call.
            context: TorchServe's of this call.
        """
        failed = reply is not None and reply[:4] != OK
        if call is None:
            call = CallRecord(0, 0, requests=count, failed=count if failed else 0, timed=False)
            self._recorder.add(call)
            return
        if failed:
            # A reply of another type or length, or one that cannot be written, is an error to whoever asked.
            call.requests = call.failed = count
        if context.stopping_criteria is not None or self._steps.known:
            self._steps.add(call, context)
        self._recorder.answered(call)

    def _look_again(self, call: CallRecord) -> None:
        if call.failed or call.special or self._look is None:
            return
        self._unseen += 1
        if self._unseen <= EARLY_CALLS or self._unseen % ONE_IN == 0:
            self._look()


def _is_special(request: Any) -> bool:
    """Tell a request for an explanation or a description, which the front end marks so."""
    properties = request.get_request_properties()
    return "True" in (properties.get("explain"), properties.get("describe"))
