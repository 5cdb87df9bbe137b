"""`torchvitals init`: a folder for a model of one's own."""

from .command import init

__all__ = ["init"]
