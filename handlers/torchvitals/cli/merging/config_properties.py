"""TorchServe's config.properties: the settings without which none of our metrics is seen."""

from __future__ import annotations

import re

from .ours import Wishes
from .text import Document, Insertion, Merged, MergeError

# A key ends at the first of these that no backslash precedes.
PAIR = re.compile(r"\s*((?:\\.|[^\s=:\\])*)\s*[=:]?\s*(.*)", re.DOTALL)
PROMETHEUS = "metrics_mode"
CONFIG = "metrics_config"


def merge(document: Document, wishes: Wishes) -> Merged:
    """Add the settings that are missing. One that says something else stays, and is named."""
    if document.text.rstrip("\r\n").endswith("\\"):
        raise MergeError("its last line goes on after its end; remove the backslash")
    theirs = settings(document.text)
    wanted = {PROMETHEUS: "prometheus", CONFIG: wishes.metrics_config}
    missing = {key: value for key, value in wanted.items() if key not in theirs}
    left, notes = [], []
    if theirs.get(PROMETHEUS, "prometheus").lower() != "prometheus":
        left.append(
            f"{PROMETHEUS}={theirs[PROMETHEUS]}: TorchServe shows no metrics; set {PROMETHEUS}=prometheus"
        )
    if theirs.get("enable_metrics_api", "true").lower() == "false":
        left.append("enable_metrics_api=false: the metrics port is closed; set enable_metrics_api=true")
    if theirs.get(CONFIG, wishes.metrics_config) != wishes.metrics_config:
        notes.append(f"{CONFIG}={theirs[CONFIG]}: merge our metrics into that file")
    if not missing:
        return Merged(document, document.text, tuple(left), tuple(notes))
    lines = "\n".join(["# TorchVitals", *(f"{key}={value}" for key, value in missing.items())])
    text = document.text
    place = Insertion(0, lines + "\n") if not text else document.lines_after(len(text), lines)
    after = document.with_all([place])
    if settings(after) != {**theirs, **missing}:
        raise MergeError("its layout leaves no safe place for an addition")
    return Merged(document, after, tuple(left), tuple(notes))


def settings(text: str) -> dict[str, str]:
    """Return the settings of a .properties file; of one that stands twice, the last, as Java does."""
    lines = re.sub(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*", r"\1", text).splitlines()
    pairs = (PAIR.fullmatch(line) for line in lines if line.strip() and line.strip()[0] not in "#!")
    return {pair[1]: pair[2].strip() for pair in pairs if pair}
