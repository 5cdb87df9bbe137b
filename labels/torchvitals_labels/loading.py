"""Labels of a file or a database, sent to the service."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Optional

import httpx
import msgspec
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from .errors import LabelsError
from .rows import JSON, LINES, Columns, Row, read_rows, row_of
from .store import Label, Refusal

ROWS = 5_000
# How long a service that is down is waited for, and how often it is asked.
PATIENCE_SECONDS, AGAIN_SECONDS = 60.0, 1.0
TIMEOUT_SECONDS = 120.0
LATER = (502, 503, 504)
MOST_REFUSALS = 20


@dataclass
class Sent:
    """What became of the labels."""

    new: int = 0
    same: int = 0
    corrected: int = 0
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, refusal: Refusal) -> None:
        """Count a label that was not taken; the first ones are kept."""
        self.refused += 1
        if len(self.refusals) < MOST_REFUSALS:
            self.refusals.append(refusal)


def rows_of_file(file: Path, columns: Columns) -> Iterator[Row]:
    """Yield the labels in a file: .csv, .json, .jsonl or .ndjson, .parquet.

    Raises LabelsError where it cannot be read.
    """
    kind = file.suffix.lower()
    if kind not in READERS:
        raise LabelsError(f"{file}: labels are read from {', '.join(READERS)} files")
    try:
        yield from READERS[kind](file, columns)
    except OSError as error:
        raise LabelsError(f"{file}: {error.strerror}") from error


def rows_of_query(database: str, query: str, columns: Columns) -> Iterator[Row]:
    """Yield the labels that a query of a database gives. Raises LabelsError where it fails."""
    try:
        with create_engine(database).connect() as connection:
            found = connection.execution_options(stream_results=True).execute(text(query))
            _check_columns(list(found.keys()), columns, "the query")
            for number, row in enumerate(found.mappings(), 1):
                yield row_of(_scalars(row), f"row {number}", columns)
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise LabelsError(f"the query failed: {str(cause).partition(chr(10))[0]}") from None


def send(rows: Iterable[Row], service: str, token: str) -> Sent:
    """Send labels in parts, each again until it is taken; return what became of them.

    Raises LabelsError where the service cannot be reached, or takes none of them.
    """
    sent = Sent()
    numbered = iter(rows)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": LINES}
    with httpx.Client(base_url=service, headers=headers, timeout=TIMEOUT_SECONDS) as client:
        while part := list(islice(numbered, ROWS)):
            for row in part:
                if isinstance(row, Refusal):
                    sent.refuse(row)
            labels = [row for row in part if isinstance(row, Label)]
            if labels:
                _send_part(client, labels, sent)
    return sent


def _send_part(client: httpx.Client, labels: list[Label], sent: Sent) -> None:
    body = b"\n".join(
        msgspec.json.encode({"id": one.id, "label": one.label, "model_name": one.model_name})
        for one in labels
    )
    answer = _answer(client, body)
    sent.new += answer["new"]
    sent.same += answer["same"]
    sent.corrected += answer["corrected"]
    for refusal in answer["refusals"]:
        at = int(refusal["place"].rpartition(" ")[2]) - 1
        sent.refuse(Refusal(labels[at].place, refusal["reason"]))
    sent.refused += answer["refused"] - len(answer["refusals"])


def _answer(client: httpx.Client, body: bytes) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        fault: Optional[str] = None
        try:
            response = client.post("/labels", content=body)
        except httpx.TransportError as error:
            fault = f"{client.base_url} cannot be reached: {error or type(error).__name__}"
        except httpx.HTTPError as error:
            raise LabelsError(f"{client.base_url}: {error}") from error
        else:
            if response.status_code in (200, 422):
                found: dict[str, Any] = response.json()
                return found
            fault = f"{client.base_url} answered {response.status_code}: {response.text[:500]}"
            if response.status_code not in LATER:
                raise LabelsError(fault)
        if time.monotonic() > until:
            raise LabelsError(f"{fault}; labels that were sent before are kept, and may be sent again")
        time.sleep(AGAIN_SECONDS)


def _csv(file: Path, columns: Columns) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            _check_columns(list(reader.fieldnames or ()), columns, str(file))
            for row in reader:
                yield row_of(row, f"line {reader.line_num}", columns)
        except (csv.Error, UnicodeDecodeError) as error:
            raise LabelsError(f"{file}: line {reader.line_num + 1}: {error}") from error


def _lines(file: Path, columns: Columns) -> Iterator[Row]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield from (
                    Refusal(f"line {number}", row.reason)
                    if isinstance(row, Refusal)
                    else Label(row.id, row.label, row.model_name, f"line {number}")
                    for row in read_rows(line, LINES, columns)
                )
            except LabelsError as error:
                yield Refusal(f"line {number}", str(error))


def _parquet(file: Path, columns: Columns) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError as error:
        raise LabelsError(f"{file} needs '{error.name}': pip install 'torchvitals[cli]'") from error
    try:
        opened = parquet.ParquetFile(file)
        _check_columns(opened.schema_arrow.names, columns, str(file))
        wanted = [
            name
            for name in (columns.id, columns.label, columns.model_name)
            if name in opened.schema_arrow.names
        ]
        number = 0
        for batch in opened.iter_batches(columns=wanted):
            for row in batch.to_pylist():
                number += 1
                yield row_of(row, f"row {number}", columns)
    except ArrowException as error:
        raise LabelsError(f"{file}: {error}") from error


def _json(file: Path, columns: Columns) -> Iterator[Row]:
    return read_rows(file.read_bytes(), JSON, columns)


READERS: dict[str, Callable[[Path, Columns], Iterator[Row]]] = {
    ".csv": _csv, ".json": _json, ".jsonl": _lines, ".ndjson": _lines, ".parquet": _parquet,
}  # fmt: skip


def _check_columns(names: list[str], columns: Columns, where: str) -> None:
    for name in (columns.id, columns.label):
        if name not in names:
            raise LabelsError(
                f"{where}: there is no column '{name}'; there are {', '.join(map(repr, names))}"[:500]
            )


def _scalars(row: Any) -> dict[str, Any]:
    """Return a row of a database with what is text to it, such as a UUID or a Decimal, as text."""
    plain = (bool, int, float, str, type(None))
    return {name: value if isinstance(value, plain) else str(value) for name, value in row.items()}
