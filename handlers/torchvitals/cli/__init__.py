"""The command `torchvitals`: a command a file."""

from __future__ import annotations

import importlib

import typer

from .. import __version__
from . import labels, metrics, rules
from .absent import absent
from .archives.packing import package
from .doctor import doctor
from .export import export
from .merging import merge
from .report import report
from .starting import init
from .up import up

app = typer.Typer(
    name="torchvitals",
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
# These need torch, which a machine that only keeps Prometheus and Alertmanager has not.
for _name, _place in {"baseline": ".baseline", "check": ".archives.checking"}.items():
    try:
        _module = importlib.import_module(_place, __name__)
    except ModuleNotFoundError as _error:
        absent(app, _name, _error)
        continue
    if hasattr(_module, "app"):
        app.add_typer(_module.app, name=_name)
    else:
        app.command(_name)(getattr(_module, _name))
app.add_typer(labels.app, name="labels")
app.add_typer(metrics.app, name="metrics")
app.add_typer(rules.app, name="rules")
app.command()(export)
app.command()(doctor)
app.command()(merge)
app.command()(report)
app.command()(up)
