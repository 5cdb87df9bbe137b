"""What a label says, in the terms of the model that predicted."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Optional

TRUTHS = {"false": 0.0, "true": 1.0}
# Python's float takes more than that: underscores, digits of every script, `nan`.
NUMBER = re.compile(r"[-+0-9.eE]+")


def actual(label: str, kind: str, places: dict[str, int]) -> Optional[float]:
    """Return the place of the class that a label names, or the value that it is; None where it is neither.

    A class is named by its name, or by its place where no class has that name; a file's `1.0` is `1`. Of two classes,
    `true` is the second.

    >>> actual("late", "class", {"on time": 0, "late": 1}), actual("1.0", "class", {"on time": 0, "late": 1})
    (1.0, 1.0)
    >>> actual("2.5", "value", {}), actual("nan", "value", {}), actual("5", "class", {"no": 0})
    (2.5, None, None)
    """
    if kind == "class" and label in places:
        return float(places[label])
    if kind == "class" and len(places) == len(TRUTHS) and label.lower() in TRUTHS:
        return TRUTHS[label.lower()]
    try:
        number = float(label) if NUMBER.fullmatch(label) else math.nan
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if kind != "class":
        return number
    whole = str(int(number)) if number == int(number) else label
    if whole in places:
        return float(places[whole])
    return number if number in range(len(places)) else None


def places_of(classes: Sequence[str]) -> dict[str, int]:
    """Return the place of each class by its name."""
    return {name: place for place, name in enumerate(classes)}
