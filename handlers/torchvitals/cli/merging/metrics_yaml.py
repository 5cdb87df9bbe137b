"""TorchServe's metrics_config: the metrics that its front end lets through."""

from __future__ import annotations

from typing import Any

from .edit import Editor
from .ours import READ, Wishes, metrics, rules_texts
from .style import Row
from .text import Document, Merged, MergeError
from .tree import Mapping

SECTIONS = ("ts_metrics", "model_metrics")
TYPES = ("counter", "gauge", "histogram")


def merge(document: Document, wishes: Wishes) -> Merged:
    """Add the metrics that are missing. One of the same name that differs stays, and is named."""
    editor = Editor(document)
    root = editor.mapping()
    own = metrics()
    theirs = {
        section: {kind: _named(editor.expected, section, kind) for kind in TYPES} for section in SECTIONS
    }
    left: list[str] = []
    if root is None or root.get("dimensions") is None:
        editor.add_key(root, editor.expected, "dimensions", own["dimensions"])
    read = set(READ.findall("".join(rules_texts().values())))
    for section in SECTIONS:
        missing: dict[str, list[Row]] = {}
        for kind, entries in own[section].items():
            for entry in entries:
                if not entry["name"].startswith("model_") and entry["name"] not in read:
                    continue
                found = _find(theirs, entry["name"])
                if found is None:
                    missing.setdefault(kind, []).append(Row(entry))
                elif found != (section, kind, entry["dimensions"]):
                    left.append(_differs(entry["name"], found, (section, kind, entry["dimensions"])))
        _add(editor, root, section, missing)
    return Merged(document, editor.done(), tuple(left))


def _add(editor: Editor, root: Mapping | None, section: str, missing: dict[str, list[Row]]) -> None:
    if not missing:
        return
    below = editor.below(root, section)
    if below is None:
        editor.add_key(root, editor.expected, section, missing)
        return
    for kind, rows in missing.items():
        editor.add_items(below, editor.expected[section], kind, rows)


Place = tuple[str, str, list[str]]


def _find(theirs: dict[str, dict[str, dict[str, list[str]]]], name: str) -> Place | None:
    for section, kinds in theirs.items():
        for kind, entries in kinds.items():
            if name in entries:
                return section, kind, entries[name]
    return None


def _named(data: Any, section: str, kind: str) -> dict[str, list[str]]:
    """Return the dimensions of the metrics of a section by name."""
    entries = ((data.get(section) or {}).get(kind) or []) if isinstance(data, dict) else []
    try:
        return {entry["name"]: list(entry.get("dimensions") or []) for entry in entries}
    except (TypeError, KeyError, AttributeError) as error:
        raise MergeError(f"'{section}: {kind}' is no list of metrics, each with a name") from error


def _differs(name: str, found: Place, wanted: Place) -> str:
    (section, kind, dimensions), (our_section, our_kind, our_dimensions) = found, wanted
    if (section, kind) != (our_section, our_kind):
        return f"metric {name} is in '{section}: {kind}'; TorchVitals needs it in '{our_section}: {our_kind}'"
    return f"metric {name} has the dimensions {dimensions}; TorchVitals needs {our_dimensions}"
