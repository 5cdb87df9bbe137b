"""What Alertmanager sends: its webhook, version 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

VERSION = "4"
ACTION_LABEL, ACTION = "action", "retrain"
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
    startsAt: datetime  # noqa: N815
    fingerprint: str = Field(min_length=1, max_length=LONGEST_NAME)


class Notification(BaseModel):
    """One notification of one group of alerts."""

    model_config = ConfigDict(extra="allow", frozen=True)

    version: Literal["4"]
    groupKey: str = Field(min_length=1, max_length=10_000)  # noqa: N815
    alerts: list[Alert] = Field(max_length=MOST_ALERTS)


@dataclass(frozen=True)
class Request:
    """What one notification asks for one model: the alerts that fire and say action="retrain"."""

    model_name: str
    model_version: str  # of the alert that began last
    group_key: str
    alerts: tuple[Alert, ...]

    @property
    def episodes(self) -> list[tuple[str, str, str]]:
        """What makes each alert the same one when it is sent again: group, alert, and when it began."""
        return [(self.group_key, alert.fingerprint, alert.startsAt.isoformat()) for alert in self.alerts]

    def as_json(self) -> dict[str, Any]:
        """Return what an action is told."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "group_key": self.group_key,
            "alerts": [alert.model_dump(mode="json") for alert in self.alerts],
        }


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
    """Return what a notification asks for, a model each, in the order of their names.

    Raises UnknownPayloadError where an alert names no model, or one that cannot be a name.
    """
    found: dict[str, list[Alert]] = {}
    for index, alert in enumerate(notification.alerts):
        if alert.status != "firing" or alert.labels.get(ACTION_LABEL) != ACTION:
            continue
        found.setdefault(_name(alert.labels, "model_name", index), []).append(alert)
        _name(alert.labels, "model_version", index)
    return [
        Request(
            model_name=name,
            model_version=max(alerts, key=lambda alert: alert.startsAt).labels["model_version"],
            group_key=notification.groupKey,
            alerts=tuple(alerts),
        )
        for name, alerts in sorted(found.items())
    ]


def _name(labels: Mapping[str, str], label: str, index: int) -> str:
    name = labels.get(label, "")
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UnknownPayloadError(
            f"alerts.{index}.labels.{label}: an alert with {ACTION_LABEL}={ACTION!r} must have this label, "
            f"of at most {LONGEST_NAME} printable characters"
        )
    return name
