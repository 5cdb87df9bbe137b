"""Takes what Alertmanager sends, keeps it, and shows it on a small page.

``python -m stack.receiver --port 9099 --file notifications.jsonl``. For development and the demo: in production your
pager's or chat's receiver takes its place.

POST /alerts             Alertmanager's webhook
GET  /                   the page, newest first
GET  /api/notifications  all alerts that arrived, oldest first, as JSON; GET /alerts is the same
GET  /health
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import deque
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any, BinaryIO

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

LARGEST_BODY_BYTES = 1_000_000
KEPT = 10_000
SHOWN = 200

STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1c2430; --soft: #5b6675; --line: #dde2e8;
  --firing: #b3261e; --resolved: #1b6e3c; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --back: #12161c; --card: #1b2129; --text: #e6eaf0; --soft: #9aa6b5;
  --line: #2e3743; --firing: #ff8a80; --resolved: #7bd69a; --link: #8ab4f8; } }
body { margin: 0 auto; padding: 2rem 1rem; max-width: 60rem; font: 1rem/1.5 system-ui, sans-serif;
  background: var(--back); color: var(--text); }
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 0 0 .25rem; }
p { margin: .25rem 0; overflow-wrap: anywhere; }
a { color: var(--link); }
.soft { color: var(--soft); font-size: .9rem; }
article { background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--soft);
  border-radius: .4rem; padding: .8rem 1rem; margin: 1rem 0; }
article.firing { border-left-color: var(--firing); }
article.resolved { border-left-color: var(--resolved); }
.status { font-weight: 600; }
.firing .status { color: var(--firing); }
.resolved .status { color: var(--resolved); }
"""


class NotificationError(ValueError):
    """A body that is not one of Alertmanager's notifications; the message says why."""


class Notifications:
    """What arrived, in memory and, where a file is given, there: one alert a line."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.alerts: deque[dict[str, Any]] = deque(maxlen=KEPT)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            alerts, others = _read(file)
            self.alerts.extend(alerts)
            if others:
                sys.stderr.write(
                    f"receiver: {others} of the lines in {file} are no alerts, and are left out\n"
                )

    def add(self, alerts: list[dict[str, Any]]) -> None:
        """Keep alerts, with the time that they arrived; raise OSError when the file cannot be written."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        received = [{**alert, "receivedAt": now} for alert in alerts]
        if self._file is not None:
            lines = "".join(json.dumps(alert) + "\n" for alert in received)
            with self._file.open("a+b") as file:
                if _is_torn(file):
                    file.write(b"\n")
                file.write(lines.encode())
        self.alerts.extend(received)


def read(file: Path) -> list[dict[str, Any]]:
    """Return the alerts of a file, oldest first; none where there is no file yet.

    A last line without its end is still being written, or was torn by a kill or a full disk; such a line, and any other
    that is no alert, is left out.
    """
    return _read(file)[0]


def _read(file: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the alerts of a file, and how many whole lines are none."""
    if not file.exists():
        return [], 0
    alerts, others = [], 0
    for line in file.read_bytes().split(b"\n")[:-1]:
        try:
            alert = json.loads(line)
            check(alert, "the line")
            if not isinstance(alert.get("receivedAt"), str):
                raise NotificationError("the line has no time")
            alerts.append(alert)
        except (ValueError, RecursionError):
            others += 1
    return alerts, others


def _is_torn(file: BinaryIO) -> bool:
    """Tell whether a file that is open for appending ends within a line."""
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def check(alert: Any, what: str) -> None:
    """Raise NotificationError where something is not one of Alertmanager's alerts."""
    if not isinstance(alert, dict):
        raise NotificationError(f"{what} is not an object")
    if alert.get("status") not in ("firing", "resolved"):
        raise NotificationError(f"{what}.status is neither 'firing' nor 'resolved'")
    for key in ("labels", "annotations"):
        texts = alert.get(key, {})
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise NotificationError(f"{what}.{key} is not an object of texts")
    if not alert.get("labels", {}).get("alertname"):
        raise NotificationError(f"{what} has no label 'alertname'")


def parse(body: bytes) -> list[dict[str, Any]]:
    """Return the alerts of a webhook's body (version 4); raise NotificationError."""
    try:
        notification = json.loads(body)
    except ValueError as error:
        raise NotificationError(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise NotificationError("the body is nested too deeply") from error
    alerts = notification.get("alerts") if isinstance(notification, dict) else None
    if not isinstance(alerts, list):
        raise NotificationError("the body has no list 'alerts'; send Alertmanager's webhook, version 4")
    for index, alert in enumerate(alerts):
        check(alert, f"alerts[{index}]")
    return alerts


async def limited_body(request: Request) -> bytes | None:
    """Return the body, or None when it is larger than is taken; the rest of a larger one is not read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            return None
    return bytes(body)


async def take(request: Request) -> Response:
    """POST /alerts."""
    try:
        body = await limited_body(request)
    except ClientDisconnect:
        return _error(400, "the connection ended before the body did")
    if body is None:
        return _error(413, f"the body is larger than {LARGEST_BODY_BYTES} bytes")
    try:
        alerts = parse(body)
    except NotificationError as error:
        return _error(400, str(error))
    try:
        request.app.state.notifications.add(alerts)
    except OSError as error:
        # Alertmanager tries again on a 5xx.
        return _error(500, f"the notification cannot be kept: {error}")
    return JSONResponse({"received": len(alerts)})


async def listing(request: Request) -> Response:
    """GET /api/notifications."""
    # In ASCII: half of a pair of surrogates, which JSON may hold, is no UTF-8.
    content = json.dumps(list(request.app.state.notifications.alerts))
    return Response(content, media_type="application/json")


async def health(request: Request) -> Response:
    """GET /health."""
    return JSONResponse({"status": "ok", "received": len(request.app.state.notifications.alerts)})


async def page(request: Request) -> Response:
    """GET /."""
    alerts = list(request.app.state.notifications.alerts)
    return HTMLResponse(
        html(alerts, grafana_url=request.app.state.grafana_url).encode("utf-8", "replace"),
        headers={
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "X-Content-Type-Options": "nosniff",
        },
    )


def html(alerts: list[dict[str, Any]], *, grafana_url: str = "") -> str:
    """Return the page, newest first; grafana_url: where the dashboards are that alerts name, if anywhere."""
    shown = alerts[::-1][:SHOWN]
    count = f"{len(alerts)} received" + (f", the last {SHOWN} shown" if len(alerts) > SHOWN else "")
    body = "\n".join(_article(alert, grafana_url) for alert in shown) or "<p>Nothing has arrived yet.</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>Notifications</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Notifications</h1>
<p class="soft">{count}. This page renews itself every 5 seconds.</p>
{body}
</body>
</html>
"""


def _article(alert: dict[str, Any], grafana_url: str) -> str:
    labels, annotations = alert["labels"], alert.get("annotations", {})
    dashboard = annotations.get("dashboard", "")
    others = ", ".join(
        f"{name}={value}" for name, value in sorted(labels.items()) if name not in ("alertname", "severity")
    )
    links = " · ".join(
        f'<a href="{escape(address)}" rel="noreferrer">{text}</a>'
        for text, address in (
            ("What to do", annotations.get("runbook_url", "")),
            ("Dashboard", grafana_url + dashboard if grafana_url and dashboard.startswith("/d/") else ""),
            ("The query in Prometheus", alert.get("generatorURL", "")),
        )
        if isinstance(address, str) and address.startswith(("http://", "https://"))
    )
    severity = labels.get("severity")
    heading = f"{escape(labels['alertname'])}{f' ({escape(severity)})' if severity else ''}"
    texts = [annotations[key] for key in ("summary", "description") if annotations.get(key)]
    paragraphs = "\n".join(f"<p>{escape(text)}</p>" for text in texts)
    return f"""<article class="{escape(alert["status"])}">
<h2><span class="status">{escape(alert["status"])}</span> {heading}</h2>
{paragraphs}
<p class="soft">{escape(others)}</p>
<p class="soft">Arrived {escape(alert["receivedAt"])}, began {escape(str(alert.get("startsAt") or "?"))}. {links}</p>
</article>"""


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)


def application(file: Path | None, *, grafana_url: str = "") -> Starlette:
    """Return the receiver; alerts in the file are shown too, with links to their dashboards at ``grafana_url``."""
    app = Starlette(
        routes=[
            Route("/", page),
            Route("/alerts", take, methods=["POST"]),
            Route("/alerts", listing),
            Route("/api/notifications", listing),
            Route("/health", health),
        ]
    )
    app.state.notifications = Notifications(file)
    app.state.grafana_url = grafana_url.rstrip("/")
    return app


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m stack.receiver", description="Notification receiver.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9099, help="port to listen on (default: %(default)s)")
    parser.add_argument("--file", type=Path, help="keep what arrives in this file too, one alert a line")
    parser.add_argument(
        "--grafana-url",
        default=os.environ.get("GRAFANA_URL", ""),
        help="link to dashboards there (default: $GRAFANA_URL, else no links)",
    )
    options = parser.parse_args(arguments)
    try:
        app = application(options.file, grafana_url=options.grafana_url)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"receiver: {options.file} cannot be used: {error}\n")
        return 1
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
