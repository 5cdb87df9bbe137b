"""A report of one model out of Prometheus, drawn from the same dashboards that Grafana shows.

It is no part of a model's archive: only pip installs it (``torchvitals[report]``).
"""

from __future__ import annotations

from .collect import Choice, collect
from .definitions import NAMES
from .errors import QueryError, ReportError
from .page import html_page, write_page
from .picture import write_pictures
from .prometheus import Prometheus
from .span import Span, parse_duration, parse_moment

__all__ = [
    "NAMES",
    "Choice",
    "Prometheus",
    "QueryError",
    "ReportError",
    "Span",
    "collect",
    "html_page",
    "parse_duration",
    "parse_moment",
    "write_page",
    "write_pictures",
]
