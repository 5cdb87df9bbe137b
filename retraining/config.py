"""The service's one configuration file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    field_validator,
    model_validator,
)

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
# What a workflow's inputs can be given; the names are those of the inputs.
WorkflowInput = Literal["model_name", "model_version", "environment", "decision"]
# Twice the repeat_interval of the route in alertmanager/alertmanager.yml.
LEAST_STALE_SECONDS = 2 * 3600.0
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


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


class Part(BaseModel):
    """A part of the file; what it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Action(Part):
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


class Program(Part):
    """A program: a list of words, no shell. It gets the alerts as JSON on standard input."""

    command: list[str] = Field(min_length=1)
    working_directory: Path = Path()
    environment: dict[str, str] = {}
    timeout: PositiveSeconds

    @field_validator("command")
    @classmethod
    def _named(cls, command: list[str]) -> list[str]:
        if not command[0]:
            raise ValueError("the first word, the program, is empty")
        return command


class CommandAction(Program, Action):
    """Run a program."""

    kind: Literal["command"]
    timeout: PositiveSeconds = 6 * 3600.0


class Check(Program):
    """A program that looks at the data before a retraining: status 0 means that they are right."""

    timeout: PositiveSeconds = 300.0


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


def _values(only: dict[str, Any]) -> dict[str, Any]:
    """Return label matchers with a list of values each; one value may stand alone."""
    if not isinstance(only, dict) or not only:
        raise ValueError("must name labels and their values, such as {env: production}")
    return {label: values if isinstance(values, list) else [values] for label, values in only.items()}


def _labels(only: dict[str, list[str]]) -> dict[str, list[str]]:
    for label, values in only.items():
        if not LABEL_NAME.fullmatch(label):
            raise ValueError(f"{label!r} is not the name of a label")
        if not values or not all(values):
            raise ValueError(f"{label} has no value; '*' stands for every value")
    return only


# Labels that an alert must have, each with one of these values; "*" is every value.
Only = Annotated[dict[str, list[str]], BeforeValidator(_values), AfterValidator(_labels)]


class Model(Part):
    """What to do for one model.

    cooldown: counted from the end of the last action, whatever came of it. only: in the place of the file's own.
    """

    action: str
    cooldown: Seconds = 6 * 3600.0
    dry_run: bool = False
    check: Check | None = None
    only: Only | None = None


class Config(Part):
    """The file. Paths are relative to its folder.

    dry_run: decide and record, and start nothing. only: which alerts may retrain. at_once: how many retrainings run at
    the same time. queue: how many more may wait. stale_after: how long after an alert was last sent it counts as over.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=9095, ge=1, le=65535)
    token_file: Path
    state_directory: Path
    keep_decisions: PositiveSeconds = 365 * 86400.0
    stale_after: PositiveSeconds = 86400.0
    dry_run: bool = False
    at_once: int = Field(default=1, ge=1, le=100)
    queue: int = Field(default=10, ge=0, le=1000)
    only: Only | None = None
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

    @field_validator("stale_after")
    @classmethod
    def _sent_again(cls, value: float) -> float:
        if value < LEAST_STALE_SECONDS:
            raise ValueError("must be 2h or more: Alertmanager sends an alert again only every hour")
        return value

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

    def only_of(self, model_name: str) -> dict[str, list[str]] | None:
        """Return which alerts may retrain a configured model; None where the file does not say."""
        return self.models[model_name].only or self.only


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
