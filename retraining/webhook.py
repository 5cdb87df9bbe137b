"""What Alertmanager sends: its webhook, version 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from .environments import Environment, environment

VERSION = "4"
ACTION_LABEL, RETRAIN, CONFIRM = "action", "retrain", "confirm"
CONFIRMED_LABEL, CONFIRMED = "confirmed", "true"
MOST_ALERTS = 1_000
LONGEST_NAME = 200
Text = Annotated[str, Field(max_length=10_000)]


class MalformedError(ValueError):
    """The body is not JSON."""


class UnknownPayloadError(ValueError):
    """The body is JSON, and not a notification that the service understands."""


class Alert(BaseModel):
    """One alert; fields that the service does not use are kept and handed to the action."""

    model_config = ConfigDict(extra="allow", frozen=True)

    status: Literal["firing", "resolved"]
    labels: dict[str, Text]
    annotations: dict[str, Text] = {}
    startsAt: AwareDatetime  # noqa: N815
    fingerprint: str = Field(min_length=1, max_length=LONGEST_NAME)


class Notification(BaseModel):
    """One notification of one group of alerts."""

    model_config = ConfigDict(extra="allow", frozen=True)

    version: Literal["4"]
    groupKey: str = Field(min_length=1, max_length=10_000)  # noqa: N815
    alerts: list[Alert] = Field(max_length=MOST_ALERTS)


@dataclass(frozen=True)
class Request:
    """What one notification asks for one version of a model in one environment: its alerts that fire."""

    model_name: str
    model_version: str
    environment: Environment
    group_key: str
    alerts: tuple[Alert, ...]

    @property
    def began_at(self) -> datetime:
        """When the first of the alerts began."""
        return min(alert.startsAt for alert in self.alerts)

    @property
    def needs_word(self) -> bool:
        """Whether one of the alerts may retrain only after a person's word, or a check, and has no word."""
        return any(alert.labels[ACTION_LABEL] == CONFIRM and not _confirmed(alert) for alert in self.alerts)

    @property
    def confirmed(self) -> bool:
        """Whether labels say that a person has looked at the data."""
        return not self.needs_word and any(map(_confirmed, self.alerts))

    def as_json(self) -> dict[str, Any]:
        """Return what an action is told."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "environment": self.environment,
            "group_key": self.group_key,
            "alerts": [alert.model_dump(mode="json") for alert in self.alerts],
        }


def _confirmed(alert: Alert) -> bool:
    return alert.labels.get(CONFIRMED_LABEL) == CONFIRMED


def parse(body: bytes) -> Notification:
    """Return the notification in a body; raise MalformedError or UnknownPayloadError, which say what is wrong."""
    try:
        return Notification.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        if fault["type"] == "json_invalid":
            raise MalformedError(f"the body is not JSON: {fault['msg']}") from error
        where = ".".join(map(str, fault["loc"]))
        if where == "version":
            raise UnknownPayloadError(
                f"the payload's version is not '{VERSION}'; send Alertmanager's webhook"
            ) from error
        raise UnknownPayloadError(f"{where or 'the body'}: {fault['msg']}") from error


def requests(notification: Notification) -> list[Request]:
    """Return what a notification asks for: by model, then the version and environment whose alerts began last.

    Raises UnknownPayloadError where an alert names no model or version, or what cannot be a name.
    """
    found: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Alert]] = {}
    for index, alert in enumerate(notification.alerts):
        if alert.status != "firing" or alert.labels.get(ACTION_LABEL) not in (RETRAIN, CONFIRM):
            continue
        name = _name(alert.labels, "model_name", index)
        version = _name(alert.labels, "model_version", index)
        where = environment(alert.labels)
        found.setdefault((name, version, tuple(where.items())), []).append(alert)
    asked = [
        Request(
            model_name=name,
            model_version=version,
            environment=dict(where),
            group_key=notification.groupKey,
            alerts=tuple(alerts),
        )
        for (name, version, where), alerts in found.items()
    ]
    asked.sort(key=lambda request: max(alert.startsAt for alert in request.alerts), reverse=True)
    return sorted(asked, key=lambda request: request.model_name)


def _name(labels: Mapping[str, str], label: str, index: int) -> str:
    name = labels.get(label, "")
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UnknownPayloadError(
            f"alerts.{index}.labels.{label}: an alert that asks for retraining must have this label, "
            f"of at most {LONGEST_NAME} printable characters"
        )
    return name
