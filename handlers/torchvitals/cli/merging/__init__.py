"""`torchvitals merge`: our part in files that a user has, a kind of file in each file here."""

from __future__ import annotations

from .command import merge

__all__ = ["merge"]
