"""`torchvitals init`: a handler, its settings, and how its baseline and archive are made."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Any, Optional

import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...errors import TorchVitalsError, one_line
from ..console import clear_errors, console
from ..kept import Kept

TEMPLATES = Path(__file__).with_name("templates")
KINDS = ("columns", "images", "tokens", "texts", "embeddings")
WORD = re.compile(r"[\w./:+-]+")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}")


def init(
    name: str = typer.Argument(
        ..., help="The model's name: that of its folder, its archive, and its series."
    ),
    folder: Optional[Path] = typer.Option(
        None, help="Folder that gets the files. Default: the model's name."
    ),
    version: str = typer.Option("1.0", help="The model's version."),
    inputs: str = typer.Option("columns", help=f"What the model is given: {', '.join(KINDS)}."),
    columns: str = typer.Option("", help="Names of the columns, in the model's order: amount,hour,carrier."),
    class_names: str = typer.Option("", help="Names of the classes, in the model's order: legitimate,fraud."),
    base_handler: Optional[str] = typer.Option(
        None, help="A handler that exists, such as image_classifier or my_handler.py; none is written then."
    ),
    data: str = typer.Option("train.parquet", help="The training data, as seen from the folder."),
    model_file: str = typer.Option(
        "model.py", help="Python file with the model's class, as seen from the folder."
    ),
    serialized_file: str = typer.Option("model.pt", help="Its weights, as seen from the folder."),
    force: bool = typer.Option(False, "--force", help="Write over files that you have changed, too."),
) -> None:
    """Write a folder for a model of your own: handler, model-config.yaml, Makefile."""
    with clear_errors():
        if not NAME.fullmatch(name):
            raise TorchVitalsError(f"the name '{name}': letters, digits, - and _, a letter first, at most 61")
        for option, said in (
            ("--version", version),
            ("--data", data),
            ("--model-file", model_file),
            ("--serialized-file", serialized_file),
            ("--base-handler", base_handler or "none"),
        ):
            # They stand in a Makefile, a file's name and YAML.
            if not WORD.fullmatch(said):
                raise TorchVitalsError(f"{option} '{one_line(said)}': letters, digits and _ . / : + - alone")
        if inputs not in KINDS:
            raise TorchVitalsError(f"--inputs {inputs}: there is no such kind; there are {', '.join(KINDS)}")
        listed = {"columns": _list(columns, "--columns"), "class_names": _list(class_names, "--class-names")}
        if inputs == "columns" and not listed["columns"] and base_handler is None:
            raise TorchVitalsError(
                "--columns is missing: name the columns that the model is given, in its order"
            )
        values: dict[str, Any] = {
            **listed,
            "name": name,
            "version": version,
            "inputs": inputs,
            "base_handler": base_handler,
            "handler_class": _class_name(name),
            "data": data,
            "model_file": model_file,
            "serialized_file": serialized_file,
            "own_base": base_handler if base_handler and base_handler.endswith(".py") else None,
        }
        kept = Kept(folder or Path(name))
        for path, text in _texts(values).items():
            kept.write(Path(path), text, force=force)
        kept.save()
    for line in kept.said:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    missing = [one for one in (model_file, serialized_file, data) if not (kept.folder / one).exists()]
    needed = f"put {', '.join(missing)} there, then " if missing else ""
    console.print(
        one_line(
            f"{needed}run 'make -C {kept.folder}': it builds the baseline and {kept.folder}/model-store/{name}.mar"
        ),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if kept.left:
        raise typer.Exit(1)


def _texts(values: dict[str, Any]) -> dict[str, str]:
    """Return the text of each file by its name."""
    environment = Environment(  # noqa: S701 - these are no web pages
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ["model-config.yaml", "Makefile"]
    if values["base_handler"] is None:
        names.append("handler.py")
    return {name: environment.get_template(f"{name}.j2").render(values) for name in names}


def _list(said: str, option: str) -> list[str]:
    names = [name.strip() for name in said.split(",")] if said.strip() else []
    if any(not name for name in names) or len(set(names)) < len(names):
        raise TorchVitalsError(f"{option} {said}: names must be there and differ")
    # They stand in a Makefile and in Python.
    odd = [name for name in names if not re.fullmatch(r"[\w .:+-]+", name)]
    if odd:
        raise TorchVitalsError(f"{option}: '{one_line(odd[0])}': letters, digits, space and _ . : + - alone")
    return names


def _class_name(name: str) -> str:
    """Return the name of the handler's class: FraudHandler of fraud.

    >>> _class_name("credit-risk_2")
    'CreditRisk2Handler'
    """
    words = "".join(word[:1].upper() + word[1:] for word in re.split(r"[-_]", name))
    return f"{words}Handler" if not keyword.iskeyword(words) else f"{words}_Handler"
