"""Prometheus's configuration: our rules, a job that scrapes TorchServe, and an Alertmanager."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from .edit import Editor
from .ours import RULE_FILES, Wishes
from .text import Document, Merged
from .tree import Mapping

GROUPS = {"rules.yml": "name: torchvitals-rules", "alerts.yml": "name: torchvitals-alerts"}


def merge(document: Document, wishes: Wishes) -> Merged:
    """Add what is missing: rule_files, a scrape job unless one scrapes the same target, alerting."""
    editor = Editor(document)
    root = editor.mapping()
    data = editor.expected
    left: list[str] = []
    notes: list[str] = []
    patterns = [str(pattern) for pattern in data.get("rule_files") or []]
    missing = [name for name in RULE_FILES if not _loads(patterns, name, document.path.parent, wishes)]
    if missing:
        editor.add_items(root, data, "rule_files", [_rule_file(name, wishes) for name in missing])
        notes.append(
            f"lay out the rules: torchvitals export {document.path.parent / wishes.folder} --part prometheus"
        )
    job = _job(data, wishes)
    if job is None:
        editor.add_items(root, data, "scrape_configs", [_scrape_job(wishes)])
    elif job != wishes.job:
        left.append(
            f"job '{job}' scrapes {wishes.target}, and the rules ask for '{wishes.job}'; "
            f"generate them for it: torchvitals rules generate --job {job}"
        )
    _alerting(editor, root, data, wishes)
    return Merged(document, editor.done(), tuple(left), tuple(notes))


def _scrape_job(wishes: Wishes) -> dict[str, Any]:
    return {"job_name": wishes.job, "static_configs": [{"targets": [wishes.target]}]}


def _alerting(editor: Editor, root: Mapping | None, data: dict[str, Any], wishes: Wishes) -> None:
    manager = {"static_configs": [{"targets": [wishes.alertmanager]}]}
    if (data.get("alerting") or {}).get("alertmanagers"):
        return
    below = editor.below(root, "alerting")
    if below is None:
        editor.add_key(root, data, "alerting", {"alertmanagers": [manager]})
    else:
        editor.add_items(below, data["alerting"], "alertmanagers", [manager])


def _rule_file(name: str, wishes: Wishes) -> str:
    return f"{wishes.folder}/prometheus/{name}"


def _loads(patterns: list[str], name: str, folder: Path, wishes: Wishes) -> bool:
    """Tell whether a file of ours is among those that the patterns name."""
    wanted = _rule_file(name, wishes)
    if any(fnmatch(wanted, pattern) or fnmatch(str(folder / wanted), pattern) for pattern in patterns):
        return True
    found = (path for pattern in patterns for path in _files(folder, pattern))
    return any(GROUPS[name] in path.read_text(encoding="utf-8", errors="replace") for path in found)


def _files(folder: Path, pattern: str) -> list[Path]:
    whole = folder / pattern
    return [path for path in sorted(whole.parent.glob(whole.name)) if path.is_file()]


def _job(data: dict[str, Any], wishes: Wishes) -> str | None:
    """Return the job that scrapes TorchServe: the one of the rules' name, or one with the same target."""
    jobs = {
        str(job.get("job_name")): job for job in data.get("scrape_configs") or [] if isinstance(job, dict)
    }
    if wishes.job in jobs:
        return wishes.job
    same = (
        name
        for name, job in jobs.items()
        for static in job.get("static_configs") or []
        if _named(wishes.target) in [_named(str(target)) for target in static.get("targets") or []]
    )
    return next(same, None)


def _named(target: str) -> str:
    return target.replace("localhost:", "127.0.0.1:")
