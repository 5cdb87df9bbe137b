"""From the flagged columns of windows to shares of windows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np


def shares(flagged: list[list[str]], right: Collection[str]) -> dict[str, Any]:
    """Return the share of windows with any column flagged, and with a right one named first.

    >>> shares([["a", "b"], ["b"], [], []], ["a"])
    {'windows': 4, 'flagged': 0.5, 'first': 0.25}
    """
    return {
        "windows": len(flagged),
        "flagged": float(np.mean([bool(names) for names in flagged])),
        "first": float(np.mean([bool(names) and names[0] in right for names in flagged])),
    }


def worst(found: list[dict[str, Any]], right: Collection[str]) -> dict[str, Any]:
    """Return the worst of several baselines, with the mean of all.

    The worst is the one that is flagged most often where nothing is wrong, else the one that is flagged least often.
    """
    chosen = (min if right else max)(found, key=lambda one: one["flagged"])
    if len(found) == 1:
        return chosen
    return {**chosen, "mean": float(np.mean([one["flagged"] for one in found]))}
