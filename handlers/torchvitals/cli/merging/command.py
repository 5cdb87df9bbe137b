"""`torchvitals merge`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.syntax import Syntax

from ...errors import TorchVitalsError
from ..console import clear_errors, console
from .kinds import files_in, merged
from .ours import Wishes
from .text import Merged, MergeError


def merge(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="metrics.yaml, config.properties, prometheus.yml, alertmanager.yml, log4j2.xml, or folders of them."
        ),
    ],
    yes: bool = typer.Option(False, "--yes", help="Write without asking."),
    diff: bool = typer.Option(False, "--diff", help="Only show what would be added."),
    check: bool = typer.Option(False, "--check", help="Write nothing; fail when something is missing."),
    target: str = typer.Option(Wishes.target, help="TorchServe's metrics port, as Prometheus reaches it."),
    alertmanager: str = typer.Option(Wishes.alertmanager, help="Alertmanager, as Prometheus reaches it."),
    job: str = typer.Option(Wishes.job, help="The job under which the rules look for TorchServe."),
    folder: str = typer.Option(
        Wishes.folder,
        help="Where 'torchvitals export' put our rules and texts, as seen from prometheus.yml and alertmanager.yml.",
    ),
    metrics_config: str = typer.Option(
        Wishes.metrics_config, help="metrics.yaml, as seen from the folder in which TorchServe starts."
    ),
    receiver: Optional[str] = typer.Option(
        None, help="Receiver of our alerts in alertmanager.yml. Default: the default route's."
    ),
    critical: Optional[str] = typer.Option(None, help="Receiver of the critical ones. Default: the same."),
) -> None:
    """Add TorchVitals to files that you have; everything else in them stays, byte for byte."""
    wishes = Wishes(
        target=target,
        alertmanager=alertmanager,
        folder=folder,
        metrics_config=metrics_config,
        job=job,
        receiver=receiver,
        critical=critical,
    )
    with clear_errors():
        results, incomplete = _merged(_files(paths), wishes)
        changed = [result for result in results if result.changed]
        for result in results:
            _show(result)
        incomplete |= any(result.left for result in results)
        if check:
            raise typer.Exit(1 if incomplete or changed else 0)
        if changed and not diff and (yes or typer.confirm("Write?")):
            for result in changed:
                result.document.path.write_bytes(result.document.written(result.after))
                console.print(f"wrote {result.document.path}", highlight=False, soft_wrap=True)
        if incomplete:
            raise typer.Exit(1)


def _files(paths: list[Path]) -> list[Path]:
    files = []
    for path in paths:
        found = files_in(path) if path.is_dir() else [path]
        if not found:
            raise TorchVitalsError(f"{path}: the folder has none of the files; name them")
        if not path.exists():
            raise TorchVitalsError(f"{path}: there is no such file")
        files += found
    return files


def _merged(files: list[Path], wishes: Wishes) -> tuple[list[Merged], bool]:
    """Return what becomes of each file, and whether one is left alone."""
    results, refused = [], False
    for file in files:
        try:
            results.append(merged(file, wishes))
        except MergeError as error:
            refused = True
            typer.echo(f"{file}: left as it is: {error}", err=True)
    return results, refused


def _show(result: Merged) -> None:
    path = result.document.path
    if result.changed:
        lines = difflib.unified_diff(
            result.document.text.splitlines(), result.after.splitlines(), str(path), str(path), lineterm=""
        )
        text = "\n".join(lines)
        if console.is_terminal:
            console.print(Syntax(text, "diff"))
        else:
            typer.echo(text)
    elif not result.left:
        console.print(f"{path}: nothing is missing", highlight=False, soft_wrap=True)
    for line in result.left:
        typer.echo(f"{path}: {line}", err=True)
    for line in result.notes:
        console.print(f"{path}: {line}", highlight=False, soft_wrap=True)
