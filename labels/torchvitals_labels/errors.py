"""What goes wrong, for people."""

from __future__ import annotations

from torchvitals.errors import TorchVitalsError


class StoreError(TorchVitalsError):
    """The store cannot be opened, read or written; the message names it and the fault. Nothing of a transaction is."""


class FileError(TorchVitalsError):
    """A file is not one of predictions that a worker wrote; the message says why."""


class LabelsError(TorchVitalsError):
    """Labels cannot be read; the message says what of them, and how to fix it."""
