"""A wide model has the main statistics of every feature, and all of them of what drifted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from torchvitals import Baseline, DriftDetector, MonitoringConfig
from torchvitals.drift.statistics import STATISTICS
from torchvitals.featurizers.row_distance import NAME as ROW_DISTANCE
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.drift import TELLING, DriftTelemetry

WIDTH = 40
WINDOW = 500
MAIN = {
    m.feature_gauge(name).name
    for name in ("kl_divergence", "psi", "wasserstein_distance", "mean_shift_sigmas")
}
ALL = {m.feature_gauge(statistic.name).name for statistic in STATISTICS}


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    rng = np.random.default_rng(7)
    return Baseline.fit(rng.normal(size=(20_000, WIDTH)), feature_names=[f"f{i}" for i in range(WIDTH)])


class Served:
    """A worker that takes in windows of rows, and what it has published."""

    def __init__(self, baseline: Baseline, **options: Any) -> None:
        self.publisher = MemoryPublisher()
        self.telemetry = DriftTelemetry(
            DriftDetector(baseline, window=WINDOW), worker="9000", max_features=100, **options
        )
        self.telemetry.start(self.publisher)
        self.rng = np.random.default_rng(8)

    def serve(self, *moved: int, by: float = 3.0) -> None:
        # What drifts is believed once it has lasted.
        for _ in range(6):
            rows = self.rng.normal(size=(WINDOW, WIDTH))
            rows[:, list(moved)] += by
            self.telemetry.add_inputs(rows)
            self.telemetry.evaluate(lambda: None)
            self.telemetry.publish(self.publisher)

    @property
    def statistics(self) -> dict[str, set[str]]:
        """The names of the statistics that have a series, by feature."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for name, labels in self.publisher.series:
            if name in ALL:
                found[labels[1]].add(name)
        return found

    @property
    def row_shares(self) -> set[str]:
        return {labels[1] for name, labels in self.publisher.series if name == m.ROW_SHARE.name}


def test_a_feature_gets_all_statistics_once_it_drifts_and_keeps_them(baseline):
    served = Served(baseline, detailed_features=30)
    served.serve()
    assert set(served.statistics) == {*(f"f{i}" for i in range(WIDTH)), ROW_DISTANCE}
    assert all(names == MAIN for names in served.statistics.values())
    assert not served.row_shares
    served.serve(3)
    assert served.publisher.value(m.DRIFTED, "input", "f3", str(WINDOW), "9000") == 1
    assert served.statistics["f3"] == ALL
    assert all(served.statistics[f"f{i}"] == MAIN for i in range(WIDTH) if i != 3)
    served.serve()
    p_value = served.publisher.value(m.feature_gauge("p_value"), "input", "f3", str(WINDOW), "9000")
    assert p_value > 0.001
    assert served.publisher.value(m.DRIFTED, "input", "f3", str(WINDOW), "9000") == 0


def test_what_makes_rows_unusual_is_told(baseline):
    served = Served(baseline, detailed_features=30)
    # Each column a little, so that none but the rows as a whole is far away.
    served.serve(*range(WIDTH), by=0.5)
    assert served.publisher.value(m.DRIFTED, "input", ROW_DISTANCE, str(WINDOW), "9000") == 1
    assert len(served.row_shares) >= TELLING


@pytest.mark.parametrize("options", [{"detailed_features": WIDTH + 1}, {}])
def test_a_model_with_few_enough_features_has_all_statistics_of_each(baseline, options):
    served = Served(baseline, **options)
    served.serve()
    assert len(served.statistics) == WIDTH + 1
    assert all(ALL - names <= {m.feature_gauge("narrowing").name} for names in served.statistics.values())
    assert len(served.row_shares) == WIDTH


def test_thirty_features_are_few_enough_by_default():
    assert MonitoringConfig().detailed_features == 30
