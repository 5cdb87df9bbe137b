"""A progress bar over files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..console import console


@contextmanager
def reading(files: list[Path]) -> Iterator[Callable[[Path, int, int], None]]:
    """Show how far files are read; only on a terminal, and gone when done.

    Yields a function of the file, how many of its bytes are read, and the rows of all files so far.
    """
    sizes = {file: file.stat().st_size for file in files}
    before, total = {}, 0
    for file, size in sizes.items():
        before[file] = total
        total += size
    progress = Progress(
        TextColumn("reading"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task("reading", total=total, rows=0)

        def show(file: Path, file_bytes: int, rows: int) -> None:
            progress.update(task, completed=before[file] + file_bytes, rows=rows)

        yield show
