"""What can go wrong with a stack."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the message says which part and what to do."""


class MissingProgramError(StackError):
    """A program that the stack starts is not on this machine."""
