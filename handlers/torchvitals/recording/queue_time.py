"""How long a request waited in front of the handler, by the header that a proxy sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

# TorchServe passes a header on as it was spelled by whoever sent it (frontend: util/codec/ModelRequestEncoder.java).
# HTTP/1 proxies send the first, HTTP/2 has lower case alone.
HEADER = "X-Request-Start"
LOWER_HEADER = HEADER.lower()

# The proxy's clock may be this much ahead of ours.
MAX_SKEW_SECONDS = 1.0
# A request that waited longer is a wrong clock or a wrong unit.
MAX_QUEUE_SECONDS = 3600.0
# Times since 1970 from here on are not in seconds, milliseconds, microseconds.
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def queue_seconds_of(starts: str, now: float) -> Iterator[float]:
    """Give what `queue_seconds` makes of each of a call's start headers, one a line, nonsense left out."""
    for header in starts.split("\n"):
        seconds = queue_seconds(header, now)
        if seconds is not None:
            yield seconds


def queue_seconds(header: Any, now: float) -> Optional[float]:
    """Return the seconds from a start header to `now`, a time since 1970; None for what is no such header.

    Proxies write ``t=1700000000.123`` (nginx, seconds), ``1700000000123`` (Heroku, milliseconds),
    ``t=1700000000123456`` (Apache, microseconds).

    >>> queue_seconds("t=1700000000.123", 1700000000.623), queue_seconds("1700000000123", 1700000001.123)
    (0.5, 1.0)
    >>> queue_seconds("yesterday", 1700000000.0)
    """
    try:
        start = float(header.split(",")[0].strip().removeprefix("t="))
    except (AttributeError, TypeError, ValueError):
        return None
    for least, per_second in UNITS:
        if start >= least:
            start /= per_second
            break
    waited = now - start
    # False for NaN too.
    return max(0.0, waited) if -MAX_SKEW_SECONDS <= waited <= MAX_QUEUE_SECONDS else None
