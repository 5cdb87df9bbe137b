"""What the doctor says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A fault. part: of the stack. problem: what is wrong, and where. remedy: how to fix it."""

    part: str
    problem: str
    remedy: str
