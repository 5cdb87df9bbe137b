"""Alertmanager's configuration: a route of ours before all others, our inhibitions, and our texts."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

from .edit import Editor
from .ours import Wishes, alertmanager_yml, causes
from .text import Document, Merged, MergeError

HEARTBEAT = "torchvitals-heartbeat"
TEMPLATES = "alertmanager/templates/*.tmpl"


def merge(document: Document, wishes: Wishes) -> Merged:
    """Add what is missing. People hear of our alerts from the receivers that are there."""
    editor = Editor(document)
    root = editor.mapping()
    data = editor.expected
    if root is None:
        raise MergeError("it has no route and no receiver; start from ours (torchvitals export)")
    route = editor.below(root, "route")
    if route is None:
        raise MergeError("it has no 'route'; add one with the receiver that people look at")
    receivers = {str(one.get("name")): one for one in data.get("receivers") or []}
    notes: list[str] = []
    if not _has_ours(data["route"]):
        warning = wishes.receiver or str(data["route"].get("receiver"))
        critical = wishes.critical or warning
        for name in (warning, critical):
            _check(name, receivers)
        editor.add_items(route, data["route"], "routes", [_route(warning, critical)], first=True)
        if HEARTBEAT not in receivers:
            editor.add_items(root, data, "receivers", [{"name": HEARTBEAT}])
        editor.add_items(root, data, "inhibit_rules", _inhibitions())
    patterns = [str(pattern) for pattern in data.get("templates") or []]
    wanted = f"{wishes.folder}/{TEMPLATES}"
    if not any(_ours(pattern, wanted, document) for pattern in patterns):
        editor.add_items(root, data, "templates", [wanted])
        notes.append(
            f"lay out our texts: torchvitals export {document.path.parent / wishes.folder} --part alertmanager"
        )
    return Merged(document, editor.done(), (), tuple(notes))


def _route(warning: str, critical: str) -> dict[str, Any]:
    """Return the route of our alerts; those of others go past it."""
    own = alertmanager_yml()["route"]
    waits = {key: own[key] for key in ("group_by", "group_wait", "group_interval", "repeat_interval")}
    urgent = next(one for one in own["routes"] if one.get("matchers") == ["severity = critical"])
    beat = next(one for one in own["routes"] if one.get("matchers") == ["severity = none"])
    return {
        "matchers": [_matcher()],
        "receiver": warning,
        **waits,
        "routes": [
            {**beat, "receiver": HEARTBEAT},
            {
                "matchers": ["severity = critical"],
                "receiver": critical,
                "group_wait": urgent["group_wait"],
                "repeat_interval": urgent["repeat_interval"],
            },
        ],
    }


def _matcher() -> str:
    return f'cause =~ "{"|".join(causes())}"'


def _inhibitions() -> list[dict[str, Any]]:
    """Return our inhibitions, each kept to our alerts."""
    own = alertmanager_yml()
    return [
        {**rule, "target_matchers": [*rule["target_matchers"], _matcher()]} for rule in own["inhibit_rules"]
    ]


def _has_ours(route: dict[str, Any]) -> bool:
    """Tell whether something in a route knows the label that our alerts carry."""
    said = [
        *(str(matcher) for matcher in route.get("matchers") or []),
        *(str(key) for old in ("match", "match_re") for key in route.get(old) or {}),
    ]
    return (
        "cause" in (route.get("group_by") or [])
        or any(text.lstrip().startswith("cause") for text in said)
        or any(_has_ours(child) for child in route.get("routes") or [])
    )


def _check(name: str, receivers: dict[str, Any]) -> None:
    if name not in receivers:
        known = ", ".join(receivers) or "none"
        raise MergeError(f"there is no receiver '{name}' (there are: {known}); name one with --receiver")
    if not any(key.endswith("_configs") and value for key, value in receivers[name].items()):
        raise MergeError(f"receiver '{name}' reaches nobody; name one that does with --receiver")


def _ours(pattern: str, wanted: str, document: Document) -> bool:
    if fnmatch(wanted, pattern) or pattern in (wanted, str(document.path.parent / wanted)):
        return True
    whole = document.path.parent / pattern
    return any(
        'define "torchvitals.title"' in path.read_text(encoding="utf-8", errors="replace")
        for path in whole.parent.glob(whole.name)
        if path.is_file()
    )
