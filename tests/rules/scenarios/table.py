"""The table of docs/runbooks.md: which alerts tell of each scenario, and after how many minutes someone is notified."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from stack.documents import filled
from stack.promtool import shipped_groups

from .catalogue import Scenario
from .told import BATCHES, Told, told

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "runbooks.md"


def document(text: str) -> str:
    """Return the runbooks with the table as it is now."""
    return filled(text, "scenarios", table())


def table() -> str:
    """Return the table, in Markdown."""
    lines = [
        "Each scenario is played to the rules by promtool, with every series that a server and its models",
        "export. Minutes are from its onset to the first notification, `group_wait` of Alertmanager's route",
        "included; in brackets, the severity. What is not named stays silent. A warning that a critical",
        "alert of its cause holds back is left out.",
        "",
        "| what happens | who is told, after how many minutes |",
        "|---|---|",
    ]
    for batch in BATCHES:
        of = told(batch)
        lines += [f"| {one.name} | {_cell(one, of[one.name])} |" for one in batch.scenarios]
    return "\n".join(lines) + "\n"


def _cell(scenario: Scenario, alerts: dict[str, Told]) -> str:
    severity = {
        rule["alert"]: (rule["labels"]["severity"], rule["labels"]["cause"])
        for group in shipped_groups()
        for rule in group["rules"]
        if "alert" in rule
    }
    woken = {severity[alert][1] for alert in alerts if severity[alert][0] == "critical"}
    shown = [
        (one.minutes + _wait(severity[alert][0]), alert)
        for alert, one in alerts.items()
        if severity[alert][0] == "critical" or severity[alert][1] not in woken
    ]
    return (
        ", ".join(f"{alert} ({severity[alert][0]}) {max(minutes, 0):.4g}" for minutes, alert in sorted(shown))
        or "nobody"
    )


def _wait(severity: str) -> float:
    """Return the minutes that Alertmanager's route for a severity waits for more of the same."""
    route: dict[str, Any] = yaml.safe_load((ROOT / "alertmanager" / "alertmanager.yml").read_text())["route"]
    of = [one for one in route["routes"] if f"severity = {severity}" in one.get("matchers", [])]
    waits = str((of[0] if of else {}).get("group_wait", route["group_wait"]))
    number, unit = re.fullmatch(r"(\d+)([sm])", waits).groups()  # type: ignore[union-attr]
    return float(number) / (60 if unit == "s" else 1)
