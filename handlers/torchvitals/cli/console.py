"""What every command shares: a console, and errors as one clear line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from ..errors import TorchVitalsError

# A table of ten columns needs the room, also when it is written to a file.
console = Console(width=None if sys.stdout.isatty() else 140)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn an error that the user can fix into one line and exit status 1."""
    try:
        yield
    except TorchVitalsError as error:
        typer.echo(f"torchvitals: {error}", err=True)
        raise typer.Exit(1) from error
