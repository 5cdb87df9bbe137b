"""`torchvitals doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.table import Table
from rich.text import Text

from ...errors import TorchVitalsError
from ..console import console
from .examination import PROGRAMS, examine
from .finding import Finding
from .folder import in_container
from .places import Places

CANNOT_LOOK = 2


def doctor(
    target: Annotated[
        Optional[str],
        typer.Argument(
            help="TorchServe's inference address, or the folder with its config.properties and logs."
        ),
    ] = None,
    management: Optional[str] = typer.Option(None, help=f"Default: {Places.management}."),
    metrics: Optional[str] = typer.Option(None, help=f"Default: {Places.metrics}."),
    prometheus: str = typer.Option(Places.prometheus, help="Address of Prometheus."),
    alertmanager: str = typer.Option(Places.alertmanager, help="Address of Alertmanager."),
    grafana: Optional[str] = typer.Option(None, help="Address of Grafana, to look at it too."),
    token_file: Optional[Path] = typer.Option(
        None, help="TorchServe's key_file.json, or a file with a token. Default: the folder's key_file.json."
    ),
    without: Annotated[
        Optional[list[str]], typer.Option(help=f"A program that you do not run: {', '.join(PROGRAMS)}.")
    ] = None,
    container: Optional[bool] = typer.Option(
        None, help="Whether TorchServe runs in a container. Default: whether this is one."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Look at a running TorchServe and its stack, and say what is wrong and how to fix it.

    Ends with status 0 when all is well, 1 when something is wrong, 2 when it cannot look.
    """
    try:
        unknown = set(without or ()) - set(PROGRAMS)
        if unknown:
            raise TorchVitalsError(
                f"--without: unknown program '{min(unknown)}'; there are {', '.join(PROGRAMS)}"
            )
        places = Places(
            prometheus=prometheus.rstrip("/"),
            alertmanager=alertmanager.rstrip("/"),
            grafana=grafana and grafana.rstrip("/"),
            in_container=in_container() if container is None else container,
        ).of(target)
        places = places.at(management=management, metrics=metrics).with_tokens(token_file)
        findings = examine(places, without=tuple(without or ()))
    except TorchVitalsError as error:
        typer.echo(f"torchvitals: {error}", err=True)
        raise typer.Exit(CANNOT_LOOK) from error
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    raise typer.Exit(1 if findings else 0)


def _show(findings: list[Finding]) -> None:
    if not findings:
        console.print("Nothing is wrong.")
        return
    table = Table(show_lines=True)
    for heading in ("part", "what is wrong", "how to fix it"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(*map(Text, (finding.part, finding.problem, finding.remedy)))
    console.print(table)
