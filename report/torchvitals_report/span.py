"""The time that a report is about."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timezone

from .errors import ReportError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"(?:\d+[smhdw])+")
# As many points as a line of a report can show.
POINTS = 240
# A cell of a heatmap has to be seen.
CELLS = 96


@dataclass(frozen=True)
class Span:
    """From ``start`` to ``end``, in Unix seconds; Prometheus scrapes every ``scrape_seconds``."""

    start: float
    end: float
    scrape_seconds: float

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def step(self, points: int = POINTS) -> float:
        """Seconds between two points of a graph: whole ones, and never less than a scrape."""
        return max(self.scrape_seconds, math.ceil(self.seconds / points))

    def rate_seconds(self, step: float) -> float:
        """Return Grafana's $__rate_interval in seconds: at least four scrapes."""
        return max(step + self.scrape_seconds, 4 * self.scrape_seconds)


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as 90s, 1h or 1d12h. Raises ReportError for anything else."""
    parts = re.findall(r"(\d+)([smhdw])", text) if _DURATION.fullmatch(text) else []
    seconds = float(sum(int(number) * _UNITS[unit] for number, unit in parts))
    if not seconds:
        raise ReportError(f"'{text}' is no duration; write it like 30m, 1h, 12h or 7d")
    return seconds


def parse_moment(text: str) -> float:
    """Return the Unix seconds of a moment such as 2026-03-01T14:30, in UTC unless it names an offset.

    Raises ReportError for anything else.
    """
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ReportError(f"'{text}' is no moment; write it like 2026-03-01T14:30 (UTC)") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def moment(seconds: float) -> str:
    """Show Unix seconds as date and time in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
