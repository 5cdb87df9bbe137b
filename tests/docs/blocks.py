"""The code that our documents show: every fenced block of README, of the pages and of the example's README."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "models").glob("*.md")),
    ROOT / "examples" / "flight_delay" / "README.md",
]


@dataclass(frozen=True)
class Block:
    """One fenced block. page: its file's path in the repository. line: of the fence, from 1."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command of a shell block; comments are left out, and lines that go on are one."""
        commands, text = [], ""
        for line in self.text.replace("\\\n", " ").splitlines():
            text += f"{line}\n"
            try:
                words = shlex.split(text, comments=True)
            except ValueError:
                continue  # what stands in quotes goes on in the next line
            text = ""
            if words:
                commands.append(words)
        assert not text, f"{self.place}: a quote is not closed"
        return commands


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of these languages, in the order of the documents."""
    found = []
    for document in DOCUMENTS:
        page = str(document.relative_to(ROOT))
        for token in MarkdownIt().parse(document.read_text(encoding="utf-8")):
            if token.type == "fence" and token.info in languages:
                found.append(Block(page, (token.map or [0])[0] + 1, token.info, token.content))
    return found


KNOWN = {"python", "sh", "bash", "yaml", "json", "dockerfile", "properties", "text", ""}


def languages() -> set[str]:
    """Return every language that a block names."""
    return {
        token.info
        for document in DOCUMENTS
        for token in MarkdownIt().parse(document.read_text(encoding="utf-8"))
        if token.type == "fence"
    }
