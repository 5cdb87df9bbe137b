"""Draws docs/images/notification-phone.png: ``python -m tests.notifications.picture``.

The texts are what the shipped templates make of alerts as the shipped rules write them; the chat around them is drawn.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.notifications.test_texts import RUNBOOK, data, rendered_all

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "notification-phone.png"
PHONE, TALL = 390, 880
COLORS = {"danger": "#d91e4a", "warning": "#e8a822", "good": "#2aa876"}
MODEL = {"job": "torchserve", "cluster": "eu-1", "model_name": "fraud", "model_version": "3.1"}


def alert(
    name: str, severity: str, cause: str, summary: str, description: str, **more: Any
) -> dict[str, Any]:
    """Return an alert as Prometheus sends it."""
    return {
        "status": "firing",
        "labels": {"alertname": name, "severity": severity, "cause": cause, **MODEL},
        "annotations": {
            "summary": summary,
            "description": description,
            "runbook_url": RUNBOOK,
            "dashboard": "/d/torchvitals-model?var-model_name=fraud",
        },
        "startsAt": "2026-07-02T14:03:05Z",
        "endsAt": "0001-01-01T00:00:00Z",
        **more,
    }


ERRORS = alert(
    "ModelErrorRateHigh",
    "critical",
    "errors",
    "fraud 3.1 fails 48.6% of its requests",
    "48.6% of the requests to fraud 3.1 on ml-00:8082, ml-01:8082, ml-02:8082 and 47 more ended with an error of the "
    "handler (last 5 minutes: 612 requests); the model's limit is 5%.",
)
DRIFT = alert(
    "ModelInputDrift",
    "warning",
    "input",
    "Input drift in fraud 3.1: 2 features",
    "What fraud 3.1 on ml-00:8082, ml-01:8082, ml-02:8082 and 47 more is asked no longer looks like its training "
    "data. "
    "2 input features are over their limits, too far and too often to be chance. Worst: amount (last 1000 rows: "
    "Wasserstein 3.12 baseline std; KL 7.31; PSI 4.20), merchant_country (last 1000 rows: KL 5.02; PSI 3.11; a share "
    "of the rows changed by 31 percentage points).",
)
NEWS = (
    ("14:06", data(ERRORS, cause="errors", model_name="fraud")),
    ("14:08", data(DRIFT, cause="input", model_name="fraud")),
    (
        "14:31",
        data(
            {**ERRORS, "status": "resolved", "endsAt": "2026-07-02T14:27:05Z"},
            cause="errors",
            model_name="fraud",
        ),
    ),
)


def shown(text: str) -> str:
    """Return Slack's markup as a page shows it."""
    page = re.sub(r"<([^|>]+)\|([^>]+)>", lambda link: f'<a href="{link[1]}">{link[2]}</a>', text)
    page = re.sub(r"(?m)^\*(.+)\*$", r"<b>\1</b>", page)
    return page.strip().replace("\n", "<br>")


def message(time: str, content: dict[str, Any], folder: Path) -> str:
    """Return one message of the chat."""
    title, text, color = rendered_all(("title", "slack", "color"), content, folder)
    return (
        f"<p class=who><b>Alertmanager</b> <span>{time}</span></p>"
        f'<div style="border-color:{COLORS[color.strip()]}"><p class=title>{html.escape(title)}</p>'
        f"<p>{shown(text)}</p></div>"
    )


def page(folder: Path) -> str:
    """Return the chat."""
    messages = "".join(message(time, content, folder) for time, content in NEWS)
    return (
        "<!doctype html><meta charset=utf-8><style>"
        "body{margin:0;font:16px/1.4 system-ui,sans-serif;color:#1c1c1c;background:#fff}"
        "h1{font-size:18px;margin:0;padding:14px 16px;border-bottom:1px solid #ddd}"
        ".who{margin:16px 16px 4px}.who span{color:#777;font-size:14px}"
        "div{margin:0 16px;border-left:4px solid;border-radius:4px;padding-left:12px;overflow-wrap:anywhere}"
        "div p{margin:0 0 4px}.title{font-weight:700;color:#1264a3}a{color:#1264a3;text-decoration:none}"
        f"</style><h1># models</h1>{messages}"
    )


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory(prefix="notification-") as name:
        folder = Path(name)
        (folder / "chat.html").write_text(page(folder), encoding="utf-8")
        chromium = shutil.which("chromium") or "chromium-browser"
        subprocess.run(
            [
                chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--force-device-scale-factor=1.5", f"--window-size={PHONE},{TALL}",
                f"--screenshot={PICTURE}", (folder / "chat.html").as_uri(),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
