"""TorchServe's log4j2.xml: loggers that keep it from writing a dozen lines a request."""

from __future__ import annotations

import re
import textwrap
import xml.parsers.expat
from dataclasses import dataclass, field
from typing import Any

from ..shipped import shipped
from .ours import Wishes
from .text import Document, Insertion, Merged, MergeError

# Those that write for each request or metric, and nothing that is read; as in our own log4j2.xml.
QUIET = re.compile(r"org\.pytorch\.serve\.wlm\.")
TAG = re.compile(r"""<[^\s/>]+(?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")
COMMENT = "<!-- TorchVitals -->"
MODEL_LOG = "MODEL_LOG"
RECEIVED = "Backend received inference at"


@dataclass
class Element:
    """An element with the places of its text. inside: after its start tag. end: before its end tag."""

    name: str
    attributes: dict[str, str]
    start: int
    inside: int = 0
    end: int = 0
    after: int = 0
    children: list[Element] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Tell whether there is no place inside."""
        return self.inside == self.after

    @property
    def facts(self) -> tuple[Any, ...]:
        """What it says, without where."""
        return self.name, tuple(self.attributes.items()), tuple(child.facts for child in self.children)

    def is_short(self, text: str) -> bool:
        """Tell whether it is one tag alone."""
        return text[: self.inside].endswith("/>")

    def child(self, name: str) -> Element | None:
        """Return the first child of a name, or None."""
        return next((child for child in self.children if child.name == name), None)


def merge(document: Document, wishes: Wishes) -> Merged:
    """Add the loggers that are missing. One of the same name that writes more stays, and is named."""
    text = document.text
    root = elements(text)
    loggers = root.child("Loggers")
    if root.name != "Configuration" or loggers is None or loggers.empty:
        raise MergeError("it has no <Loggers> in its <Configuration>; start from ours (torchvitals export)")
    theirs = {logger.attributes.get("name", ""): logger for logger in loggers.children}
    left = [*_endless(root)]
    insertions, added = [], []
    for name, (own, source) in _own_loggers().items():
        if name not in theirs:
            loggers.children.append(own)
            added.append(source)
        elif _loud(theirs[name]):
            level = theirs[name].attributes.get("level", "")
            left.append(
                f"logger {name} has level '{level}'; give it that of our log4j2.xml: {' '.join(source.split())}"
            )
    model_log = theirs.get(MODEL_LOG)
    if (
        model_log is not None
        and not model_log.empty
        and RECEIVED not in text[model_log.start : model_log.after]
    ):
        own, source = _received()
        model_log.children.insert(0, own)
        lines = document.newline + _indented(source, _inner(text, model_log), document.newline)
        insertions.append(Insertion(model_log.inside, lines))
    if added:
        lines = _indented("\n".join([COMMENT, *added]), _inner(text, loggers), document.newline)
        alone = not text[text.rfind("\n", 0, loggers.end) + 1 : loggers.end].strip()
        place = text.rfind("\n", 0, loggers.end) + 1 if alone else loggers.end
        edges = ("", document.newline) if alone else (document.newline, document.newline)
        insertions.append(Insertion(place, edges[0] + lines + edges[1]))
    after = document.with_all(insertions)
    if elements(after).facts != root.facts:
        raise MergeError("its layout leaves no safe place for an addition")
    return Merged(document, after, tuple(left))


def elements(text: str) -> Element:
    """Return the tree of an XML file. Raises MergeError."""
    content = text.encode("utf-8")
    parser = xml.parsers.expat.ParserCreate("utf-8")
    open_ones = [Element("", {}, 0)]

    def place() -> int:
        return len(content[: parser.CurrentByteIndex].decode("utf-8"))

    def start(name: str, attributes: dict[str, str]) -> None:
        begin = place()
        tag = TAG.match(text, begin)
        inside = tag.end() if tag else begin
        element = Element(name, attributes, begin, inside, inside, inside)
        open_ones[-1].children.append(element)
        open_ones.append(element)

    def end(name: str) -> None:
        element = open_ones.pop()
        if not element.is_short(text):
            element.end = place()
            element.after = text.index(">", element.end) + 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(content, True)
    except xml.parsers.expat.ExpatError as error:
        raise MergeError(f"not XML: {error}") from error
    return open_ones[0].children[0]


def _own_loggers() -> dict[str, tuple[Element, str]]:
    """Return our loggers that write less, by name, each with its text."""
    text = shipped("log4j2.xml").read_text(encoding="utf-8")
    loggers = elements(text).child("Loggers")
    found = loggers.children if loggers else []
    return {
        logger.attributes["name"]: (logger, _dedented(text, logger))
        for logger in found
        if QUIET.match(logger.attributes.get("name", ""))
    }


def _received() -> tuple[Element, str]:
    """Return our filter of a line that each request writes, with its text."""
    text = shipped("log4j2.xml").read_text(encoding="utf-8")
    loggers = elements(text).child("Loggers")
    found = [
        (below, _dedented(text, below))
        for logger in (loggers.children if loggers else [])
        for below in logger.children
        if below.attributes.get("regex", "").startswith(RECEIVED)
    ]
    return found[0]


def _loud(logger: Element) -> bool:
    level = logger.attributes.get("level", "").lower()
    return level in ("all", "trace", "debug") or (level == "info" and logger.child("RegexFilter") is None)


def _endless(root: Element) -> list[str]:
    """Return a line for each file that grows for ever."""
    appenders = root.child("Appenders")
    return [
        f"appender {appender.attributes.get('name', '')} writes a file that grows for ever; "
        "make it a <RollingFile> with <SizeBasedTriggeringPolicy> and <DefaultRolloverStrategy>"
        for appender in (appenders.children if appenders else [])
        if appender.name in ("File", "RandomAccessFile")
        or (appender.name.startswith("Rolling") and appender.child("Policies") is None)
    ]


def _dedented(text: str, element: Element) -> str:
    begin = text.rfind("\n", 0, element.start) + 1
    return textwrap.dedent(text[begin : element.after]).strip()


def _inner(text: str, element: Element) -> str:
    """Return the indentation of what is in an element."""
    for child in element.children:
        prefix = text[text.rfind("\n", 0, child.start) + 1 : child.start]
        if not prefix.strip() and child.start != child.after:
            return prefix
    prefix = text[text.rfind("\n", 0, element.start) + 1 : element.start]
    return "  " if prefix.strip() else prefix + ("\t" if "\t" in prefix else "  ")


def _indented(lines: str, indent: str, newline: str) -> str:
    return newline.join(indent + line for line in lines.splitlines())
