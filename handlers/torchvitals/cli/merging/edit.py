"""Insertions into one YAML file."""

from __future__ import annotations

from typing import Any

from .style import Style, flow
from .text import Document, Insertion, MergeError
from .tree import Alias, Mapping, Scalar, Sequence, end_of, loaded, parsed

COMMENT = "# TorchVitals"


class Editor:
    """Adds to one YAML file, and says at the end whether exactly that was added.

    Raises MergeError where something cannot be added safely; the file is then left as it is.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.root = parsed(document.text)
        # What the file has to say in the end; nothing in it is shared, so an addition to one place is in one place.
        self.expected = _unshared(loaded(document.text)) or {}
        self.style = Style.of(self.root)
        self._insertions: list[Insertion] = []

    def mapping(self) -> Mapping | None:
        """Return the file's keys, or None where it holds nothing. Raises MergeError where it is something else."""
        root = self.root
        if root is None:
            return None
        if not isinstance(root, Mapping):
            raise MergeError("line 1: the file is no mapping of keys to values")
        if root.get("apiVersion") is not None and root.get("kind") is not None:
            raise MergeError("it is a Kubernetes object; merge into the configuration that it holds or makes")
        return root

    def add_key(self, mapping: Mapping | None, data: dict[str, Any], key: str, value: Any) -> None:
        """Add a key to a mapping; None: to a file that holds nothing. data: what is expected of the mapping."""
        data[key] = value
        if mapping is None:
            self._lines(len(self.document.text), 0, {key: value})
        elif mapping.flow:
            self._flow_item(mapping, flow({key: value})[1:-1])
        else:
            self._lines(end_of(mapping), mapping.first_column, {key: value})

    def add_items(
        self,
        mapping: Mapping | None,
        data: dict[str, Any],
        key: str,
        values: list[Any],
        *,
        first: bool = False,
    ) -> None:
        """Add values to the list of a key, which need not be there. first: before what is there."""
        found = mapping.get(key) if mapping is not None else None
        if mapping is None or found is None:
            self.add_key(mapping, data, key, values)
            return
        before = data[key] or []
        data[key] = [*values, *before] if first else [*before, *values]
        if isinstance(found, Scalar) and found.empty and not mapping.flow:
            self._lines(end_of(found), mapping.first_column + self.style.offset, values)
        elif not isinstance(found, Sequence):
            what = "refers to another list" if isinstance(found, Alias) else "is no list"
            raise MergeError(f"line {found.start.line + 1}: '{key}' {what}")
        elif found.flow:
            self._flow_item(found, flow(values)[1:-1], first=first)
        elif first:
            self._insertions.append(self._lines_first(found, values))
        else:
            self._lines(end_of(found), found.first_column, values)

    def below(self, mapping: Mapping | None, key: str) -> Mapping | None:
        """Return the mapping of a key; None where the key is not there. Raises MergeError where it is none."""
        found = mapping.get(key) if mapping is not None else None
        if found is not None and not isinstance(found, Mapping):
            raise MergeError(f"line {found.start.line + 1}: '{key}' is no mapping that can be added to")
        return found

    def done(self) -> str:
        """Return the new text. Raises MergeError where it says anything but what is expected."""
        text = self.document.with_all(self._insertions)
        if text == self.document.text:
            return text
        try:
            same = loaded(text) == self.expected
        except MergeError:
            same = False
        if not same:
            raise MergeError("its layout leaves no safe place for an addition")
        return text

    def _lines_first(self, node: Sequence, values: list[Any]) -> Insertion:
        text = self.document.text
        dash = node.first_dash
        if text[text.rfind("\n", 0, dash) + 1 : dash].strip():
            raise MergeError(f"line {node.start.line + 1}: the list begins on the line of something else")
        return self.document.lines_before(dash, self._block(node.first_column, values))

    def _lines(self, place: int, indent: int, value: Any) -> None:
        self._insertions.append(self.document.lines_after(place, self._block(indent, value), indent))

    def _block(self, indent: int, value: Any) -> str:
        return "".join(f"{' ' * indent}{line}\n" for line in [COMMENT, *self.style.block(value)])

    def _flow_item(self, node: Mapping | Sequence, text: str, *, first: bool = False) -> None:
        if not node.items:
            self._insertions.append(Insertion(node.end.index - 1, text))
        elif first:
            opening = self.document.text.index("[", node.start.index)
            self._insertions.append(Insertion(opening + 1, f"{text}, "))
        else:
            self._insertions.append(Insertion(end_of(node, inside=True), f", {text}"))


def _unshared(data: Any) -> Any:
    try:
        return _copy(data)
    except RecursionError as error:
        raise MergeError("it refers to itself") from error


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data
