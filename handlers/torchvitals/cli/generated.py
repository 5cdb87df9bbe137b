"""Files that follow from something else: written, or compared with what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from .console import console


def write_or_check(files: Mapping[Path, str], *, check: bool, sources: str, command: str) -> None:
    """Write the files that differ; with `check`, say which do and end with status 1 where one does.

    sources: what they follow from. command: what writes them.
    """
    stale = [
        path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if check:
        for path in stale:
            typer.echo(f"{path} differs from {sources}; run '{command}'", err=True)
        raise typer.Exit(1 if stale else 0)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
        console.print(f"wrote {path}")
