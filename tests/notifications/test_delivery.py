"""Delivery to real endpoints on loopback: each message once, through a restart of Alertmanager, with its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from retraining.webhook import parse, requests
from stack.ports import Ports
from stack.waiting import eventually

from .manager import Alertmanager, quick, receiver, switched_on
from .webhooks import Webhooks

PASSWORD = "password-of-the-tests"
TOKEN = "token-of-the-tests"
SERVER = {"job": "torchserve", "instance": "10.0.0.7:8082"}
DRIFT = {
    "alertname": "ModelInputDrift",
    "severity": "warning",
    "cause": "input",
    "team": "platform",
    "model_name": "flight_delay",
    "model_version": "1.0",
    **SERVER,
}
RETRAIN = {**DRIFT, "alertname": "ModelRetrainNeeded", "cause": "retrain", "action": "retrain"}
ANNOTATIONS = {
    "summary": "Input drift in flight_delay 1.0: 2 features",
    "description": "Worst: temp (KL 7.31, limit 2.1 from training windows), dewp (KL 5.02): <b>moved</b>.",
    "runbook_url": "https://github.com/torchvitals/torchvitals/blob/main/docs/runbooks.md#modelinputdrift",
    "dashboard": "/d/torchvitals-drift?var-model_name=flight_delay",
}


class Mailbox:
    """Keeps the messages that arrive from a sender who knows the password."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        assert session.authenticated
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"

    @staticmethod
    def authenticate(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        return AuthResult(success=good)

    @property
    def subjects(self) -> list[str]:
        return [str(message["subject"]) for message in self.messages]


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    # Go's SMTP client sends a password without TLS to this machine alone, as here.
    controller = Controller(
        box, hostname="127.0.0.1", port=Ports.free().receiver,
        authenticator=box.authenticate, auth_require_tls=False,
        auth_exclude_mechanism=["LOGIN"],  # aiosmtpd asks for "User Name", and Alertmanager knows "Username:",
    )  # fmt: skip
    controller.start()
    yield box, controller.port
    controller.stop()


@pytest.fixture
def webhooks() -> Iterator[Webhooks]:
    with Webhooks() as running:
        yield running


def configured(folder: Path, mail_port: int, webhooks: Webhooks) -> dict[str, Any]:
    """Return the production configuration with everything on, at this test's endpoints, with short waits."""
    config = switched_on()
    (folder / "smtp-password").write_text(PASSWORD)
    (folder / "token").write_text(TOKEN)
    (mail,) = receiver(config, "platform")["email_configs"]
    mail |= {
        "smarthost": f"127.0.0.1:{mail_port}",
        "auth_password_file": str(folder / "smtp-password"),
        "require_tls": False,  # aiosmtpd has no certificate here
    }
    for found in config["receivers"]:
        # Those of others: there is nobody here to receive them.
        found.pop("slack_configs", None)
        found.pop("pagerduty_configs", None)
        for webhook in found.get("webhook_configs", []):
            webhook["url"] = f"{webhooks.url}/{found['name']}"
            if "http_config" in webhook:
                webhook["http_config"]["authorization"]["credentials_file"] = str(folder / "token")
    quick(config["route"])
    return config


def test_mail_and_webhook_each_once_through_a_restart_and_resolved(
    tmp_path: Path, mailbox: tuple[Mailbox, int], webhooks: Webhooks
) -> None:
    box, port = mailbox
    began = datetime.now(timezone.utc)
    with Alertmanager(tmp_path, configured(tmp_path, port, webhooks)) as manager:
        manager.send(DRIFT, ANNOTATIONS, began=began)
        eventually(lambda: box.messages and webhooks.alerts("platform"), "the mail and the webhook")
        # Prometheus sends a firing alert again and again.
        for _ in range(3):
            manager.send(DRIFT, ANNOTATIONS, began=began)
            manager.settle(integrations=2, flushes=2)
        manager.stop()
        manager.start()
        manager.send(DRIFT, ANNOTATIONS, began=began)
        manager.settle(integrations=2)
        assert len(box.messages) == 1
        assert [alert["status"] for alert in webhooks.alerts("platform")] == ["firing"]

        manager.send(DRIFT, ANNOTATIONS, began=began, resolved=True)
        eventually(lambda: len(box.messages) == 2, "the mail that it is over")
        # What is over is not looked at again; another group of the same receiver is, at the same intervals.
        manager.send({**DRIFT, "cause": "errors", "alertname": "Other"}, ANNOTATIONS, began=began)
        manager.settle(integrations=2)
    assert box.subjects == [
        "WARNING: ModelInputDrift of flight_delay 1.0",
        "Resolved: ModelInputDrift of flight_delay 1.0",
        "WARNING: Other of flight_delay 1.0",
    ]
    assert box.recipients == [["platform@example.org"]] * 3
    marked = box.messages[0].get_body(("html",))
    assert marked is not None
    assert "<b>moved</b>" not in marked.get_content()
    assert "&lt;b&gt;moved&lt;/b&gt;" in marked.get_content()
    delivered = [(alert["labels"]["alertname"], alert["status"]) for alert in webhooks.alerts("platform")]
    assert delivered == [
        ("ModelInputDrift", "firing"),
        ("ModelInputDrift", "resolved"),
        ("Other", "firing"),
    ]
    mail = box.messages[0]
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        text = body.get_content()
        for words in (
            ANNOTATIONS["summary"],
            "10.0.0.7:8082",
            "KL 7.31, limit 2.1",
            ANNOTATIONS["runbook_url"],
        ):
            assert words in text, (kind, words)
        assert "http://127.0.0.1:3000/d/torchvitals-drift?var-model_name=flight_delay" in text


def test_what_begins_while_nobody_answers_arrives_once_when_they_do(
    tmp_path: Path, mailbox: tuple[Mailbox, int], webhooks: Webhooks
) -> None:
    box, port = mailbox
    webhooks.status = 503
    with Alertmanager(tmp_path, configured(tmp_path, port, webhooks)) as manager:
        manager.send({**DRIFT, "team": "fraud"}, ANNOTATIONS, began=datetime.now(timezone.utc))
        eventually(lambda: webhooks.refused["warning"], "a delivery that is refused")
        assert webhooks.alerts("warning") == []
        webhooks.status = 200
        eventually(lambda: webhooks.alerts("warning"), "the delivery")
        manager.settle(integrations=1)
        assert len(webhooks.alerts("warning")) == 1
    assert box.messages == []


def test_a_retraining_alert_reaches_the_service_and_people_and_the_heartbeat_nobody_else(
    tmp_path: Path, mailbox: tuple[Mailbox, int], webhooks: Webhooks
) -> None:
    box, port = mailbox
    began = datetime.now(timezone.utc)
    with Alertmanager(tmp_path, configured(tmp_path, port, webhooks)) as manager:
        manager.send(RETRAIN, ANNOTATIONS, began=began)
        manager.send({"alertname": "Watchdog", "severity": "none", "cause": "watchdog"}, began=began)
        eventually(
            lambda: box.messages and webhooks.bodies["retraining"] and webhooks.bodies["heartbeat"],
            "all three",
        )
        # The mail, and the webhooks of the team, of the service and of the heartbeat.
        manager.settle(integrations=4)
        manager.send(RETRAIN, ANNOTATIONS, began=began, resolved=True)
        eventually(lambda: len(box.messages) == 2, "the mail that it is over")
        # The heartbeat goes on.
        manager.settle(integrations=1)
    # What really arrives is what the service takes.
    (body,) = webhooks.bodies["retraining"]
    (request,) = requests(parse(body))
    assert (request.model_name, request.model_version) == ("flight_delay", "1.0")
    assert set(webhooks.authorizations["retraining"]) == {f"Bearer {TOKEN}"}
    assert {alert["labels"]["alertname"] for alert in webhooks.alerts("heartbeat")} == {"Watchdog"}
    assert {alert["labels"]["alertname"] for alert in webhooks.alerts("platform")} == {"ModelRetrainNeeded"}
