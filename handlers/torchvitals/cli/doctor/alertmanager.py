"""Alertmanager: do our alerts reach anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from .finding import Finding
from .page import Page
from .places import Places
from .web import Web

PART = "Alertmanager"
# An alert of each severity that people hear of.
ALERTS = {
    "critical": {"alertname": "ModelErrorRateHigh", "severity": "critical", "cause": "errors"},
    "warning": {"alertname": "ModelInputDrift", "severity": "warning", "cause": "input"},
}
MATCHER = re.compile(r"""^\s*"?([^\s"=!~]+)"?\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*$""")
FAILED_RATIO = 0.05


def answers(web: Web, places: Places) -> list[Finding]:
    """Tell whether it answers."""
    if web.json(f"{places.alertmanager}/api/v2/status") is not None:
        return []
    return [
        Finding(
            PART,
            f"Alertmanager does not answer at {places.alertmanager}",
            "start it, or say where: --alertmanager",
        )
    ]


def checks(web: Web, places: Places) -> Iterator[Finding]:
    """Name what is wrong with an Alertmanager that answers."""
    status = web.json(f"{places.alertmanager}/api/v2/status") or {}
    config = yaml.safe_load(status.get("config", {}).get("original", "")) or {}
    yield from _receivers(config)
    answer = web.ask(f"{places.alertmanager}/metrics")
    yield from _failures(Page.read(answer.text) if answer is not None else Page())


def _receivers(config: dict[str, Any]) -> Iterator[Finding]:
    reaching = {one["name"] for one in config.get("receivers") or [] if _reaches(one)}
    if not reaching:
        yield Finding(
            PART,
            "Alertmanager has no receiver that reaches anybody",
            "give one an integration, such as slack_configs or webhook_configs (docs/notifications.md)",
        )
        return
    for severity, labels in ALERTS.items():
        silent = [name for name in route(config["route"], labels) if name not in reaching]
        heard = [name for name in route(config["route"], labels) if name in reaching]
        if silent and not heard:
            yield Finding(
                PART,
                f"a {severity} alert goes to receiver '{silent[0]}', which has no integration: nobody hears of it",
                f"give '{silent[0]}' an integration, or route our alerts to another receiver: "
                "torchvitals merge alertmanager.yml --receiver NAME",
            )


def _failures(page: Page) -> Iterator[Finding]:
    sent, failed = (
        _by_integration(page, f"alertmanager_notification_requests{name}_total") for name in ("", "_failed")
    )
    for integration, value in failed.items():
        if value and value >= FAILED_RATIO * sent.get(integration, 0.0):
            yield Finding(
                PART,
                f"{value:.0f} of {sent.get(integration, 0.0):.0f} attempts to notify by {integration} failed",
                "Alertmanager's log says why; check its address and secret with 'amtool config show'",
            )


def route(node: dict[str, Any], labels: dict[str, str]) -> list[str]:
    """Return the receivers of an alert, as Alertmanager finds them."""
    found: list[str] = []
    for child in node.get("routes") or []:
        child = {"receiver": node.get("receiver"), **child}
        if _matches(child, labels):
            found += route(child, labels)
            if not child.get("continue"):
                break
    return found or [str(node.get("receiver"))]


def _matches(node: dict[str, Any], labels: dict[str, str]) -> bool:
    matchers = [found.groups() for text in node.get("matchers") or [] if (found := MATCHER.match(text))]
    matchers += [(name, "=", str(value)) for name, value in (node.get("match") or {}).items()]
    matchers += [(name, "=~", str(value)) for name, value in (node.get("match_re") or {}).items()]
    return all(_holds(labels.get(name, ""), sign, value) for name, sign, value in matchers)


def _holds(label: str, sign: str, value: str) -> bool:
    same = re.fullmatch(value, label) is not None if "~" in sign else label == value
    return same != sign.startswith("!")


def _reaches(receiver: dict[str, Any]) -> bool:
    return any(key.endswith("_configs") and value for key, value in receiver.items())


def _by_integration(page: Page, metric: str) -> dict[str, float]:
    sums: dict[str, float] = {}
    for labels, value in page.of(metric):
        name = labels.get("integration", "")
        sums[name] = sums.get(name, 0.0) + value
    return sums
