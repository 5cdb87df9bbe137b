"""Reads the configuration file, and says whether what it names is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from .config import CommandAction, Config, ConfigError, Part, Program, read_token

AnyPart = TypeVar("AnyPart", bound=Part)


def load(file: Path) -> Config:
    """Return the configuration in ``file``; raise ConfigError.

    What it names must be there: token files, programs and their folders.
    """
    config = parse(file)
    if found := missing(config):
        raise ConfigError(f"{file}: " + "; ".join(found))
    return config


def parse(file: Path) -> Config:
    """Return the configuration in ``file``, with absolute paths, whether they exist or not; raise ConfigError."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not YAML: {error}") from error
    try:
        config = TypeAdapter(Config).validate_python(content)
    except ValidationError as error:
        faults = (_fault(fault["loc"], fault["msg"]) for fault in error.errors())
        raise ConfigError(f"{file}: " + "; ".join(faults)) from error
    return _absolute(config, file.resolve().parent)


def missing(config: Config) -> list[str]:
    """Return what the configuration names and the service could not use now, each with its place in the file."""
    tokens = {"token_file": config.token_file}
    programs: dict[str, Program] = {}
    for name, action in config.actions.items():
        if isinstance(action, CommandAction):
            programs[f"actions.{name}"] = action
        elif action.token_file is not None:
            tokens[f"actions.{name}.token_file"] = action.token_file
    for name, model in config.models.items():
        if model.check is not None:
            programs[f"models.{name}.check"] = model.check
    found = [_token_fault(place, file) for place, file in tokens.items()]
    found += [_program_fault(place, program) for place, program in programs.items()]
    return [fault for fault in found if fault is not None]


def _token_fault(place: str, file: Path) -> str | None:
    try:
        read_token(file)
    except ConfigError as error:
        return f"{place}: {error}"
    return None


def _program_fault(place: str, program: Program) -> str | None:
    """Look for a program where it will be looked for when it is started."""
    folder = program.working_directory
    if not folder.is_dir():
        return f"{place}.working_directory: there is no folder {folder}"
    if not os.access(folder, os.X_OK):
        return f"{place}.working_directory: the service may not enter {folder}"
    name = program.command[0]
    if os.sep in name:
        file = folder / name
        if not file.is_file():
            return f"{place}.command: there is no program {file}"
        if not os.access(file, os.X_OK):
            return f"{place}.command: {file} may not be executed; chmod +x it, or name its interpreter first"
        return None
    path = os.get_exec_path({**os.environ, **program.environment})
    found = (folder / entry / name for entry in path)
    if any(file.is_file() and os.access(file, os.X_OK) for file in found):
        return None
    return f"{place}.command: there is no program {name!r} on the PATH {os.pathsep.join(path)}"


def _fault(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, location))
    text = message.removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def _absolute(config: Config, folder: Path) -> Config:
    """Return the configuration with its paths taken from ``folder``."""
    models = {
        name: model.model_copy(update={"check": _in(model.check, folder) if model.check else None})
        for name, model in config.models.items()
    }
    actions = {name: _in(action, folder) for name, action in config.actions.items()}
    return _in(config, folder).model_copy(update={"actions": actions, "models": models})


def _in(part: AnyPart, folder: Path) -> AnyPart:
    paths: dict[str, Any] = {
        field: folder / value
        for field in type(part).model_fields
        if isinstance(value := getattr(part, field), Path)
    }
    return part.model_copy(update=paths)
