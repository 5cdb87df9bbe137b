"""Timestamps as numbers that a model can be given: hour, weekday, month."""

from __future__ import annotations

import datetime
from typing import Any

from ..errors import BaselineError

DEFAULT_PARTS = ("hour", "weekday", "month")
PARTS = ("minute", "hour", "weekday", "day", "month", "year")


def part_name(column: str, part: str) -> str:
    """Return the name of the column that holds a part of another."""
    return f"{column}_{part}"


def parts_in(text: str) -> tuple[str, list[str]]:
    """Return the column and the parts that a text names: `departure`, or `departure=hour,month`.

    Raises BaselineError for an unknown part.
    """
    column, _, named = text.partition("=")
    parts = [part.strip() for part in named.split(",") if part.strip()] or list(DEFAULT_PARTS)
    check_parts(column, parts)
    return column, parts


def check_parts(column: str, parts: list[str]) -> None:
    """Raise BaselineError for an unknown part, or none."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts or len(set(parts)) < len(parts):
        wrong = f"unknown part '{unknown[0]}'" if unknown else "no part, or one twice"
        raise BaselineError(
            f"time_parts of column '{column}': {wrong}; give some of {', '.join(PARTS)}, each once"
        )


def with_time_parts(table: Any, columns: dict[str, list[str]]) -> Any:
    """Return a table in which parts stand in the place of columns of times.

    table: of pandas, polars or Arrow. columns: the parts of each column; hours are those of the column's own time zone,
    Monday is weekday 0, January month 1. A column that is not there stands as its parts already. Raises BaselineError
    where a column holds no times.
    """
    import narwhals.stable.v2 as nw

    frame: Any = nw.from_native(table, eager_only=True)
    wanted = {name: parts for name, parts in columns.items() if name in frame.columns}
    if not wanted:
        return table
    chosen = []
    for name in frame.columns:
        if name not in wanted:
            chosen.append(frame[name])
            continue
        for part in wanted[name]:
            new = part_name(name, part)
            if new in frame.columns:
                raise BaselineError(
                    f"the data have a column '{new}', and it is a part of column '{name}' too; rename one, or leave it "
                    "out"
                )
            chosen.append(_part(frame[name], name, part).alias(new))
    return frame.select(*chosen).to_native()


def expanded(names: list[str], columns: dict[str, list[str]]) -> list[str]:
    """Return names of columns with parts in the place of columns of times."""
    return [
        new
        for name in names
        for new in ([part_name(name, part) for part in columns[name]] if name in columns else [name])
    ]


def _part(series: Any, name: str, part: str) -> Any:
    """Return a part of each time, as floats, for it is missing where the time is."""
    import narwhals.stable.v2 as nw

    if series.dtype == nw.Object:
        # pandas keeps dates, and times of several zones, as objects.
        values = [_part_of(value, name, part) for value in series.to_list()]
        return nw.new_series(name, values, nw.Float64, backend=series.implementation)
    if series.dtype not in (nw.Datetime, nw.Date):
        raise _no_times(name)
    times = series.cast(nw.Datetime("us")) if series.dtype == nw.Date else series
    # Weekdays count from 1 at Monday.
    found = times.dt.weekday() - 1 if part == "weekday" else getattr(times.dt, part)()
    return found.cast(nw.Float64)


def _part_of(value: Any, name: str, part: str) -> float:
    if value is None or value != value:
        return float("nan")
    if not isinstance(value, datetime.date):
        raise _no_times(name)
    return float(value.weekday() if part == "weekday" else getattr(value, part, 0))


def _no_times(name: str) -> BaselineError:
    return BaselineError(
        f"column '{name}' holds no timestamps to take parts of; make it a column of datetimes (texts can be read in "
        "several ways), or leave it out of time_parts"
    )
