"""Leaving out the line that TorchServe's worker logs for every request."""

from __future__ import annotations

import logging

# ts/protocol/otf_message_handler.py, retrieve_msg. Written to standard output and flushed, read by the front end and
# matched against two patterns there; our log4j2.xml throws it away at the end of that.
RECEIVED = "Backend received inference at: %d"


def leave_out_request_lines() -> None:
    """Drop that line where it is logged. Every other line stays."""
    logging.getLogger().addFilter(_wanted)


def _wanted(record: logging.LogRecord) -> bool:
    return record.msg != RECEIVED
