"""One incident on 50 servers, as its receivers get it: one notification each, within what each of them takes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from stack.waiting import eventually

from .limits import HOSTILE, check_email, check_pager, check_slack
from .mailbox import Mailbox, body
from .manager import Alertmanager, alert, configured, quick, receiver
from .webhooks import Webhooks

SERVERS = [f"ml-{number:02}.eu.example.org:8082" for number in range(50)]
# Long enough for 50 alerts to come in between two looks, whatever else the machine does.
LOOK = "3s"
STALLED = {
    "alertname": "ModelMonitorStalled",
    "severity": "warning",
    "cause": "monitor",
    "job": "torchserve",
    "cluster": "eu",
    "model_name": "fraud",
    "model_version": "3.1",
}
DOWN = {"alertname": "TorchServeDown", "severity": "critical", "cause": "server", "job": "torchserve"}
RUNBOOKS = "https://github.com/torchvitals/torchvitals/blob/main/docs/runbooks.md"


def now() -> datetime:
    return datetime.now(timezone.utc)


def everywhere(folder: Path, mailbox: Mailbox, webhooks: Webhooks) -> dict[str, Any]:
    """Return a configuration in which warnings and critical alerts go to Slack, PagerDuty, mail and a webhook."""
    config = configured(folder, mailbox, webhooks)
    kinds = ("slack_configs", "pagerduty_configs", "email_configs")
    ready = {kind: found[kind] for found in config["receivers"] for kind in kinds if kind in found}
    assert set(ready) == set(kinds)
    for name in ("critical", "warning"):
        receiver(config, name).update(ready)
    return config


def texts(server: str, model: str = "fraud 3.1") -> dict[str, str]:
    return {
        "summary": f"{model} serves requests that nothing monitors",
        "description": f"{model} on {server} is asked 12 times a second, but no worker of it has reported for 30 s. "
        * 6,
        "runbook_url": f"{RUNBOOKS}#modelmonitorstalled",
        "dashboard": "/d/torchvitals-overview",
    }


def bodies(webhooks: Webhooks, name: str) -> list[dict[str, Any]]:
    return [json.loads(sent) for sent in webhooks.bodies[name]]


def test_fifty_servers_are_one_notification_and_its_end_is_one_line(
    tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    config = everywhere(tmp_path, mailbox, webhooks)
    quick(config["route"], wait=LOOK, interval=LOOK)
    began = now()

    def incident(*, resolved: bool = False) -> list[dict[str, Any]]:
        return [
            alert({**STALLED, "instance": server}, texts(server), began=began, resolved=resolved)
            for server in SERVERS
        ]

    def arrived(count: int) -> bool:
        sent = [webhooks.bodies[name] for name in ("slack", "pagerduty", "warning")]
        return all(len(found) >= count for found in (*sent, mailbox.messages))

    with Alertmanager(tmp_path, config) as manager:
        manager.send_all(incident())
        eventually(lambda: arrived(1), "the notification everywhere")
        # Prometheus sends a firing alert again and again.
        manager.send_all(incident())
        manager.settle(integrations=4, flushes=2)
        # Right after a look, so that the next one finds all of them over.
        manager.send_all(incident(resolved=True))
        eventually(lambda: arrived(2), "its end everywhere")
    for name in ("slack", "pagerduty", "warning"):
        assert len(webhooks.bodies[name]) == 2, name
    assert len(mailbox.messages) == 2
    assert [len(sent["alerts"]) for sent in bodies(webhooks, "warning")] == [50, 50]

    title = "WARNING: ModelMonitorStalled, fraud 3.1, 50 servers, eu"
    slack, slack_over = (sent["attachments"][0] for sent in bodies(webhooks, "slack"))
    assert slack["title"] == slack["fallback"] == title
    assert slack["text"].startswith("*fraud 3.1 serves requests that nothing monitors*\n<https://github.com/")
    assert "\nand 47 more\n" in slack["text"]
    assert [server for server in SERVERS if server in slack["text"]] == SERVERS[:3]
    check_slack(slack)
    assert slack_over["title"].startswith("RESOLVED: ModelMonitorStalled, fraud 3.1, 50 servers, eu, ")
    assert slack_over.get("text", "") == ""

    page, page_over = bodies(webhooks, "pagerduty")
    assert (page["event_action"], page["payload"]["summary"]) == ("trigger", title)
    assert page["payload"]["custom_details"]["firing"].startswith(
        "fraud 3.1 serves requests that nothing monitors\n"
    )
    check_pager(page)
    assert (page_over["event_action"], page_over["dedup_key"]) == ("resolve", page["dedup_key"])
    check_pager(page_over)

    assert mailbox.subjects[0] == title
    for kind in ("plain", "html"):
        text = body(mailbox.messages[0], kind)
        assert "47 more" in text
        assert [server for server in SERVERS if server in text] == SERVERS[:3]
    for mail in mailbox.messages:
        check_email(mail)
    assert body(mailbox.messages[1], "plain").strip() == mailbox.subjects[1] == slack_over["title"]


def test_fifty_servers_that_go_down_are_one_page(
    tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    config = everywhere(tmp_path, mailbox, webhooks)
    # As shipped, the first one waits for nobody; those that join are looked for sooner here.
    for child in config["route"]["routes"]:
        child["group_interval"] = LOOK
    with Alertmanager(tmp_path, config) as manager:
        manager.send_all([alert({**DOWN, "instance": server}, began=now()) for server in SERVERS])
        eventually(
            lambda: [
                sent for sent in bodies(webhooks, "pagerduty") if "50 servers" in sent["payload"]["summary"]
            ],
            "a page that knows all servers",
        )
        manager.settle(integrations=4, flushes=1)
    pages = bodies(webhooks, "pagerduty")
    # What PagerDuty gets with the key of an open incident wakes nobody again.
    assert len({page["dedup_key"] for page in pages}) == 1
    assert len(pages) <= 2


def test_a_critical_alert_and_what_machines_do_wait_for_nobody(
    tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    # With the waits of production: the warnings come in five minutes, after the end of this test.
    config = configured(tmp_path, mailbox, webhooks)
    model = {"job": "torchserve", "model_name": "fraud", "model_version": "3.1"}
    with Alertmanager(tmp_path, config) as manager:
        manager.send_all(
            [
                alert(
                    {"alertname": "ModelInputDrift", "severity": "warning", "cause": "input", **model},
                    began=now(),
                ),
                alert(
                    {"alertname": "ModelBaselineOld", "severity": "info", "cause": "monitor", **model},
                    began=now(),
                ),
                alert(
                    {
                        "alertname": "ModelRetrainNeeded",
                        "severity": "warning",
                        "cause": "retrain",
                        "action": "retrain",
                        **model,
                    },
                    began=now(),
                ),
                alert({"alertname": "Watchdog", "severity": "none", "cause": "watchdog"}, began=now()),
                alert(
                    {"alertname": "ModelErrorRateHigh", "severity": "critical", "cause": "errors", **model},
                    began=now(),
                ),
            ]
        )
        eventually(
            lambda: all(
                webhooks.bodies[name] for name in ("critical", "pagerduty", "retraining", "heartbeat")
            ),
            "what does not wait",
        )
        (page,) = bodies(webhooks, "pagerduty")
        assert page["payload"]["summary"] == "CRITICAL: ModelErrorRateHigh, fraud 3.1"
        assert [webhooks.bodies[name] for name in ("warning", "slack", "info")] == [[], [], []]
        assert mailbox.messages == []


def test_what_began_longer_ago_than_the_wait_is_told_at_once(
    tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    with Alertmanager(tmp_path, configured(tmp_path, mailbox, webhooks)) as manager:
        manager.send(STALLED, began=now() - timedelta(minutes=6))
        eventually(lambda: webhooks.bodies["warning"] and webhooks.bodies["slack"], "the warning")


def test_what_flaps_is_one_page(tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks) -> None:
    config = configured(tmp_path, mailbox, webhooks)
    for child in config["route"]["routes"]:
        child["group_interval"] = LOOK
    errors = {
        "alertname": "ModelErrorRateHigh",
        "severity": "critical",
        "cause": "errors",
        "model_name": "fraud",
    }
    began = now() - timedelta(minutes=1)
    with Alertmanager(tmp_path, config) as manager:
        manager.send(errors, began=began)
        eventually(lambda: webhooks.bodies["pagerduty"], "the page")
        for _ in range(2):
            manager.settle(integrations=2, flushes=1)
            # Right after a look: it ends and begins five times before the next one.
            for _ in range(5):
                manager.send_all([alert(errors, began=began, resolved=True), alert(errors, began=now())])
        manager.settle(integrations=2, flushes=2)
    assert len(webhooks.bodies["pagerduty"]) == len(webhooks.bodies["critical"]) == 1


def test_two_clusters_are_two_notifications(tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks) -> None:
    config = configured(tmp_path, mailbox, webhooks)
    quick(config["route"])
    with Alertmanager(tmp_path, config) as manager:
        for cluster in ("eu", "us"):
            manager.send({**STALLED, "cluster": cluster}, texts("any"), began=now())
        eventually(lambda: len(webhooks.bodies["slack"]) == 2, "one for each cluster")
    titles = {sent["attachments"][0]["title"] for sent in bodies(webhooks, "slack")}
    assert titles == {f"WARNING: ModelMonitorStalled, fraud 3.1, {cluster}" for cluster in ("eu", "us")}


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_no_name_can_call_a_channel_or_break_what_is_sent(
    words: str, tmp_path: Path, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    config = everywhere(tmp_path, mailbox, webhooks)
    quick(config["route"])
    labels = {
        **STALLED,
        "model_name": words,
        "model_version": words,
        "instance": words,
        "cluster": words,
        "env": words,
    }
    with Alertmanager(tmp_path, config) as manager:
        manager.send(labels, dict.fromkeys(("summary", "description"), words), began=now())
        eventually(
            lambda: webhooks.bodies["slack"] and webhooks.bodies["pagerduty"] and mailbox.messages,
            "all three",
        )
    check_slack(bodies(webhooks, "slack")[0]["attachments"][0])
    check_pager(bodies(webhooks, "pagerduty")[0])
    check_email(mailbox.messages[0])
