"""`torchvitals rules generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from ..console import clear_errors
from ..generated import write_or_check
from .render import LABELS, PRODUCTION, TORCHSERVE_JOB, rendered

app = typer.Typer(help="Prometheus's alerts and recording rules.", no_args_is_help=True)


@app.callback()
def rules() -> None:
    """Prometheus's alerts and recording rules."""


@app.command()
def generate(
    root: Path = typer.Option(Path("prometheus"), help="Folder that gets rules.yml and alerts.yml."),
    label: Annotated[
        Optional[list[str]],
        typer.Option(
            help="A label of your scrape configuration that keeps clusters or environments apart; one each time. "
            f"Without any: {', '.join(LABELS)}, of which those that you do not set change nothing.",
        ),
    ] = None,
    job: str = typer.Option(
        TORCHSERVE_JOB, help="The job that scrapes TorchServe, or a regular expression of several."
    ),
    production: str = typer.Option(
        PRODUCTION, help="Values of the label env of models that may be retrained, as a regular expression."
    ),
    check: bool = typer.Option(False, "--check", help="Write nothing; fail when a file differs."),
) -> None:
    """Write rules.yml and alerts.yml."""
    with clear_errors():
        texts = rendered(labels=label or LABELS, job=job, production=production)
    write_or_check(
        {root / name: text for name, text in texts.items()},
        check=check,
        sources="its templates (handlers/torchvitals/cli/rules/templates)",
        command="torchvitals rules generate",
    )
