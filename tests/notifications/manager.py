"""A real Alertmanager with the production configuration, every receiver switched on, at endpoints on loopback."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from stack import programs
from stack.loopback import http
from stack.ports import Ports
from stack.waiting import Program, eventually

from .mailbox import PASSWORD, Mailbox
from .webhooks import Webhooks

TOKEN = "token-of-the-tests"
FOLDER = Path(__file__).resolve().parents[2] / "alertmanager"
OFF = re.compile(r"^( *)#: ", re.MULTILINE)


def switched_on() -> dict[str, Any]:
    """Return the production configuration with every block that is prepared in it."""
    text = (FOLDER / "alertmanager.yml").read_text()
    assert OFF.search(text)
    config: dict[str, Any] = yaml.safe_load(OFF.sub(r"\1", text))
    config["templates"] = [str(FOLDER / pattern) for pattern in config["templates"]]
    return config


def quick(route: dict[str, Any], *, wait: str = "200ms", interval: str = "500ms") -> None:
    """Make a route and those below it send soon; the repeat interval stays, so that a repetition is a fault."""
    route["group_wait"], route["group_interval"] = wait, interval
    for child in route.get("routes", []):
        quick(child, wait=wait, interval=interval)


def configured(folder: Path, mailbox: Mailbox, webhooks: Webhooks) -> dict[str, Any]:
    """Return the production configuration with everything on, at a test's endpoints."""
    config = switched_on()
    (folder / "smtp-password").write_text(PASSWORD)
    (folder / "token").write_text(TOKEN)
    (folder / "slack").write_text(f"{webhooks.url}/slack")
    (folder / "pagerduty").write_text(TOKEN)
    for found in config["receivers"]:
        for mail in found.get("email_configs", []):
            mail["smarthost"] = f"127.0.0.1:{mailbox.port}"
            mail["auth_password_file"] = str(folder / "smtp-password")
            mail["require_tls"] = False  # aiosmtpd has no certificate here
        for slack in found.get("slack_configs", []):
            slack["api_url_file"] = str(folder / "slack")
        for pager in found.get("pagerduty_configs", []):
            pager["url"] = f"{webhooks.url}/pagerduty"
            pager["routing_key_file"] = str(folder / "pagerduty")
        for webhook in found.get("webhook_configs", []):
            webhook["url"] = f"{webhooks.url}/{found['name']}"
            if "http_config" in webhook:
                webhook["http_config"]["authorization"]["credentials_file"] = str(folder / "token")
    return config


def receiver(config: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (receiver for receiver in config["receivers"] if receiver["name"] == name)
    return found


class Alertmanager(Program):
    """Alertmanager in a folder of the test's own; what it keeps there outlives a restart."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        port = Ports.free().alertmanager
        self.url = f"http://127.0.0.1:{port}"
        file = folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump(config, sort_keys=False))
        super().__init__(
            programs.alertmanager(file, data=folder / "data", port=port),
            health=f"{self.url}/-/ready",
            log=folder / "alertmanager.log",
        )

    def send(
        self,
        labels: dict[str, str],
        annotations: dict[str, str] | None = None,
        *,
        began: datetime,
        resolved: bool = False,
    ) -> None:
        """Send an alert as Prometheus does."""
        self.send_all([alert(labels, annotations, began=began, resolved=resolved)])

    def send_all(self, alerts: list[dict[str, Any]]) -> None:
        """Send the alerts of one evaluation, as Prometheus does."""
        http.post(f"{self.url}/api/v2/alerts", json=alerts).raise_for_status()

    def settle(self, *, integrations: int, flushes: int = 4) -> None:
        """Wait until each of so many integrations has been asked so often whether there is something to send.

        Alertmanager asks its log of notifications before it sends anything, at every flush of a group that has alerts.
        """
        asked = self._log_queries()
        eventually(
            lambda: self._log_queries() >= asked + flushes * integrations,
            lambda: (
                f"{flushes} flushes to {integrations} integrations; {self._log_queries() - asked:g} were seen"
            ),
        )

    def _log_queries(self) -> float:
        page = http.get(f"{self.url}/metrics").raise_for_status().text
        (value,) = re.findall(r"^alertmanager_nflog_queries_total (\S+)$", page, re.MULTILINE)
        return float(value)

    def inhibited(self) -> dict[str, bool]:
        """Return, by the name of each alert and its severity, whether another one keeps it back."""
        alerts = http.get(f"{self.url}/api/v2/alerts").raise_for_status().json()
        return {
            f"{found['labels']['alertname']} {found['labels']['severity']}": bool(
                found["status"]["inhibitedBy"]
            )
            for found in alerts
        }


def alert(
    labels: dict[str, str],
    annotations: dict[str, str] | None = None,
    *,
    began: datetime,
    resolved: bool = False,
) -> dict[str, Any]:
    """Return an alert as Prometheus sends it."""
    found = {"labels": labels, "annotations": annotations or {}, "startsAt": began.isoformat()}
    if resolved:
        found["endsAt"] = datetime.now(timezone.utc).isoformat()
    return found
