"""The line through what fleets of several sizes cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of its interval, that a group may take: the other half is for a slow moment.
SHARE = 0.5


@dataclass(frozen=True)
class Line:
    """a + b * hosts."""

    fixed: float
    each: float

    def at(self, hosts: float) -> float:
        return self.fixed + self.each * hosts

    def reaches(self, value: float) -> float:
        """Return the number of servers at which the line is at a value; infinity where it does not rise."""
        return (value - self.fixed) / self.each if self.each > 0 else math.inf


def through(hosts: Sequence[int], values: Sequence[float]) -> Line:
    """Return the line with the least squares of the relative distances: a small fleet counts like a large one.

    More servers cost nothing less: where the values fall by their noise, it is level.

    Raises ValueError with fewer than two sizes.
    """
    if len(set(hosts)) < 2:
        raise ValueError(f"a line needs two sizes of the fleet, and there is {len(set(hosts))}")
    weights = 1 / np.maximum(np.asarray(values, dtype=float), 1e-9)
    each, fixed = np.polyfit(np.asarray(hosts, dtype=float), np.asarray(values, dtype=float), 1, w=weights)
    if each < 0:
        return Line(float(np.average(values, weights=weights**2)), 0.0)
    return Line(float(fixed), float(each))


def lines(costs: Sequence[Mapping[str, Any]]) -> dict[str, Line]:
    """Return the line of each group's seconds, by the group's name."""
    hosts = [cost["hosts"] for cost in costs]
    return {
        name: through(hosts, [cost["group_seconds"][name] for cost in costs])
        for name in costs[0]["group_seconds"]
    }


def most(costs: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """Return how many servers fit into half of every group's interval, and the group that sets this bound."""
    intervals = costs[0]["intervals"]
    bounds = {name: line.reaches(SHARE * intervals[name]) for name, line in lines(costs).items()}
    narrowest = min(bounds, key=bounds.__getitem__)
    return int(min(bounds[narrowest], 1_000_000)), narrowest
