"""How additions are written: data as lines of YAML, in the style of the file that they come into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

import yaml

from .tree import Mapping, Node, Sequence

# No line is broken.
WIDTH = 100_000


@dataclass(frozen=True)
class Style:
    """step: spaces from a key to the keys below it. offset: spaces from a key to the dashes below it."""

    step: int = 2
    offset: int = 2

    @classmethod
    def of(cls, root: Node | None) -> Style:
        """Return the style that most of a file has."""
        pairs = list(_blocks(root)) if root is not None else []
        steps = [column for kind, column in pairs if kind is Mapping]
        offsets = [column for kind, column in pairs if kind is Sequence]
        return cls(_most(steps, 2), _most(offsets, 2))

    def block(self, value: Any, *, top: bool = True) -> list[str]:
        """Return the lines of a mapping or a list; lists of single values below it stand on one line."""
        if isinstance(value, dict):
            return [line for key, below in value.items() for line in self._pair(key, below, top=top)]
        lines = []
        for item in value:
            whole = isinstance(item, Row) or not isinstance(item, dict)
            first, *others = [flow(item)] if whole else self.block(item, top=False)
            lines += [f"- {first}", *(f"  {line}" for line in others)]
        return lines

    def _pair(self, key: str, value: Any, *, top: bool) -> list[str]:
        many = isinstance(value, list) and (top or any(isinstance(item, dict) for item in value))
        if not value or not (many or isinstance(value, dict)):
            return [f"{key}: {flow(value)}"]
        indent = " " * (self.offset if many else self.step)
        return [f"{key}:", *(indent + line for line in self.block(value, top=False))]


class Row(dict[str, Any]):
    """A mapping that stands on one line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(Row, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data))


def flow(value: Any) -> str:
    """Return a value on one line."""
    text: str = yaml.dump([value], Dumper=_Dumper, sort_keys=False, default_flow_style=True, width=WIDTH)
    return text.strip()[1:-1]


def _most(columns: list[int], default: int) -> int:
    return max(set(columns), key=columns.count) if columns else default


def _blocks(node: Node) -> Iterator[tuple[Optional[type], int]]:
    """Yield how far each block stands inside its key."""
    pairs = node.items if isinstance(node, Mapping) else []
    for key, value in pairs:
        if isinstance(value, (Mapping, Sequence)) and not value.flow and value.items:
            yield type(value), value.first_column - key.start.column
    below = [value for _, value in pairs] if isinstance(node, Mapping) else getattr(node, "items", [])
    for value in below:
        yield from _blocks(value)
