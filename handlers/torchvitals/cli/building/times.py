"""Times in files: what is unambiguous is parsed, the rest is refused with the option that says the format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ...errors import BaselineError
from ...featurizers.time_texts import formats_of

ISO = "ISO8601"
WAY_OUT = "say how they are written with --time-format, such as --time-format '%d/%m/%Y %H:%M'"


def times_in(column: Any, name: str, wanted: Optional[str] = None) -> Any:
    """Return a column's times as what sorts by time: numbers, or timestamps.

    column: a pandas Series. wanted: the format of its texts. Raises BaselineError where times are missing, of several
    types, or may be read in two ways.
    """
    import pandas as pd

    missing = int(column.isna().sum())
    if missing:
        raise BaselineError(
            f"--time-column: column '{name}' has no time in {missing:,} rows; remove them, or give another column"
        )
    types = pd.api.types
    if types.is_datetime64_any_dtype(column) or (types.is_numeric_dtype(column) and wanted is None):
        return column
    kind = types.infer_dtype(column, skipna=True)
    if kind == "string" or wanted is not None:
        texts = column.astype(str)
        return parsed(texts, name, wanted or decided([texts], name, "--time-column"), "--time-column")
    try:
        return column if kind in ("date", "decimal", "time") else pd.to_datetime(column)
    except (TypeError, ValueError) as error:
        raise BaselineError(
            f"--time-column: column '{name}' holds values of several types; make them times of one type"
        ) from error


def decided(columns: Iterable[Any], name: str, option: str) -> str:
    """Return the one format that all texts of a column are written in. Raises BaselineError where there is not one.

    columns: its parts, as pandas Series without missing values.
    """
    import pandas as pd

    fitting: Optional[list[str]] = None
    seen = []
    for column in columns:
        different = column.drop_duplicates().astype(str).str.strip()
        if not len(different):
            continue
        candidates = _candidates(different.iloc[0]) if fitting is None else fitting
        fitting = [form for form in candidates if _fits(different, form)]
        seen.append(different.head(1000))
    if fitting is None:
        return ISO
    if not fitting:
        raise BaselineError(
            f"{option}: column '{name}' holds texts that are not times of one form; {WAY_OUT}"
        )
    if ISO in fitting:
        return ISO
    texts = pd.concat(seen)
    if len({tuple(_read(texts, form)) for form in fitting}) > 1:
        pair = ", ".join(repr(form) for form in fitting[:2])
        raise BaselineError(
            f"{option}: the times of column '{name}' can be read in more than one way (day or month first); say which "
            f"with --time-format: {pair}"
        )
    return fitting[0]


def _candidates(text: str) -> list[str]:
    """Return the formats that one text is written in; pandas takes much longer to find that out."""
    return [ISO, *formats_of(text)]


def _read(texts: Any, form: str) -> Any:
    import pandas as pd

    try:
        return pd.to_datetime(texts, format=form, errors="coerce")
    except ValueError:
        # Times of several zones have one type only as UTC.
        return pd.to_datetime(texts, format=form, errors="coerce", utc=True)


def _fits(texts: Any, form: str) -> bool:
    return bool(_read(texts, form).notna().all())


def parsed(column: Any, name: str, wanted: str, option: str) -> Any:
    """Return texts as timestamps; missing ones stay missing. Raises BaselineError."""
    present = column.notna()
    texts = column.astype(object).map(lambda value: str(value).strip(), na_action="ignore")
    found = _read(texts, wanted)
    wrong = int((found.isna() & present).sum())
    if wrong:
        form = "one form" if wanted == ISO else f"the form '{wanted}'"
        raise BaselineError(
            f"{option}: column '{name}' has {wrong:,} texts that are not times of {form}; {WAY_OUT}"
        )
    return found
