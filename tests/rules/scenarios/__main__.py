"""Writes the table of docs/runbooks.md: ``python -m tests.rules.scenarios``."""

from __future__ import annotations

from .table import DOCUMENT, document

DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
