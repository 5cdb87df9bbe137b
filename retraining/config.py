"""The service's one configuration file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
# What a workflow's inputs can be given; the names are those of the inputs.
WorkflowInput = Literal["model_name", "model_version", "decision"]


class ConfigError(ValueError):
    """The configuration file cannot be used; the message names file, field and what is wrong."""


def seconds(value: Any) -> float:
    """Return a duration, such as "1h30m" or a number of seconds, in seconds; raise ValueError for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    parts = DURATION.findall(value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError("must be a duration such as '30s', '5m' or '1h30m'")
    return sum(int(number) * UNIT_SECONDS[unit] for number, unit in parts)


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be longer than nothing")
    return value


Seconds = Annotated[float, BeforeValidator(seconds)]
PositiveSeconds = Annotated[Seconds, AfterValidator(_positive)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Action(_Part):
    """What every kind of action has.

    retries: further tries after one that failed. backoff: wait before the first of them; it doubles with each, up to
    ``longest_backoff``. repeatable: whether to try again where it is unknown if a try took effect: the service was
    killed, or no answer came.
    """

    timeout: PositiveSeconds
    retries: int = Field(default=2, ge=0, le=20)
    backoff: Seconds = 30.0
    longest_backoff: Seconds = 1800.0
    repeatable: bool = True

    def wait_seconds(self, failures: int) -> float:
        """Return how long to wait after so many failed tries (1 or more)."""
        return float(min(self.longest_backoff, self.backoff * 2 ** (failures - 1)))


class CommandAction(Action):
    """Run a program: a list of words, no shell. It gets the alerts as JSON on standard input."""

    kind: Literal["command"]
    command: list[str] = Field(min_length=1)
    working_directory: Path = Path()
    environment: dict[str, str] = {}
    timeout: PositiveSeconds = 6 * 3600.0


class UrlAction(Action):
    """POST the alerts as JSON to an address. The header Idempotency-Key is the decision's id in every try."""

    kind: Literal["url"]
    url: HttpUrl
    token_file: Path | None = None
    timeout: PositiveSeconds = 30.0


class WorkflowAction(Action):
    """Start a workflow as GitHub does (POST .../actions/workflows/FILE/dispatches).

    A dispatch has no key by which a second one is known, so it is not repeated where its effect is unknown.
    """

    kind: Literal["workflow"]
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    workflow: str = Field(pattern=r"^[\w.-]+$")
    ref: str = Field(default="main", min_length=1)
    inputs: list[WorkflowInput] = ["model_name", "model_version", "decision"]
    token_file: Path
    api_url: HttpUrl = HttpUrl("https://api.github.com")
    timeout: PositiveSeconds = 30.0
    repeatable: bool = False


AnyAction = Annotated[Union[CommandAction, UrlAction, WorkflowAction], Field(discriminator="kind")]


class Model(_Part):
    """What to do for one model. cooldown: counted from the end of the last action, whatever came of it."""

    action: str
    cooldown: Seconds = 6 * 3600.0
    dry_run: bool = False


class Config(_Part):
    """The file. Paths are relative to its folder; dry_run: decide and record, and start nothing."""

    host: str = "127.0.0.1"
    port: int = Field(default=9095, ge=1, le=65535)
    token_file: Path
    state_directory: Path
    keep_decisions: PositiveSeconds = 365 * 86400.0
    dry_run: bool = False
    actions: dict[str, AnyAction] = Field(min_length=1)
    models: dict[str, Model] = Field(min_length=1)

    @field_validator("models")
    @classmethod
    def _names(cls, models: dict[str, Model]) -> dict[str, Model]:
        # They become values of environment variables and of metric labels.
        for name in models:
            if not re.fullmatch(r"[\w.-]{1,200}", name):
                raise ValueError(f"{name!r} is not a model name (letters, digits, '_', '-', '.')")
        return models

    @model_validator(mode="after")
    def _actions_exist(self) -> Config:
        for name, model in self.models.items():
            if model.action not in self.actions:
                known = ", ".join(sorted(self.actions))
                raise ValueError(
                    f"models.{name}.action: there is no action {model.action!r}; there are {known}"
                )
        return self

    def action_of(self, model_name: str) -> AnyAction:
        """Return the action of a configured model."""
        return self.actions[self.models[model_name].action]


def load(file: Path) -> Config:
    """Return the configuration in ``file``, with absolute paths; raise ConfigError."""
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
    config = _absolute(config, file.resolve().parent)
    for token_file in _token_files(config):
        read_token(token_file)
    return config


def read_token(file: Path) -> str:
    """Return the token in a file, without the white space around it; raise ConfigError where there is none.

    Read at every use, so that a token can be changed while the service runs.
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token file {file} cannot be read: {error}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigError(f"the token file {file} holds no token: it must be one line of printable ASCII")
    return token


def _fault(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, location))
    text = message.removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def _absolute(config: Config, folder: Path) -> Config:
    actions: dict[str, Any] = {}
    for name, action in config.actions.items():
        paths = {
            key: folder / value
            for key in ("token_file", "working_directory")
            if (value := getattr(action, key, None)) is not None
        }
        actions[name] = action.model_copy(update=paths)
    paths = {
        "token_file": folder / config.token_file,
        "state_directory": folder / config.state_directory,
        "actions": actions,
    }
    return config.model_copy(update=paths)


def _token_files(config: Config) -> list[Path]:
    files = [getattr(action, "token_file", None) for action in config.actions.values()]
    return [config.token_file, *(file for file in files if file is not None)]
