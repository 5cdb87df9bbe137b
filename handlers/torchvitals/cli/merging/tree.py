"""YAML with the place of everything in its text.

PyYAML's own nodes lose where an alias stands and whether a value was written at all, so the tree is made of its events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Union

import yaml

from .text import MergeError

# The one of C takes a tenth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Scalar:
    """A single value. empty: none is written."""

    value: str
    start: yaml.Mark
    end: yaml.Mark
    empty: bool


@dataclass(frozen=True)
class Alias:
    """A reference to a value that has an anchor elsewhere."""

    start: yaml.Mark
    end: yaml.Mark


@dataclass
class Sequence:
    """A list. flow: written with brackets. first_dash, first_column: where a block's first dash is."""

    start: yaml.Mark
    end: yaml.Mark
    flow: bool
    items: list[Node]
    first_dash: int = 0
    first_column: int = 0


@dataclass
class Mapping:
    """Keys with their values, in order. flow: written with braces."""

    start: yaml.Mark
    end: yaml.Mark
    flow: bool
    items: list[tuple[Node, Node]]

    @property
    def first_column(self) -> int:
        """Where a block's first key is."""
        return int(self.items[0][0].start.column)

    def get(self, key: str) -> Node | None:
        """Return a key's value, or None. Raises MergeError where the key stands twice."""
        found = [
            (name, value) for name, value in self.items if isinstance(name, Scalar) and name.value == key
        ]
        if len(found) > 1:
            raise MergeError(f"line {found[1][0].start.line + 1}: key '{key}' stands twice; keep one of them")
        return found[0][1] if found else None


Node = Union[Scalar, Alias, Sequence, Mapping]


def parsed(text: str) -> Node | None:
    """Return the tree of a text; None where it holds nothing. Raises MergeError."""
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        documents = list(_documents(events, text))
    except yaml.YAMLError as error:
        raise MergeError(f"not YAML: {' '.join(str(error).split())}") from error
    if len(documents) > 1:
        raise MergeError("more than one YAML document; split the file")
    return documents[0] if documents else None


def loaded(text: str) -> Any:
    """Return the data of a text. Raises MergeError."""
    try:
        return yaml.load(text, Loader=LOADER)  # noqa: S506 (a safe one)
    except (yaml.YAMLError, ValueError) as error:
        raise MergeError(f"not YAML: {' '.join(str(error).split())}") from error


def end_of(node: Node, *, inside: bool = False) -> int:
    """Return the place after a node's last character; PyYAML's end of a block lies before the next key.

    inside: of one in brackets, the place after its last item.
    """
    if isinstance(node, (Mapping, Sequence)) and node.items and (inside or not node.flow):
        last = node.items[-1]
        return max(end_of(part) for part in last) if isinstance(last, tuple) else end_of(last)
    return int(node.end.index)


def _documents(events: Iterator[yaml.Event], text: str) -> Iterator[Node]:
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            node = _node(next(events), events, text)
            if not (isinstance(node, Scalar) and node.empty):
                yield node


def _node(event: yaml.Event, events: Iterator[yaml.Event], text: str) -> Node:
    start, end = _mark(event.start_mark), _mark(event.end_mark)
    if isinstance(event, yaml.AliasEvent):
        return Alias(start, end)
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(event.value, start, end, empty=not event.value and event.style is None)
    flow = bool(getattr(event, "flow_style", False))
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_node(event, events, text))
        if flow or not items:
            return Sequence(start, _mark(event.end_mark), flow, items)
        dash = text.rfind("-", 0, items[0].start.index)
        return Sequence(start, _mark(event.end_mark), flow, items, dash, dash - text.rfind("\n", 0, dash) - 1)
    pairs = []
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        pairs.append((_node(event, events, text), _node(next(events), events, text)))
    return Mapping(start, _mark(event.end_mark), flow, pairs)


def _mark(mark: Any) -> yaml.Mark:
    if not isinstance(mark, yaml.Mark):
        raise TypeError("an event without a place")
    return mark
