"""The command `torchvitals`: a command a file."""

from __future__ import annotations

import typer

from . import baseline, metrics, rules
from .doctor import doctor
from .merging import merge
from .report import report

app = typer.Typer(
    name="torchvitals",
    help="Monitoring for PyTorch models on TorchServe.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(baseline.app, name="baseline")
app.add_typer(metrics.app, name="metrics")
app.add_typer(rules.app, name="rules")
app.command()(doctor)
app.command()(merge)
app.command()(report)
