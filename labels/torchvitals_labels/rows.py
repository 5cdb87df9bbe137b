"""Labels as they are sent: JSON, JSON lines, CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union

from .batch import LONGEST_ID, LONGEST_NAME
from .errors import LabelsError
from .store import Label, Refusal

LONGEST_LABEL = 200
JSON, LINES, CSV = "application/json", "application/x-ndjson", "text/csv"
KINDS = {
    JSON: JSON, LINES: LINES, "application/jsonl": LINES, "application/x-jsonlines": LINES, CSV: CSV,
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Where a row has the prediction's id, the label, and the model that it is meant for."""

    id: str = "id"
    label: str = "label"
    model_name: str = "model_name"


Row = Union[Label, Refusal]


def read_rows(content: bytes, kind: str, columns: Columns = Columns()) -> Iterator[Row]:
    """Yield each label in a body or a file, or why there is none.

    kind: JSON (a list of objects, or one), LINES (an object a line) or CSV (with a header). Raises LabelsError where it
    cannot be read at all.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelsError(f"the labels are not UTF-8 text: {error.reason} at byte {error.start}") from None
    if "\0" in text:
        raise LabelsError("the labels are not text: there is a zero byte")
    return {JSON: _json, LINES: _lines, CSV: _csv}[kind](text, columns)


def row_of(found: Any, place: str, columns: Columns) -> Row:
    """Return the label in an object, or why there is none."""
    if not isinstance(found, Mapping):
        return Refusal(place, "not an object with an id and a label")
    one = _text(found.get(columns.id))
    if not one:
        return Refusal(place, f"{columns.id}: missing")
    if len(one) > LONGEST_ID or not one.isprintable():
        return Refusal(place, f"{columns.id}: not of up to {LONGEST_ID} printable characters")
    value = found.get(columns.label)
    if isinstance(value, float) and not math.isfinite(value):
        return Refusal(place, f"{columns.label}: not a finite number")
    label = _text(value).strip()
    if not label:
        return Refusal(place, f"{columns.label}: missing")
    if len(label) > LONGEST_LABEL or not label.isprintable():
        return Refusal(place, f"{columns.label}: not of up to {LONGEST_LABEL} printable characters")
    model = _text(found.get(columns.model_name))
    if len(model) > LONGEST_NAME or not (model.isprintable() or not model):
        return Refusal(place, f"{columns.model_name}: not of up to {LONGEST_NAME} printable characters")
    return Label(one, label, model, place)


def _text(value: Any) -> str:
    """Return a scalar as text; nothing of what is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**LONGEST_ID else ""
    return value if isinstance(value, str) else ""


def _json(text: str, columns: Columns) -> Iterator[Row]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f": {error.msg} at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise LabelsError(f"the labels are not JSON{where}") from None
    if isinstance(found, dict) and isinstance(found.get("labels"), list):
        found = found["labels"]
    rows = found if isinstance(found, list) else [found]
    return (row_of(row, f"row {number}", columns) for number, row in enumerate(rows, 1))


def _lines(text: str, columns: Columns) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield row_of(json.loads(line), f"line {number}", columns)
        except (ValueError, RecursionError):
            yield Refusal(f"line {number}", "not JSON")


def _csv(text: str, columns: Columns) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or []
    except csv.Error as error:
        raise LabelsError(f"the labels are not CSV: {error}") from None
    missing = [name for name in (columns.id, columns.label) if name not in names]
    if missing:
        raise LabelsError(
            f"the labels have no column '{missing[0]}'; they have {', '.join(map(repr, names))}"[:500]
        )
    return _csv_rows(reader, columns)


def _csv_rows(reader: csv.DictReader[str], columns: Columns) -> Iterator[Row]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Refusal(f"line {reader.line_num}", f"not CSV: {error}")
            continue
        yield row_of(row, f"line {reader.line_num}", columns)
