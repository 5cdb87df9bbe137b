"""A user's file as text: read and written byte for byte, and changed by insertions alone."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import TorchVitalsError

MARK = codecs.BOM_UTF8


class MergeError(TorchVitalsError):
    """A file cannot be changed safely; the message says where and why."""


@dataclass(frozen=True)
class Insertion:
    """What comes between two characters of a text. depth: of its lines, in spaces."""

    place: int
    text: str
    depth: int = 0


@dataclass(frozen=True)
class Document:
    """What a file holds, without a byte order mark. newline: how most of its lines end."""

    path: Path
    text: str
    newline: str
    marked: bool = False

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file. Raises MergeError where it is not UTF-8."""
        content = path.read_bytes()
        marked = content.startswith(MARK)
        try:
            text = content[len(MARK) if marked else 0 :].decode("utf-8")
        except UnicodeDecodeError as error:
            raise MergeError(f"byte {error.start} is not UTF-8; convert the file to UTF-8") from error
        windows = text.count("\r\n")
        return cls(path, text, "\r\n" if windows * 2 > text.count("\n") else "\n", marked)

    def written(self, text: str) -> bytes:
        """Return the bytes of the file with another text."""
        return (MARK if self.marked else b"") + text.encode("utf-8")

    def lines_after(self, place: int, lines: str, depth: int = 0) -> Insertion:
        """Return how lines come after the one that holds the character before `place`.

        A file without a last line break gets none.
        """
        lines = lines.rstrip("\n").replace("\n", self.newline)
        if place == 0 or self.text[place - 1] == "\n":
            return Insertion(place, lines + self.newline, depth)
        end = self.text.find("\n", place)
        if end < 0:
            return Insertion(len(self.text), self.newline + lines, depth)
        end -= self.text[end - 1] == "\r"
        return Insertion(end, self.newline + lines, depth)

    def lines_before(self, place: int, lines: str) -> Insertion:
        """Return how lines come before the one that holds the character at `place`."""
        return Insertion(self.text.rfind("\n", 0, place) + 1, lines.replace("\n", self.newline))

    def with_all(self, insertions: Iterable[Insertion]) -> str:
        """Return the text with all insertions; of those at one place, the deepest comes first: it ends a block."""
        parts, end = [], 0
        for insertion in sorted(insertions, key=lambda one: (one.place, -one.depth)):
            parts += [self.text[end : insertion.place], insertion.text]
            end = insertion.place
        return "".join([*parts, self.text[end:]])


@dataclass(frozen=True)
class Merged:
    """What became of a file.

    after: the whole text, the file's own where nothing is missing. left: what a person has to do, a line each.
    notes: what else to know, a line each.
    """

    document: Document
    after: str
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Tell whether anything is added."""
        return self.after != self.document.text
