"""Errors that a user can mend."""

from __future__ import annotations

from torchvitals.errors import TorchVitalsError


class ReportError(TorchVitalsError):
    """A report cannot be made; says why, and what to do."""


class QueryError(ReportError):
    """Prometheus refused a query, or a query names a variable that does not exist."""
