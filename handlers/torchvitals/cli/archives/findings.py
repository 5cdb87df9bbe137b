"""What is found in an archive, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be. what: it, and where. fix: what to do. level: `error` stops the load."""

    what: str
    fix: str
    level: Literal["error", "warning"] = "error"
