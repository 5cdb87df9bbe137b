"""`torchvitals labels`: labels that come later, joined with predictions."""

from __future__ import annotations

import importlib
import os
import socket
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from ..errors import TorchVitalsError
from .console import clear_errors, console

app = typer.Typer(no_args_is_help=True, help="Join labels that come later with predictions.")


@app.command()
def serve(
    directory: Annotated[
        list[Path], typer.Option(help="Folder of predictions that workers write; may be given several times.")
    ],
    token_file: Path = typer.Option(..., help="File with the token that labels are sent with."),
    store: str = typer.Option(
        "labels.sqlite", help="File for SQLite, or postgresql://USER:PASSWORD@HOST/NAME for a fleet."
    ),
    name: Optional[str] = typer.Option(
        None, help="Name under which this service counts; keep it. Default: the host's name."
    ),
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(9096, min=1, max=65535, help="Port to listen on."),
    keep_days: float = typer.Option(
        90.0, min=0.01, help="Days after which predictions and labels are forgotten."
    ),
    keep_rows: int = typer.Option(
        10_000_000, min=1, help="Predictions kept at most; the oldest are forgotten."
    ),
) -> None:
    """Take predictions and labels, and expose the true accuracy to Prometheus, until Ctrl-C.

    TORCHVITALS_STORE gives the address of the store too, so that a password is in no list of processes.
    """
    with clear_errors():
        service, tokens = part("service"), part("tokens")
        tokens.read_token(token_file)
        settings = service.Settings(
            store=address_of(store),
            name=name or socket.gethostname(),
            folders=tuple(directory),
            token_file=token_file,
            keep_seconds=keep_days * 86_400.0,
            keep_rows=keep_rows,
        )
        part("running").run(settings, host=host, port=port)


@app.command()
def load(
    file: Annotated[
        Optional[Path], typer.Argument(help="Labels: .csv, .json, .jsonl, .ndjson or .parquet.")
    ] = None,
    id_column: str = typer.Option("id", help="Column with the prediction's id."),
    label_column: str = typer.Option("label", help="Column with what is true."),
    model_column: str = typer.Option(
        "model_name",
        help="Column with the model that a label is meant for; without it, every one with the id.",
    ),
    database: Optional[str] = typer.Option(None, help="Address of a database to read labels from."),
    query: Optional[str] = typer.Option(None, help="Query of it, such as 'SELECT id, label FROM outcomes'."),
    service: str = typer.Option("http://127.0.0.1:9096", help="Address of the labels service."),
    token_file: Path = typer.Option(..., help="File with the service's token."),
) -> None:
    """Send labels of a file, or of a database, to the labels service; the same ones again change nothing."""
    with clear_errors():
        loading, rows = part("loading"), part("rows")
        columns = rows.Columns(id_column, label_column, model_column)
        if file is not None and database is None and query is None:
            found = loading.rows_of_file(file, columns)
        elif file is None and database is not None and query is not None:
            found = loading.rows_of_query(database, query, columns)
        else:
            raise TorchVitalsError("give a file of labels, or --database and --query")
        sent = loading.send(found, service, part("tokens").read_token(token_file))
    console.print(
        f"{sent.new:,} new labels, {sent.corrected:,} corrected, {sent.same:,} known already, "
        f"{sent.refused:,} refused",
        highlight=False,
    )
    for refusal in sent.refusals:
        typer.echo(f"{refusal.place}: {refusal.reason}", err=True)
    if sent.refused > len(sent.refusals):
        typer.echo(f"and {sent.refused - len(sent.refusals):,} more", err=True)
    if sent.refused:
        raise typer.Exit(1)


def address_of(store: str) -> str:
    """Return the address of the store: TORCHVITALS_STORE, or else what was said."""
    return os.environ.get("TORCHVITALS_STORE") or store


def part(name: str) -> Any:
    """Return a module of torchvitals_labels. Raises TorchVitalsError where something that it needs is not installed."""
    try:
        return importlib.import_module(f"torchvitals_labels.{name}")
    except ModuleNotFoundError as error:
        raise TorchVitalsError(
            f"'{error.name}' is not installed: pip install 'torchvitals[labels]'"
        ) from error
