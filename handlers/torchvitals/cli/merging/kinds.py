"""Which of the files that we add to a file is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import alertmanager_yml, config_properties, log4j2_xml, metrics_yaml, prometheus_yml
from .ours import Wishes
from .text import Document, Merged, MergeError


@dataclass(frozen=True)
class Kind:
    """name: as the file is called. content: what the text of such a file has. merge: what adds to it."""

    name: str
    title: re.Pattern[str]
    content: re.Pattern[str]
    merge: Callable[[Document, Wishes], Merged]


KINDS = (
    Kind(
        "metrics.yaml",
        re.compile(r".*metrics.*\.ya?ml"),
        re.compile(r"\b(ts_metrics|model_metrics)\b"),
        metrics_yaml.merge,
    ),
    Kind(
        "config.properties",
        re.compile(r".*\.properties"),
        re.compile(r"^\s*(inference_address|model_store|load_models|metrics_mode)\s*[=:]", re.MULTILINE),
        config_properties.merge,
    ),
    Kind(
        "prometheus.yml",
        re.compile(r".*prometheus.*\.ya?ml"),
        re.compile(r"\b(scrape_configs|rule_files)\b"),
        prometheus_yml.merge,
    ),
    Kind(
        "alertmanager.yml",
        re.compile(r".*alertmanager.*\.ya?ml"),
        re.compile(r"\b(receivers|inhibit_rules)\b"),
        alertmanager_yml.merge,
    ),
    Kind(
        "log4j2.xml",
        re.compile(r".*log4j2?.*\.xml"),
        re.compile(r"<Configuration\b"),
        log4j2_xml.merge,
    ),
)


def kind_of(path: Path, text: str) -> Kind:
    """Return what a file is, by its name or else by its content. Raises MergeError."""
    for kind in KINDS:
        if kind.title.fullmatch(path.name):
            return kind
    for kind in KINDS:
        if kind.content.search(text):
            return kind
    raise MergeError(f"it is none of {', '.join(kind.name for kind in KINDS)}")


def files_in(folder: Path) -> list[Path]:
    """Return the files of these names in a folder."""
    return [folder / kind.name for kind in KINDS if (folder / kind.name).is_file()]


def merged(path: Path, wishes: Wishes) -> Merged:
    """Return what a file becomes. Raises MergeError where it is to be left alone."""
    document = Document.read(path)
    return kind_of(path, document.text).merge(document, wishes)
