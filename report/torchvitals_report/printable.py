"""Names come from outside, and some hold what neither a page nor a drawing can."""

from __future__ import annotations

import re
from typing import Any

# Control characters but tab and newline; surrogates; and marks that turn the direction of the text around them.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """Put the replacement character in place of what cannot be shown."""
    return _UNPRINTABLE.sub(REPLACEMENT, text)


def all_printable(value: Any) -> Any:
    """Return the same lists and dictionaries with printable texts."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {all_printable(key): all_printable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_printable(entry) for entry in value]
    return value
