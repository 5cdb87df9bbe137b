"""Pieces of PromQL about labels: what the labels services counted, and what is recorded of it.

They come from another job and other servers than predictions do, and what is recorded of them names no server: a
selector names the model and the place alone.
"""

from __future__ import annotations

from grafana.build.promql import RANGE, Scope, place_selector


def recorded(scope: Scope, name: str, *matchers: str) -> str:
    """Select what is recorded of the chosen models' labels."""
    return place_selector(name, *scope.model_matchers, *matchers)


def counted(scope: Scope, counter: str, by: str, *matchers: str) -> str:
    """Return what a counter grew by in the dashboard's time range, net of what corrections take back.

    Both are as much longer or shorter than the range as the samples are, so shares of them are exact.
    """
    added, taken_back = (
        f"increase({recorded(scope, counter, *matchers, change)}[{RANGE}])"
        for change in ('change="added"', 'change="taken_back"')
    )
    return f"sum by ({by}) ({added} or -{taken_back})"
