"""Commands whose libraries are not installed: they stay in the list, and say what to install."""

from __future__ import annotations

import typer

# What is installed by itself, as it is large and there are several builds of it; all others come with an extra.
_BY_ITSELF = ("torch", "torchvision")


def absent(app: typer.Typer, name: str, error: ModuleNotFoundError) -> None:
    """Put a command in the place of one that cannot be imported.

    Raises the error itself where a module of our own is missing.
    """
    missing = (error.name or "").partition(".")[0]
    if not missing or missing == "torchvitals":
        raise error
    install = missing if missing in _BY_ITSELF else "'torchvitals[cli]'"

    def command(context: typer.Context) -> None:
        typer.echo(f"torchvitals {name} needs {missing}: pip install {install}", err=True)
        raise typer.Exit(1)

    app.command(
        name,
        help=f"Needs {missing}: pip install {install}",
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(command)
