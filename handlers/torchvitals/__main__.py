"""`python -m torchvitals`: the command line."""

from .cli import app

app()
