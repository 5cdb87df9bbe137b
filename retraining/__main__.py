"""``python -m retraining --config FILE``."""

from __future__ import annotations

import fcntl
import logging
import sqlite3
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from .config import ConfigError, load
from .engine import Engine
from .metrics import Metrics
from .service import application
from .store import Store


def main(
    config: Annotated[Path, typer.Option(help="The service's configuration, YAML.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the configuration is good.")
    ] = False,
) -> None:
    """Take Alertmanager's webhook and start one retraining action a model for alerts with action="retrain"."""
    try:
        settings = load(config)
    except ConfigError as error:
        _fail(str(error))
    if check:
        typer.echo(f"{config} is good: {', '.join(sorted(settings.models))}")
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    folder = settings.state_directory
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        store = Store(folder / "decisions.sqlite")
    except BlockingIOError:
        _fail(f"another service runs with the state directory {folder}; one of them has to use another")
    except (OSError, sqlite3.Error) as error:
        _fail(f"the state directory {folder} cannot be used: {error}")
    engine = Engine(settings, store, Metrics())
    try:
        uvicorn.run(
            application(engine),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    finally:
        store.close()
        lock.close()


def _fail(message: str) -> None:
    typer.echo(f"retraining: {message}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
