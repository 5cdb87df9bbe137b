"""Shows numbers in the units that the dashboards name, as Grafana does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

_SECONDS = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "d"))
_BYTES = tuple((1024.0**power, name) for power, name in enumerate(("B", "KiB", "MiB", "GiB", "TiB")))
_COUNTS = ((1.0, ""), (1e3, "K"), (1e6, "M"), (1e9, "G"))
_AGO = ((60.0, "second"), (3600.0, "minute"), (86400.0, "hour"), (7 * 86400.0, "day"), (30 * 86400.0, "week"),
        (365 * 86400.0, "month"), (float("inf"), "year"))  # fmt: skip
_FIXED = {
    "percentunit": (0.01, " %"),
    "percent": (1.0, " %"),
    "reqps": (1.0, " /s"),
    "cps": (1.0, " /s"),
    "ops": (1.0, " /s"),
}


@dataclass(frozen=True)
class Scale:
    """Values are divided by ``divisor`` and followed by ``suffix``."""

    divisor: float
    suffix: str


def scale(unit: str, largest: float) -> Scale:
    """Return the scale in which values up to ``largest`` read best."""
    if unit in _FIXED:
        return Scale(*_FIXED[unit])
    steps = {"s": _SECONDS, "bytes": _BYTES, "short": _COUNTS}.get(unit)
    if steps is None:
        return Scale(1.0, "")
    fitting = [step for step in steps if step[0] <= abs(largest)]
    size, name = fitting[-1] if fitting else steps[2 if unit == "s" else 0]
    if not largest:
        size, name = (1.0, "s") if unit == "s" else steps[0]
    return Scale(size, f" {name}" if name else "")


def show(value: float, unit: str = "none", decimals: Optional[int] = None, *, now: float = 0.0) -> str:
    """Return a number with its unit; ``now``, in Unix seconds, is what a moment is compared with."""
    if unit == "dateTimeFromNow":
        return _ago(now - value / 1000)
    if unit == "sci":
        return f"{value:.{1 if decimals is None else decimals}e}"
    how = scale(unit, value)
    return f"{_number(value / how.divisor, decimals)}{how.suffix}"


def _number(value: float, decimals: Optional[int]) -> str:
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _ago(seconds: float) -> str:
    if abs(seconds) < 1:
        return "now"
    size = 1.0
    for limit, name in _AGO:
        if abs(seconds) < limit:
            count = round(abs(seconds) / size)
            text = f"{count} {name}{'' if count == 1 else 's'}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
        size = limit
    raise AssertionError("the last limit is infinite")
