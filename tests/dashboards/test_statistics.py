"""The dashboards' table of features follows from the statistics that the package declares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from grafana.build import ROOT, drift, statistics
from grafana.build.promql import REFS
from grafana.build.spec import THRESHOLD_REF, Column, Table
from torchvitals.drift.statistics import STATISTICS, Compared, Statistic

FRESH = (
    "and on (cluster, namespace, env, job, instance, model_name, model_version, worker) "
    'worker:model_monitor:fresh{job=~"$job", instance=~"$instance", '
    'cluster=~"$cluster", namespace=~"$namespace", env=~"$env", '
    'model_name="$model_name", model_version="$model_version"} == 1'
)


class SpreadChange(Statistic):
    """Signed, and not recorded by any rule."""

    name = "spread_change"
    title = "Spread"
    unit = "baseline standard deviations"
    help = "Window's standard deviation less the baseline's."
    worst = "absmax"

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,)."""
        return (compared.std - compared.reference.std) / compared.reference.std


class Exceeding(SpreadChange):
    """One that learns a limit."""

    name = "exceeding_ratio"
    title = "Exceeding values"
    unit = "ratio"
    worst = "max"
    margin = 2.0


@pytest.fixture
def more() -> Iterator[None]:
    with STATISTICS.restoring():
        STATISTICS.add(SpreadChange())
        STATISTICS.add(Exceeding())
        yield


def shown(tables: tuple[Table, ...]) -> dict[str, tuple[Column, str]]:
    """Return the column and the query of each title that has one."""
    found = {}
    for table in tables:
        exprs = {f"Value #{target.ref}": target.expr for target in table.targets}
        for column in table.columns:
            if column.field in exprs:
                found[column.title] = (column, exprs[column.field])
    return found


def test_every_statistic_is_in_the_table_or_has_a_graph() -> None:
    titles = list(shown(drift.features()))
    for statistic in STATISTICS:
        assert (statistic.title in titles) != (statistic.name in statistics.IN_GRAPHS), statistic.name
    graphs = {panel.title for row in drift.DASHBOARD.rows for panel in row.panels}
    lines = {
        target.legend
        for row in drift.DASHBOARD.rows
        for panel in row.panels
        if panel.title == "Statistics of the feature"
        for target in panel.targets
    }
    assert {STATISTICS[name].title for name in statistics.IN_GRAPHS} <= graphs | lines


def test_limits_are_those_that_training_windows_taught() -> None:
    """A threshold of the model's is no part of the verdict."""
    limits = {title: expr for title, (_, expr) in shown(drift.features()).items() if title.endswith(" limit")}
    assert list(limits) == ["KL limit", "Wasserstein limit", "Narrowing limit", "Exceedance limit"]
    for expr in limits.values():
        assert "model_feature:model_feature_drift_threshold:max{" in expr
        assert "model_threshold" not in expr


def test_a_new_statistic_is_a_column(more: None) -> None:
    found = shown(drift.features())
    assert list(found)[-3:] == ["Spread", "Exceeding values", "Exceeding limit"]
    column, expr = found["Spread"]
    assert (column.unit, column.decimals) == ("none", 2)
    assert expr.startswith('max by (source, feature) (abs((model_feature_spread_change{job=~"$job"')
    assert FRESH in expr
    column, expr = found["Exceeding values"]
    assert (column.unit, column.decimals) == ("percentunit", 1)
    assert expr.startswith('max by (source, feature) ((model_feature_exceeding_ratio{job=~"$job"')
    _, expr = found["Exceeding limit"]
    assert 'statistic="exceeding_ratio"' in expr


def test_nothing_of_it_stays() -> None:
    with STATISTICS.restoring():
        STATISTICS.add(SpreadChange())
        assert drift.features() != tables_of_the_dashboard()
    assert drift.features() == tables_of_the_dashboard()


def tables_of_the_dashboard() -> tuple[Table, ...]:
    return tuple(panel for row in drift.DASHBOARD.rows for panel in row.panels if isinstance(panel, Table))


def test_the_rules_record_what_the_dashboards_read() -> None:
    rules = yaml.safe_load((ROOT / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    known = {rule.get("record") for group in rules["groups"] for rule in group["rules"]}
    assert {*statistics.DISTANCES, *statistics.SHAPES, *statistics.IN_GRAPHS} == {
        statistic.name for statistic in STATISTICS
    }
    for statistic in STATISTICS:
        assert statistics.recorded(statistic.name) in known
    assert statistics.DRIFTED in known


def test_references_are_unique_and_leave_the_thresholds_free() -> None:
    assert len(set(REFS)) == len(REFS)
    assert THRESHOLD_REF not in REFS
