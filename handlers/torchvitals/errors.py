"""Errors that a user can fix."""

from __future__ import annotations


class TorchVitalsError(RuntimeError):
    """Base of all our errors.

    A ``RuntimeError``, because TorchServe answers one at load with its message in the log, where other
    errors end the worker without an answer to the front end (ts/model_service_worker.py: load_model).
    """


class ConfigurationError(TorchVitalsError):
    """The monitoring configuration is wrong; names the file, the field and how to fix it."""


class BaselineError(TorchVitalsError):
    """A baseline is missing, damaged, or does not fit; names the file, the field and how to fix it."""
