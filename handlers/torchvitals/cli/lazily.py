"""Commands that are imported when they are called: those that need torch take seconds to be imported."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from .absent import absent

# Where each is, and the first sentence of its help, which the list of commands shows.
PLACES = {
    "baseline": (".baseline", "What a model saw in training."),
    "check": (
        ".archives.checking",
        "Look at archives before they are served: baseline, classes, settings, code and what it imports.",
    ),
}
AFTER = "package"


class LazyGroup(TyperGroup):
    """A group that also has the commands in PLACES."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        names = super().list_commands(ctx)
        place = names.index(AFTER) + 1
        return [*names[:place], *PLACES, *names[place:]]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; while they are listed, no more of it than its help."""
        if cmd_name not in PLACES:
            return super().get_command(ctx, cmd_name)
        return listed(cmd_name) if self._listing else loaded(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help with the list of commands."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


def listed(name: str) -> Any:
    """Return what stands for a command in the list."""
    app = typer.Typer()
    app.command(name, help=PLACES[name][1])(lambda: None)
    return typer.main.get_group(app).commands[name]


def loaded(name: str) -> Any:
    """Import a command; one that says what to install where a library is missing."""
    app = typer.Typer()
    try:
        module = importlib.import_module(PLACES[name][0], __package__)
    except ModuleNotFoundError as error:
        absent(app, name, error)
    else:
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return typer.main.get_group(app).commands[name]
