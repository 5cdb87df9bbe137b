"""``python -m retraining --config FILE``, and ``python -m retraining confirm|reject MODEL --config FILE``."""

from __future__ import annotations

import fcntl
import getpass
import logging
import sqlite3
from pathlib import Path
from typing import Annotated, NoReturn, Optional

import typer
import uvicorn

from . import client
from .config import Config, ConfigError
from .engine import Engine
from .environments import shown
from .loading import load, parse
from .metrics import Metrics
from .service import application
from .store import Store

app = typer.Typer(add_completion=False)
File = Annotated[Path, typer.Option("--config", help="The service's configuration, YAML.")]
Model = Annotated[str, typer.Argument(help="The model's name.")]
Version = Annotated[Optional[str], typer.Option(help="Its version, where retrainings of several wait.")]
Environment = Annotated[
    Optional[list[str]],
    typer.Option(help="A label of its environment, such as env=production, where those of several wait."),
]
Why = Annotated[str, typer.Option(help="What you have seen; it is recorded.")]
Who = Annotated[Optional[str], typer.Option(help="Who says so; else your user name.")]
Url = Annotated[Optional[str], typer.Option(help="The service's address, where it is not this machine's.")]


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    config: Annotated[Optional[Path], typer.Option(help="The service's configuration, YAML.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the configuration, and what it names, is good.")
    ] = False,
) -> None:
    """Take Alertmanager's webhook and start one retraining action a model for alerts that ask for it."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        _fail("name the configuration: --config FILE")
    settings = _settings(config)
    if check:
        typer.echo(f"{config} is good: {', '.join(sorted(settings.models))}")
        return
    _serve(settings)


@app.command()
def confirm(
    model: Model,
    config: File,
    model_version: Version = None,
    environment: Environment = None,
    why: Why = "",
    who: Who = None,
    url: Url = None,
) -> None:
    """Say that the data are right: a retraining that is held may begin, or one that failed once more."""
    _say("confirm", model, config, model_version, environment, why, who, url)


@app.command()
def reject(
    model: Model,
    config: File,
    model_version: Version = None,
    environment: Environment = None,
    why: Why = "",
    who: Who = None,
    url: Url = None,
) -> None:
    """Say that the data are wrong: a retraining that is held or queued must not begin while its alerts last."""
    _say("reject", model, config, model_version, environment, why, who, url)


def _say(
    word: str,
    model: str,
    config: Path,
    model_version: str | None,
    environment: list[str] | None,
    why: str,
    who: str | None,
    url: str | None,
) -> None:
    labels = dict(label.split("=", 1) if "=" in label else _not_a_label(label) for label in environment or [])
    said = {
        "who": _user() if who is None else who,
        "why": why,
        "model_version": model_version,
        "environment": labels,
    }
    try:
        came = client.say(parse(config), word, model, said, url=url)
    except (ConfigError, client.WordError) as error:
        _fail(str(error))
    where = shown(came["environment"])
    typer.echo(f"{came['decision']}: {model} {came['model_version']} ({where}) is {came['state']}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user may have no name
        return ""


def _not_a_label(label: str) -> NoReturn:
    _fail(f"{label!r} is not a label; write it as env=production")


def _settings(config: Path) -> Config:
    try:
        return load(config)
    except ConfigError as error:
        _fail(str(error))


def _serve(settings: Config) -> None:
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


def _fail(message: str) -> NoReturn:
    typer.echo(f"retraining: {message}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app(prog_name="python -m retraining")
