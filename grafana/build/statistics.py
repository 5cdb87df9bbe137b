"""How the statistics of features are queried and shown; which ones there are, the package declares."""

from __future__ import annotations

from collections.abc import Callable

from grafana.build import palette
from grafana.build.panels import Measure, measure
from grafana.build.promql import WINDOW, Scope
from grafana.build.spec import Column
from torchvitals.drift.statistics import STATISTICS, Statistic
from torchvitals.telemetry import catalogue as metrics

FEATURE = "source, feature"
DRIFTED = "model_feature:model_feature_drifted:max"

# How a verdict is written.
VERDICT_TEXTS = (("0", "no drift", palette.OK), ("1", "drifted", palette.ALARM))

# How far a feature went: the table of features, in this order.
DISTANCES = ("psi", "kl_divergence", "wasserstein_distance", "mean_shift_sigmas", "p_value")
# A second table, as no screen has room for all. These come first, then all others that no graph has to itself.
SHAPES = ("missing_ratio", "share_change", "narrowing", "exceedance_ratio")
IN_GRAPHS = ("gaussian_kl_divergence", "js_distance")

# Grafana's unit and decimals.
SHOWN = {
    "nats": ("none", 3),
    "baseline standard deviations": ("none", 2),
    "ratio": ("percentunit", 1),
    "times": ("none", 1),
}
PROBABILITY = ("sci", 1)


def recorded(name: str) -> str:
    """Return the series that prometheus/rules.yml records of a statistic: of several workers' values the worst."""
    statistic = STATISTICS[name]
    return f"model_feature:{statistic.gauge}:{statistic.worst}"


def is_recorded(statistic: Statistic) -> bool:
    """Tell whether prometheus/rules.yml records the statistic."""
    return statistic.name in (*DISTANCES, *SHAPES, *IN_GRAPHS)


def distances() -> list[Statistic]:
    """Return the statistics that have a column in the table of features, in order."""
    return [STATISTICS[name] for name in DISTANCES]


def shapes() -> list[Statistic]:
    """Return the statistics that have a column in the second table, in order."""
    others = (statistic.name for statistic in STATISTICS if not is_recorded(statistic))
    return [STATISTICS[name] for name in (*SHAPES, *others)]


def worst(statistic: Statistic, scope: Scope) -> str:
    """Return each feature's value in the chosen window, of several workers the worst."""
    operation = "min" if statistic.worst == "min" else "max"
    if is_recorded(statistic):
        return f"{operation} by ({FEATURE}) ({scope.select(recorded(statistic.name), WINDOW)})"
    series = scope.fresh(metrics.feature_gauge(statistic.name), WINDOW)
    return f"{operation} by ({FEATURE}) ({f'abs({series})' if statistic.worst == 'absmax' else series})"


def value(statistic: Statistic, scope: Scope, role: str = "") -> Measure:
    """Return the statistic's column; ``role`` tells it from that of another scope, and shortens its title."""
    unit, decimals = PROBABILITY if statistic.worst == "min" else SHOWN.get(statistic.unit, ("none", 3))
    title = f"{statistic.title.split()[0]}, {role}" if role else statistic.title
    return measure(worst(statistic, scope), title, unit, decimals)


def limit(statistic: Statistic, expr: str) -> Measure:
    """Return the column of a statistic's limits, which ``expr`` selects."""
    unit, decimals = SHOWN.get(statistic.unit, ("none", 3))
    return measure(expr, f"{statistic.title.split()[0]} limit", unit, decimals)


def verdict(title: str, scope: Scope, texts: tuple[tuple[str, str, str], ...]) -> Measure:
    """Return the column that tells whether a feature drifted."""
    drifted = f"max by ({FEATURE}) ({scope.select(DRIFTED, WINDOW)})"
    return measure(drifted, title, texts=texts, width=110)


def keys(link: str = "") -> tuple[Column, Column]:
    """Return the columns that name a feature."""
    return Column("feature", "Feature", link=link), Column("source", "Source", width=75)


def table_measures(
    shown: list[Statistic], scope: Scope, limits: Callable[[Statistic], str]
) -> tuple[Measure, ...]:
    """Return a column for each statistic and, after one that has a learned limit, a column of ``limits``."""
    found: list[Measure] = []
    for statistic in shown:
        found.append(value(statistic, scope))
        if statistic.margin is not None:
            found.append(limit(statistic, limits(statistic)))
    return tuple(found)
