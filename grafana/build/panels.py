"""Panels, and pieces of them, that several dashboards share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grafana.build import palette
from grafana.build.promql import FRESH, REFS, Scope
from grafana.build.spec import Bars, Column, Dashboard, Row, Stat, Step, Table, Target, Text, Variable

# A query, and the column that shows its value.
Measure = tuple[str, Column]


def alarm_from(value: float) -> tuple[Step, Step]:
    """Return the steps of a number that is good below ``value``."""
    return Step(None, palette.OK), Step(value, palette.ALARM)


def alarm_below(value: float) -> tuple[Step, Step]:
    """Return the steps of a number that is good from ``value`` on."""
    return Step(None, palette.ALARM), Step(value, palette.OK)


def dashboard(
    name: str,
    scope: Scope,
    question: str,
    rows: tuple[Row, ...],
    *,
    title: str,
    description: str,
    variables: tuple[Variable, ...],
    purpose: str = "where to go next",
    time_from: str = "now-1h",
) -> Dashboard:
    """Return a dashboard of ours.

    Args:
        name: last part of its address.
        scope: the models that annotations are about.
        question: what it answers, as Markdown.
        rows: its panels.
        title: its name in Grafana, after that of the project.
        description: for Grafana's list of dashboards.
        variables: what can be chosen.
        purpose: what the question's panel tells besides what the dashboard is for.
        time_from: start of the time range that it opens with.
    """
    return Dashboard(
        uid=f"torchvitals-{name}",
        title=f"TorchVitals / {title}",
        description=description,
        annotations=scope.annotations(),
        variables=variables,
        question=Text(
            "Which question this answers", f"What this dashboard is for and {purpose}.", content=question
        ),
        rows=rows,
        time_from=time_from,
    )


def firing_alerts(scope: Scope, description: str) -> Stat:
    """Return the number of firing alerts."""
    return Stat(
        "Firing alerts",
        description,
        (Target(f"count({scope.alerts()}) or vector(0)"),),
        steps=alarm_from(1),
    )


def living_workers(scope: Scope) -> Stat:
    """Return the number of living workers."""
    return Stat(
        "Living workers",
        "Workers whose monitor reported in the last two minutes.",
        (Target(f"sum({scope.select(FRESH)})"),),
        steps=alarm_below(1),
    )


def measure(expr: str, title: str, unit: str = "none", decimals: int | None = None, **column: Any) -> Measure:
    """Return a query and the column that shows it; ``column`` is what else a ``Column`` takes."""
    return expr, Column("", title, unit, decimals, **column)


def table(
    title: str, description: str, keys: tuple[Column, ...], measures: tuple[Measure, ...], **panel: Any
) -> Table:
    """Return a table: the columns of the labels that the queries share, then one for each query."""
    targets, values = _joined(measures)
    return Table(title, description, targets, columns=(*keys, *values), **panel)


def bars(
    title: str, description: str, keys: tuple[Column, ...], measures: tuple[Measure, ...], **panel: Any
) -> Bars:
    """Return bars side by side, a group for each value of the first of ``keys`` and a bar for each query.

    A hidden key that comes second sorts the groups.
    """
    targets, values = _joined(measures)
    order = keys[1] if len(keys) > 1 and keys[1].hidden else keys[0]
    return Bars(
        title,
        description,
        targets,
        unit="percentunit",
        minimum=0,
        category=keys[0].title,
        order=order.field,
        columns=(*keys, *values),
        **panel,
    )


# A bin by what it holds, in the order of its number.
BIN = (
    Column("values", "Values"),
    Column("bin", "Bin", hidden=True),
    Column("source", "Source", hidden=True),
)


def _joined(measures: tuple[Measure, ...]) -> tuple[tuple[Target, ...], tuple[Column, ...]]:
    """Give each query a reference, and its column the field that Grafana makes of it."""
    targets = tuple(Target(expr, "", ref) for (expr, _), ref in zip(measures, REFS))
    fields = tuple(replace(column, field=f"Value #{ref}") for (_, column), ref in zip(measures, REFS))
    return targets, fields
