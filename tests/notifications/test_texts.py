"""What people read, as Alertmanager's own renderer writes it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from stack import receiver, render

from .manager import FOLDER

ROOT = FOLDER.parent
RUNBOOK = "https://github.com/torchvitals/torchvitals/blob/main/docs/runbooks.md#modelinputdrift"
DRIFT = {
    "status": "firing",
    "labels": {
        "alertname": "ModelInputDrift",
        "cause": "input",
        "severity": "warning",
        "model_name": "flight_delay",
        "model_version": "1.0",
        "instance": "10.0.0.7:8082",
    },
    "annotations": {
        "summary": "Input drift in flight_delay 1.0: 2 features",
        "description": "Worst: temp (KL 7.31, limit 2.1 from training windows), dewp (KL 5.02).",
        "runbook_url": RUNBOOK,
        "dashboard": "/d/torchvitals-drift?var-model_name=flight_delay",
    },
    "startsAt": "2026-07-02T14:03:05Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
SHIFT = {
    **DRIFT,
    "labels": {**DRIFT["labels"], "alertname": "ModelInputMeanShift"},
    "annotations": {**DRIFT["annotations"], "summary": "Input means moved", "description": "temp (3.4 σ)."},
}
TEXT = f"""\
Input drift in flight_delay 1.0: 2 features
Since 2 Jul 14:03 UTC, on 10.0.0.7:8082

Worst: temp (KL 7.31, limit 2.1 from training windows), dewp (KL 5.02).

What to do: {RUNBOOK}
Dashboard: http://127.0.0.1:3000/d/torchvitals-drift?var-model_name=flight_delay
Alerts: http://127.0.0.1:9093/#/alerts?filter=FILTER
Silence: http://127.0.0.1:9093/#/silences/new?filter=FILTER
"""


def ended(alert: dict[str, Any]) -> dict[str, Any]:
    return {**alert, "status": "resolved", "endsAt": "2026-07-02T15:10:05Z"}


def data(*alerts: dict[str, Any], **group: str) -> dict[str, Any]:
    labels = [alert["labels"] for alert in alerts]
    return {
        "receiver": "warning",
        "status": "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": group or {"cause": "input", "model_name": "flight_delay"},
        "commonLabels": {
            key: value for key, value in labels[0].items() if all(label.get(key) == value for label in labels)
        },
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
    }


def rendered(
    name: str, content: dict[str, Any], folder: Path, *, templates: Path = FOLDER / "templates"
) -> str:
    file = folder / "data.json"
    file.write_text(json.dumps(content))
    done = subprocess.run(
        ["amtool", "template", "render", f"--template.glob={templates}/*.tmpl", f"--template.data={file}",
         f'--template.text={{{{ template "torchvitals.{name}" . }}}}'],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("content", "title", "color"),
    [
        (data(DRIFT), "WARNING: ModelInputDrift of flight_delay 1.0", "warning"),
        (data(DRIFT, SHIFT), "WARNING: ModelInputDrift of flight_delay 1.0 and 1 more", "warning"),
        (data(ended(DRIFT), SHIFT), "WARNING: ModelInputMeanShift of flight_delay 1.0", "warning"),
        (data(ended(DRIFT)), "Resolved: ModelInputDrift of flight_delay 1.0", "good"),
        (
            data(
                {**DRIFT, "labels": {"alertname": "TorchServeDown", "severity": "critical"}}, cause="server"
            ),
            "CRITICAL: TorchServeDown",
            "danger",
        ),
        (data({**DRIFT, "labels": {"alertname": "Own"}}, cause=""), "ALERT: Own", "warning"),
    ],
    ids=["one", "two", "one of two", "over", "server", "foreign"],
)
def test_the_title_says_how_bad_what_and_of_which_version(
    content: dict[str, Any], title: str, color: str, tmp_path: Path
) -> None:
    assert rendered("title", content, tmp_path) == title
    assert rendered("color", content, tmp_path) == color


def test_the_text_says_what_since_when_how_bad_and_what_to_do(tmp_path: Path) -> None:
    text = rendered("text", data(DRIFT), tmp_path)
    filters = re.findall(r"filter=(\S+)", text)
    assert [unquote(found) for found in filters] == ['{cause="input",model_name="flight_delay"}'] * 2
    assert text + "\n" == TEXT.replace("FILTER", filters[0])


def test_what_is_over_is_said_so_and_asks_for_nothing(tmp_path: Path) -> None:
    text = rendered("text", data(ended(DRIFT)), tmp_path)
    assert "From 2 Jul 14:03 to 2 Jul 15:10 UTC, on 10.0.0.7:8082" in text
    assert "What to do" not in text
    assert "Silence" not in text
    mixed = rendered("text", data(ended(DRIFT), SHIFT), tmp_path)
    assert "Resolved: Input drift in flight_delay 1.0" in mixed
    assert "\nInput means moved" in mixed


def test_a_text_cannot_call_a_channel_in_slack(tmp_path: Path) -> None:
    loud = {"summary": "<!channel> & all", "description": "<@everyone>"}
    text = rendered("slack", data({**DRIFT, "annotations": {**DRIFT["annotations"], **loud}}), tmp_path)
    assert "&lt;!channel&gt; &amp; all" in text
    assert "&lt;@everyone&gt;" in text
    assert f"<{RUNBOOK}|What to do>" in text
    assert re.findall(r"<(?!http)", text) == []


def test_an_alert_without_a_cause_is_silenced_by_its_name(tmp_path: Path) -> None:
    url = rendered("silence_url", data({**DRIFT, "labels": {"alertname": "Own"}}, cause=""), tmp_path)
    assert unquote(url).endswith('filter={alertname="Own"}')


def test_a_run_links_to_its_own_grafana(tmp_path: Path) -> None:
    templates = tmp_path / "templates"
    templates.mkdir()
    for file in (FOLDER / "templates").glob("*.tmpl"):
        (templates / file.name).write_text(file.read_text())
    # Alertmanager reads the files in the order of its configuration; the last definition counts.
    (templates / "zz.tmpl").write_text(render.addresses_tmpl("http://127.0.0.1:3456"))
    url = rendered("dashboard_url", data(DRIFT), tmp_path, templates=templates)
    assert url == "http://127.0.0.1:3456/d/torchvitals-drift?var-model_name=flight_delay"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_the_links_of_each_alert_lead_somewhere(rule: dict[str, Any]) -> None:
    uid, _, query = rule["annotations"]["dashboard"].removeprefix("/d/").partition("?")
    boards = {
        board["uid"]: {variable["name"] for variable in board["templating"]["list"]}
        for board in map(
            json.loads, (file.read_text() for file in (ROOT / "grafana/dashboards").glob("*.json"))
        )
    }
    assert uid in boards
    assert set(re.findall(r"var-(\w+)=", query)) <= boards[uid]
    page, _, heading = rule["annotations"]["runbook_url"].partition("#")
    assert page.endswith("/docs/runbooks.md")
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE)
    assert heading in {found.lower() for found in headings}


PERCENTAGE = re.compile(r"\{\{ (?P<value>[^{}]*?) \| humanizePercentage \}\}")


@pytest.mark.parametrize(
    "rule", [rule for rule in rules() if "humanizePercentage" in str(rule)], ids=lambda rule: rule["alert"]
)
def test_a_measured_share_is_rounded_and_a_limit_is_as_it_was_written(rule: dict[str, Any]) -> None:
    for text in (rule["annotations"]["summary"], rule["annotations"]["description"]):
        found = list(PERCENTAGE.finditer(text))
        assert len(found) == text.count("humanizePercentage")
        for share in found:
            asked = re.findall(r"printf `([^`]*)` \S+ \| query", text[: share.start()])
            limit = share["value"] == ".Value" and asked[-1].startswith(
                "max(model_signal:model_threshold:max{"
            )
            assert limit or re.match(r'printf "%\.(2f|3g)" ', share["value"]), share[0]


@pytest.mark.parametrize(
    ("grafana_url", "dashboard", "linked"),
    [
        ("http://127.0.0.1:3000", "/d/torchvitals-drift", True),
        ("", "/d/torchvitals-drift", False),
        ("http://127.0.0.1:3000", '"><script>', False),
        ("http://127.0.0.1:3000", "javascript:alert(1)", False),
    ],
)
def test_the_page_of_notifications_links_to_the_dashboard(
    grafana_url: str, dashboard: str, linked: bool
) -> None:
    alert = {**DRIFT, "annotations": {**DRIFT["annotations"], "dashboard": dashboard}, "receivedAt": "now"}
    page = receiver.html([alert], grafana_url=grafana_url)
    assert ('<a href="http://127.0.0.1:3000/d/torchvitals-drift"' in page) == linked
    assert f'<a href="{RUNBOOK}"' in page
    assert "<script>" not in page
    assert "javascript:" not in page
