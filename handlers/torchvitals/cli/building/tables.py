"""Tables in files, a batch at a time."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ...errors import BaselineError
from .csv_files import BATCH_ROWS, ColumnKinds, CsvOptions, check_rows, form_of, frames_of

SUFFIXES = (".parquet", ".csv", ".tsv")
READ_BYTES = 1 << 20
PLAIN = CsvOptions()


@dataclass(frozen=True)
class Batch:
    """Some rows as a DataFrame, and how many bytes of its file they and all rows before them take."""

    frame: Any
    file_bytes: int


def files_of(patterns: list[str]) -> list[Path]:
    """Return the files that names, globs and folders stand for; a folder for all tables in it and below.

    Files and folders in a folder that start with `_` or `.` are no data. Raises BaselineError where there are none.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES]
            shown = [file for file in inside if not _hidden(file.relative_to(path))]
            if not shown:
                raise BaselineError(f"--data: folder '{pattern}' has no .parquet or .csv file")
            found += shown
        elif path.exists():
            found.append(path)
        else:
            matches = sorted(Path(match) for match in glob.glob(pattern, recursive=True))
            if not matches:
                raise BaselineError(f"--data: there is no file '{pattern}'")
            found += matches
    for path in found:
        if path.suffix.lower() not in SUFFIXES:
            raise BaselineError(f"--data: '{path}' ends in '{path.suffix}'; give a .parquet or a .csv file")
    return list(dict.fromkeys(found))


def columns_in(path: Path, options: CsvOptions = PLAIN) -> list[str]:
    """Return the names of a file's columns. Raises BaselineError where it cannot be read."""
    with _Readable(path):
        if is_csv(path):
            return _different(path, form_of(path, options).header)
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            # pandas keeps its index as columns; those are no data.
            return _different(path, file.schema_arrow.empty_table().to_pandas().columns)


def batches_of(
    path: Path, columns: list[str], options: CsvOptions = PLAIN, kinds: Optional[ColumnKinds] = None
) -> Iterator[Batch]:
    """Yield a file's rows, a few ten thousand at a time. Raises BaselineError where it cannot be read.

    kinds: what the columns were in the files before, and are from then on.
    """
    with _Readable(path):
        if is_csv(path):
            form = form_of(path, options)
            check_rows(form)
            found = frames_of(form, columns, options, kinds or ColumnKinds())
            yield from (Batch(frame, file_bytes) for frame, file_bytes in found)
        else:
            yield from _parquet_batches(path, columns)


def is_csv(path: Path) -> bool:
    """Tell whether a file is text with a row a line."""
    return path.suffix.lower() != ".parquet"


def _parquet_batches(path: Path, columns: list[str]) -> Iterator[Batch]:
    import pyarrow.parquet as pq

    size, done = path.stat().st_size, 0
    # Without these, the whole file is read ahead into memory.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_BYTES) as file:
        rows = file.metadata.num_rows
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            done += batch.num_rows
            yield Batch(batch.to_pandas(), size * done // max(rows, 1))


def _different(path: Path, names: Iterable[Any]) -> list[str]:
    found = list(map(str, names))
    twice = [name for name, times in Counter(found).items() if times > 1]
    if twice:
        raise BaselineError(
            f"'{path}': the data have two columns named '{twice[0]}'; rename one, or leave it out"
        )
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)


class _Readable:
    """Turns a reader's errors into one that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Optional[type], error: Optional[BaseException], trace: Any) -> None:
        if isinstance(error, (ValueError, OSError)):
            raise BaselineError(f"--data: '{self.path}' cannot be read: {error}") from error
