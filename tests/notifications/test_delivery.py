"""Delivery to real endpoints on loopback: each message once, through a restart of Alertmanager, with its end."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from retraining.webhook import parse, requests
from stack.waiting import eventually

from .mailbox import Mailbox, body
from .manager import TOKEN, Alertmanager, configured, quick
from .webhooks import Webhooks

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


def quickly(folder: Path, mailbox: Mailbox, webhooks: Webhooks) -> dict[str, Any]:
    config = configured(folder, mailbox, webhooks)
    quick(config["route"])
    return config


def test_mail_and_webhook_each_once_through_a_restart_and_resolved(
    tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    began = datetime.now(timezone.utc)
    with Alertmanager(tmp_path, quickly(tmp_path, mailbox, webhooks)) as manager:
        manager.send(DRIFT, ANNOTATIONS, began=began)
        eventually(lambda: mailbox.messages and webhooks.alerts("platform"), "the mail and the webhook")
        # Prometheus sends a firing alert again and again.
        for _ in range(3):
            manager.send(DRIFT, ANNOTATIONS, began=began)
            manager.settle(integrations=2, flushes=2)
        manager.stop()
        manager.start()
        manager.send(DRIFT, ANNOTATIONS, began=began)
        manager.settle(integrations=2)
        assert len(mailbox.messages) == 1
        assert [alert["status"] for alert in webhooks.alerts("platform")] == ["firing"]

        manager.send(DRIFT, ANNOTATIONS, began=began, resolved=True)
        eventually(lambda: len(mailbox.messages) == 2, "the mail that it is over")
        # What is over is not looked at again; another group of the same receiver is, at the same intervals.
        manager.send({**DRIFT, "cause": "errors", "alertname": "Other"}, ANNOTATIONS, began=began)
        manager.settle(integrations=2)
    assert [re.sub(r"to [^,]*UTC$", "to ENDED", subject) for subject in mailbox.subjects] == [
        "WARNING: ModelInputDrift, flight_delay 1.0, 10.0.0.7:8082",
        began.strftime("RESOLVED: ModelInputDrift, flight_delay 1.0, 10.0.0.7:8082, %-d %b %H:%M to ENDED"),
        "WARNING: Other, flight_delay 1.0, 10.0.0.7:8082",
    ]
    assert mailbox.recipients == [["platform@example.org"]] * 3
    marked = body(mailbox.messages[0], "html")
    assert "<b>moved</b>" not in marked
    assert "&lt;b&gt;moved&lt;/b&gt;" in marked
    delivered = [(alert["labels"]["alertname"], alert["status"]) for alert in webhooks.alerts("platform")]
    assert delivered == [
        ("ModelInputDrift", "firing"),
        ("ModelInputDrift", "resolved"),
        ("Other", "firing"),
    ]
    for kind in ("plain", "html"):
        text = body(mailbox.messages[0], kind)
        for words in (
            ANNOTATIONS["summary"],
            "10.0.0.7:8082",
            "KL 7.31, limit 2.1",
            ANNOTATIONS["runbook_url"],
        ):
            assert words in text, (kind, words)
        assert "http://127.0.0.1:3000/d/torchvitals-drift?var-model_name=flight_delay" in text
        # What is over is one line.
        assert mailbox.subjects[1] in body(mailbox.messages[1], kind)
    assert body(mailbox.messages[1], "plain").strip() == mailbox.subjects[1]


def test_what_begins_while_nobody_answers_arrives_once_when_they_do(
    tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    webhooks.status = 503
    with Alertmanager(tmp_path, quickly(tmp_path, mailbox, webhooks)) as manager:
        manager.send({**DRIFT, "team": "fraud"}, ANNOTATIONS, began=datetime.now(timezone.utc))
        eventually(lambda: webhooks.refused["warning"], "a delivery that is refused")
        assert webhooks.alerts("warning") == []
        webhooks.status = 200
        eventually(lambda: webhooks.alerts("warning"), "the delivery")
        manager.settle(integrations=1)
        assert len(webhooks.alerts("warning")) == 1
    assert mailbox.messages == []


def test_a_retraining_alert_reaches_the_service_and_people_and_the_heartbeat_nobody_else(
    tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    began = datetime.now(timezone.utc)
    with Alertmanager(tmp_path, quickly(tmp_path, mailbox, webhooks)) as manager:
        manager.send(RETRAIN, ANNOTATIONS, began=began)
        manager.send({"alertname": "Watchdog", "severity": "none", "cause": "watchdog"}, began=began)
        eventually(
            lambda: mailbox.messages and webhooks.bodies["retraining"] and webhooks.bodies["heartbeat"],
            "all three",
        )
        # The mail, and the webhooks of the team, of the service and of the heartbeat.
        manager.settle(integrations=4)
        manager.send(RETRAIN, ANNOTATIONS, began=began, resolved=True)
        eventually(lambda: len(mailbox.messages) == 2, "the mail that it is over")
        # The heartbeat goes on.
        manager.settle(integrations=1)
    # What really arrives is what the service takes.
    (sent,) = webhooks.bodies["retraining"]
    (request,) = requests(parse(sent))
    assert (request.model_name, request.model_version) == ("flight_delay", "1.0")
    assert set(webhooks.authorizations["retraining"]) == {f"Bearer {TOKEN}"}
    assert {alert["labels"]["alertname"] for alert in webhooks.alerts("heartbeat")} == {"Watchdog"}
    assert {alert["labels"]["alertname"] for alert in webhooks.alerts("platform")} == {"ModelRetrainNeeded"}
