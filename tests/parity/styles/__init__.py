"""The table: one entry a style."""

from __future__ import annotations

from . import asynchronous, batching, calls, columns, defaults, failures, functions, learning, models, stages

STYLES = (
    *stages.STYLES,
    *functions.STYLES,
    *models.STYLES,
    *defaults.STYLES,
    *batching.STYLES,
    *failures.STYLES,
    *calls.STYLES,
    *columns.STYLES,
    *learning.STYLES,
    *asynchronous.STYLES,
)
