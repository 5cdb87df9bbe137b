"""Which columns of a table become inputs, and which are left out."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from ...errors import BaselineError
from .csv_files import UNNAMED

# More names than this make a line that nobody reads.
LISTED = 20


@dataclass(frozen=True)
class Taken:
    """The input columns, in the model's order, and why others are left out, by column."""

    names: list[str]
    left_out: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        found = f"taken: {_listed(self.names)}"
        if self.left_out:
            found += f"; left out: {_listed([f'{name} ({why})' for name, why in self.left_out.items()])}"
        return found


def taken(
    have: Sequence[str],
    wanted: Sequence[str] = (),
    *,
    label: Optional[str] = None,
    time: Optional[str] = None,
    exclude: Sequence[str] = (),
) -> Taken:
    """Return the columns to take: those wanted, or all without the label, the time and the excluded ones.

    have: a file's columns. wanted, exclude: as `names_in` gives them. Raises BaselineError for an unknown excluded
    column, and where none is left.
    """
    unknown = [name for name in exclude if name not in have]
    if unknown:
        close = difflib.get_close_matches(unknown[0], have, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"the data have: {_listed(_named(have))}"
        raise BaselineError(f"--exclude: there is no column '{unknown[0]}'; {hint}")
    left_out = dict.fromkeys(exclude, "excluded")
    if not wanted:
        left_out.update({time: "time"} if time in have and time is not None else {})
        left_out.update({label: "label"} if label in have and label is not None else {})
        blank = {name: f"column {name[len(UNNAMED) :]}" for name in have if name.startswith(UNNAMED)}
    else:
        blank = {}
    names = [name for name in wanted or have if name not in left_out and name not in blank]
    if not names:
        raise BaselineError("no input column is left; name some with --columns, or exclude fewer")
    return Taken(names, {**left_out, **dict.fromkeys(blank.values(), "it has no name")})


def names_in(texts: Sequence[str], have: Sequence[str], option: str) -> list[str]:
    """Return the columns that an option names.

    texts: each the name of a column, names with commas between them (one that holds a comma in double quotes), or @FILE
    with a name a line. Raises BaselineError for a file that cannot be read.
    """
    found: list[str] = []
    for text in texts:
        if text in have:
            found.append(text)
        elif text.startswith("@"):
            found += _names_of(Path(text[1:]), option)
        else:
            found += _split(text, have)
    return list(dict.fromkeys(found))


def _split(text: str, have: Sequence[str]) -> list[str]:
    (parts,) = csv.reader([text], skipinitialspace=True) if text else ([],)
    return [part if part in have else part.strip() for part in parts]


def _names_of(path: Path, option: str) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise BaselineError(
            f"{option}: the file '{path}' cannot be read; give a text with a name a line"
        ) from error
    return [line for line in lines if line.strip()]


def _named(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.startswith(UNNAMED)]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more:,} more" if more > 0 else "")
