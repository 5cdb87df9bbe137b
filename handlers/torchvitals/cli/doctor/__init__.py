"""`torchvitals doctor`: a file here for each part of a stack that is looked at."""

from __future__ import annotations

from .command import doctor

__all__ = ["doctor"]
