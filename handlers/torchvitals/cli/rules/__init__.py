"""`torchvitals rules`: Prometheus's rules, for the labels of an installation."""

from .command import app

__all__ = ["app"]
