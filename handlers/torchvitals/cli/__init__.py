"""The command `torchvitals`: a command a file."""

from __future__ import annotations

import typer

from .. import __version__
from . import labels, metrics, rules
from .archives.packing import package
from .doctor import doctor
from .export import export
from .lazily import LazyGroup
from .merging import merge
from .report import report
from .starting import init
from .up import up

app = typer.Typer(
    name="torchvitals",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"torchvitals {__version__}")
        raise typer.Exit


@app.callback()
def torchvitals(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version, and end."
    ),
) -> None:
    """Monitor PyTorch models on TorchServe."""


app.command()(init)
app.command()(package)
app.add_typer(labels.app, name="labels")
app.add_typer(metrics.app, name="metrics")
app.add_typer(rules.app, name="rules")
app.command()(export)
app.command()(doctor)
app.command()(merge)
app.command()(report)
app.command()(up)
