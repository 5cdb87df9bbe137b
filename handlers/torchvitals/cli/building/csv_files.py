"""CSV files as people have them: how one is written is recognised, said, or refused with the option to give."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Optional

from ...errors import BaselineError

SEPARATORS = (",", ";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
# Missing in a column whose other values are numbers; in a column of texts they are texts, as Namibia's NA is.
MISSING_NUMBERS = (
    "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "none", "NONE", "<NA>", "NaT",
)  # fmt: skip
TRUTH = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
SAMPLED_ROWS = 1000
SAMPLED_VALUES = 100
BATCH_ROWS = 65_536
# A text may be a whole document.
LONGEST_FIELD = 2**30
# Begins what stands for the name of a column that has none; no file has it in a name.
UNNAMED = "\0"

COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
POINT = re.compile(r"[+-]?\d+\.\d+(?:[eE][+-]?\d+)?")
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,'\u2019]\d{3})+(?:[.,]\d+)?")
MARK = re.compile(r"\ufeff?sep=(.)\s*")
PLAIN = re.compile(r"[+-]?\d+")
ENCODINGS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class CsvOptions:
    """What the user says of CSV files; None is recognised.

    missing: texts that are missing wherever they stand, beside the empty field; an empty tuple for no text at all.
    texts: columns that are texts, whatever they look like.
    """

    separator: Optional[str] = None
    decimal: Optional[str] = None
    thousands: Optional[str] = None
    encoding: Optional[str] = None
    missing: Optional[tuple[str, ...]] = None
    texts: tuple[str, ...] = ()

    def validate(self) -> None:
        """Raise BaselineError for a value that no reader takes."""
        for option, value in (
            ("--separator", self.separator),
            ("--decimal", self.decimal),
            ("--thousands", self.thousands),
        ):
            if value is not None and len(value) != 1:
                raise BaselineError(f"{option} is {value!r}; give one character")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError as error:
                raise BaselineError(
                    f"--encoding: unknown encoding '{self.encoding}'; give one such as utf-8, latin-1 or cp1252"
                ) from error


@dataclass(frozen=True)
class CsvForm:
    """How a file is written.

    header: its columns' names; one without a name is UNNAMED and its place. ends_in_separator: rows have a last field
    without a value that the header lacks. marked: the first line says the separator, as Excel writes it.
    """

    path: Path
    separator: str
    decimal: str
    encoding: str
    spaced: bool
    header: list[str]
    thousands: Optional[str] = None
    ends_in_separator: bool = False
    marked: bool = False

    @property
    def says(self) -> list[str]:
        """What was recognised that a plain file does not have."""
        said = [] if self.separator == "," else [f"separator {NAMES.get(self.separator, self.separator)}"]
        said += ["decimal comma"] if self.decimal == "," else []
        said += [] if self.encoding == "utf-8-sig" else [f"encoding {self.encoding}"]
        return said


@dataclass
class ColumnKinds:
    """What the columns of all files were so far, so that every batch of a column is of one kind."""

    numbers: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    # By column: texts that are missing in columns of numbers and stand as they are in this one.
    kept: dict[str, set[str]] = field(default_factory=dict)


def form_of(path: Path, options: CsvOptions) -> CsvForm:
    """Return how a file is written, from its first rows. Raises BaselineError."""
    encoding = options.encoding or _encoding_of(path)
    if codecs.lookup(encoding).name == "utf-8":
        # A mark in front of the text would be part of the first column's name.
        encoding = "utf-8-sig"
    with _opened(path, encoding) as file:
        lines = list(islice(file, SAMPLED_ROWS))
    if not lines:
        raise BaselineError(f"--data: '{path}' is empty; give a file with a header and rows")
    mark = MARK.fullmatch(lines[0])
    lines = lines[1:] if mark else lines
    separator = options.separator or (mark[1] if mark else _separator_of(path, lines))
    rows = [row for row in csv.reader(lines, delimiter=separator) if row]
    if not rows:
        raise BaselineError(f"--data: '{path}' has no header; give a file with a header and rows")
    header = rows[0]
    spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    header = [
        (name.lstrip() if spaced else name) or f"{UNNAMED}{place}" for place, name in enumerate(header, 1)
    ]
    extra = [row for row in rows[1:] if len(row) == len(header) + 1 and not row[-1].strip()]
    return CsvForm(
        path=path,
        separator=separator,
        decimal=options.decimal or _decimal_of(rows[1:], separator),
        encoding=encoding,
        spaced=spaced,
        header=header,
        thousands=options.thousands,
        ends_in_separator=bool(extra),
        marked=mark is not None,
    )


def check_rows(form: CsvForm) -> None:
    """Raise BaselineError, with the line, where a row has not as many fields as the header.

    pandas fills short rows up, and takes the first field of long ones for names of the rows: all columns shift.
    """
    width = len(form.header)
    with _opened(form.path, form.encoding) as file:
        first = 1 + sum(1 for _ in islice(file, int(form.marked)))
        reader = csv.reader(file, delimiter=form.separator, skipinitialspace=form.spaced)
        above = 0
        for row in reader:
            found = len(row)
            line, above = first + above, reader.line_num
            if found == width or not found:
                continue
            if found == width + 1 and not row[-1].strip() and form.ends_in_separator:
                continue
            raise BaselineError(
                f"--data: '{form.path}' line {line} has {found} fields, and the header has {width}; "
                f"mend the line (fields that hold a {NAMES.get(form.separator, 'separator')} stand in quotes), or give "
                "--separator"
            )


def frames_of(
    form: CsvForm, columns: Sequence[str], options: CsvOptions, kinds: ColumnKinds
) -> Iterator[Any]:
    """Yield a file's rows as (DataFrame, bytes read so far). Raises BaselineError."""
    import pandas as pd

    none = options.missing is not None and not options.missing
    names = [*form.header, *([UNNAMED] if form.ends_in_separator else [])]
    with form.path.open("rb") as file, _decodable(form.path, form.encoding):
        chunks = pd.read_csv(
            file,
            sep=form.separator,
            decimal=form.decimal,
            thousands=form.thousands,
            encoding=form.encoding,
            skipinitialspace=form.spaced,
            header=0,
            skiprows=int(form.marked),
            names=names,
            index_col=False,
            usecols=list(columns),
            dtype={name: str for name in options.texts if name in columns},
            keep_default_na=False,
            na_values=[] if none else ["", *(options.missing or ())],
            na_filter=not none,
            chunksize=BATCH_ROWS,
            # A batch is typed as a whole: pieces of it that differ would make a column of both.
            low_memory=False,
        )
        for chunk in chunks:
            settled = {name: _settled(chunk[name], str(name), form, options, kinds) for name in columns}
            yield pd.DataFrame(settled, index=chunk.index), file.tell()


def _settled(series: Any, name: str, form: CsvForm, options: CsvOptions, kinds: ColumnKinds) -> Any:
    """Return a batch's column as numbers or texts, the same in every batch."""
    if name in options.texts:
        return series
    if not _is_text(series):
        if not series.notna().any():
            return series
        if name not in kinds.texts:
            kinds.numbers.add(name)
            return series
        return series.map(_whole_text, na_action="ignore").astype(object)
    holes = series.isin(MISSING_NUMBERS if options.missing is None else ())
    numbers = None if name in kinds.texts else _numbers_with_holes(series, holes, form)
    if numbers is None:
        return _texts(series, name, holes, form, kinds)
    if numbers.notna().any():
        kinds.numbers.add(name)
    elif name not in kinds.numbers:
        # Nothing but texts such as NA so far: the batches after this one tell what they are.
        kinds.kept.setdefault(name, set()).update(series[holes].unique())
    return numbers


def _numbers_with_holes(series: Any, holes: Any, form: CsvForm) -> Any:
    """Return texts as numbers or truth values that are missing in some rows; None where they are texts."""
    import pandas as pd

    if not holes.any():
        return None
    present = series[~holes & series.notna()]
    if not len(present):
        return pd.Series(float("nan"), index=series.index)
    numbers = _as_numbers(present, form)
    return None if numbers is None else numbers.reindex(series.index)


def _texts(series: Any, name: str, holes: Any, form: CsvForm, kinds: ColumnKinds) -> Any:
    if name in kinds.numbers:
        raise BaselineError(
            f"--data: '{form.path}': column '{name}' holds numbers in some rows and texts in others; name the texts "
            f"that mean missing (--missing-text), give --decimal, or leave it out (--exclude {_quoted(name)})"
        )
    present = series[~holes & series.notna()]
    _refuse_numbers_as_texts(present.head(SAMPLED_VALUES), name)
    if len(present):
        kinds.texts.add(name)
    if holes.any():
        kinds.kept.setdefault(name, set()).update(series[holes].unique())
    return series


def _is_text(series: Any) -> bool:
    import pandas as pd

    types = pd.api.types
    if types.is_numeric_dtype(series) or types.is_bool_dtype(series):
        return False
    return bool(types.infer_dtype(series, skipna=True) in ("string", "mixed"))


def _as_numbers(present: Any, form: CsvForm) -> Any:
    """Return texts as numbers or truth values; None where one is neither."""
    import pandas as pd

    if present.isin(list(TRUTH)).all():
        return present.map(TRUTH).astype(object)
    if form.thousands:
        present = present.str.replace(form.thousands, "", regex=False)
    if form.decimal != ".":
        present = present.str.replace(form.decimal, ".", regex=False)
    numbers = pd.to_numeric(present, errors="coerce")
    return None if numbers.isna().any() else numbers


def _refuse_numbers_as_texts(sample: Any, name: str) -> None:
    values = [str(value).strip() for value in sample]
    signs = [bool(COMMA.fullmatch(value) or GROUPED.fullmatch(value)) for value in values]
    others = [bool(PLAIN.fullmatch(value) or POINT.fullmatch(value)) for value in values]
    if values and any(signs) and all(a or b for a, b in zip(signs, others)):
        raise BaselineError(
            f"column '{name}' holds numbers with decimal commas or marks between thousands, which read as texts; give "
            "--decimal , or --thousands , (or both: --decimal , --thousands .), or leave the column out (--exclude "
            f"{_quoted(name)})"
        )


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]+", name) else f"'{name}'"


def _whole_text(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    return next((encoding for mark, encoding in ENCODINGS if start.startswith(mark)), "utf-8-sig")


def _separator_of(path: Path, lines: list[str]) -> str:
    """Return the separator with which the header and all rows have as many fields, the most there are."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    widths: dict[str, int] = {}
    headers: dict[str, int] = {}
    for separator in SEPARATORS:
        rows = [row for row in csv.reader(lines, delimiter=separator) if row]
        header = headers[separator] = len(rows[0]) if rows else 0
        fits = all(len(row) == header or (len(row) == header + 1 and not row[-1].strip()) for row in rows)
        if fits:
            widths[separator] = header
    if not widths or max(widths.values()) == 1 < max(headers.values()):
        # Rows that differ are refused with their line; which separator was meant, the header says.
        return max(SEPARATORS, key=lambda one: headers[one])
    most = max(widths.values())
    best = [separator for separator, width in widths.items() if width == most]
    if len(best) > 1 and most > 1:
        raise BaselineError(
            f"--data: '{path}' can be read with a {NAMES[best[0]]} or a {NAMES[best[1]]} between the fields; say which "
            f"with --separator '{best[0]}'"
        )
    return best[0]


def _decimal_of(rows: list[list[str]], separator: str) -> str:
    """Return a comma where numbers are written with it, and none with a point."""
    values = [value.strip() for row in rows for value in row if "," in value or "." in value]
    commas = [value for value in values if COMMA.fullmatch(value)]
    certain = separator != "," or any(not GROUPED.fullmatch(value) for value in commas)
    points = any(POINT.fullmatch(value) for value in values)
    grouped = all(GROUPED.fullmatch(value) for value in commas)
    return "," if commas and certain and not points and not grouped else "."


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[Any]:
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        with path.open(encoding=encoding, newline="") as file, _decodable(path, encoding):
            yield file
    except csv.Error as error:
        raise BaselineError(f"--data: '{path}' is not a CSV file: {error}") from error
    finally:
        csv.field_size_limit(before)


@contextmanager
def _decodable(path: Path, encoding: str) -> Iterator[None]:
    try:
        yield
    except UnicodeError as error:
        name = "UTF-8" if encoding == "utf-8-sig" else encoding
        raise BaselineError(
            f"--data: '{path}' is not {name}; say what it is, such as --encoding latin-1 or --encoding cp1252"
        ) from error
