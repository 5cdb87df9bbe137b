"""Texts that are dates: a column of them is no category, for the next day has another one."""

from __future__ import annotations

import datetime
import itertools
import re
from typing import Any, Optional

from ..errors import BaselineError
from .tables import series_of

SAMPLED_ROWS, SAMPLED_TEXTS = 1000, 20
SHORTEST, LONGEST = 6, 40
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
ZONES = ("", "%z", " %z")
DATES = (
    *(f"{a}{mark}{b}{mark}{year}" for mark in "/.-" for a, b in (("%d", "%m"), ("%m", "%d")) for year in ("%Y", "%y")),
    *(f"%Y{mark}%m{mark}%d" for mark in "/."),
    "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y", "%d. %B %Y",
)  # fmt: skip
# The ways to write a time beside ISO's.
FORMATS = tuple("".join(parts) for parts in itertools.product(DATES, CLOCKS, ZONES))
ISO_TEXT = re.compile(
    r"(\d{4}-\d{2}-\d{2})([T ]\d{2}(:\d{2}(:\d{2}([.,]\d+)?)?)?\s?(Z|[+-]\d{2}(:?\d{2})?)?)?"
)
DIGITS = re.compile(r"\d")


def refuse_time_texts(table: Any, names: Optional[list[str]], *, but: set[str]) -> None:
    """Raise BaselineError that names a column of dates as texts.

    table: of pandas, polars or Arrow. names: the columns that are wanted. but: those whose texts are known to be names.
    """
    import narwhals.stable.v2 as nw

    for name, series in series_of(table, names).items():
        if name in but or series.dtype not in (nw.String, nw.Object, nw.Categorical):
            continue
        texts = [value for value in series.head(SAMPLED_ROWS).to_list() if isinstance(value, str)]
        if look_like_times(texts[:SAMPLED_TEXTS]):
            raise BaselineError(
                f"column '{name}' holds dates or times as texts; make it parts such as hour and weekday (--time-parts "
                f"'{name}'; in Python make it datetimes, and say features: time_parts), leave it out (--exclude "
                f"'{name}'), or list its texts where they are names (features: categories)"
            )


def look_like_times(texts: list[str]) -> bool:
    """Tell whether texts are all dates, or dates with a time of day, written in one way.

    >>> look_like_times(["31/12/2025", "01/01/2026"]), look_like_times(["2026-01", "2026-02"])
    (True, False)
    """
    if not texts or not all(DIGITS.search(text) and SHORTEST <= len(text) <= LONGEST for text in texts):
        return False
    if all(is_iso(text) for text in texts):
        return True
    return any(all(is_of(text, form) for text in texts) for form in formats_of(texts[0]))


def formats_of(text: str) -> list[str]:
    """Return the formats but ISO's that one text is written in."""
    return [form for form in FORMATS if is_of(text, form)]


def is_of(text: str, form: str) -> bool:
    """Tell whether a text is a time in a format of strptime."""
    try:
        datetime.datetime.strptime(text.strip(), form)
    except ValueError:
        return False
    return True


def is_iso(text: str) -> bool:
    """Tell whether a text is a date of ISO 8601, with or without a time; years and months alone are periods."""
    found = ISO_TEXT.fullmatch(text.strip())
    try:
        return found is not None and bool(datetime.date.fromisoformat(found[1]))
    except ValueError:
        return False
