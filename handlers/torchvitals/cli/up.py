"""`torchvitals up`: TorchServe, Prometheus, Alertmanager and a page of notifications, for a model store."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from ..errors import TorchVitalsError
from .console import clear_errors
from .shipped import package

# As it is installed, and as a clone has it.
INSTALLED, IN_CLONE = "torchvitals_stack", "stack"


def up(
    models: Annotated[
        Optional[list[str]],
        typer.Argument(help="Archives in the model store, FILE.mar or NAME=FILE. Default: all of them."),
    ] = None,
    model_store: Path = typer.Option(Path("model-store"), help="Folder of the archives."),
    run_dir: Path = typer.Option(Path(".torchvitals"), help="Folder for logs, data and notifications."),
    workers: int = typer.Option(1, min=1, help="Workers of each model."),
    scrape_interval: Optional[str] = typer.Option(
        None, help="How often Prometheus scrapes and judges, such as 1s to try things out. Default: 15s."
    ),
) -> None:
    """Serve and watch the models of a model store on this machine, until Ctrl-C.

    All ports are on loopback, and TorchServe's token check is off: it is for a model that you try.
    """
    with clear_errors():
        if not model_store.is_dir():
            raise TorchVitalsError(
                f"there is no model store '{model_store}'; say where it is with --model-store"
            )
        if not models and not any(model_store.glob("*.mar")):
            raise TorchVitalsError(
                f"the model store '{model_store}' has no archive; make one with 'torchvitals package'"
            )
        words = [
            *(models or ()),
            "--model-store",
            str(model_store.resolve()),
            "--run-dir",
            str(run_dir.resolve()),
        ]
        words += [
            "--workers",
            str(workers),
            *(["--scrape-interval", scrape_interval] if scrape_interval else []),
        ]
        status = _stack().main(words)
    raise typer.Exit(status)


def _stack() -> Any:
    """Return the module that starts it all. Raises TorchVitalsError where something that it needs is not installed."""
    clone = package().parents[1]
    name = INSTALLED
    if (clone / "Procfile").is_file():
        name = IN_CLONE
        sys.path.insert(0, str(clone))
    try:
        return importlib.import_module(f"{name}.__main__")
    except ModuleNotFoundError as error:
        raise TorchVitalsError(f"'{error.name}' is not installed: pip install 'torchvitals[up]'") from error
