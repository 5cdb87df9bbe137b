"""How large a change must be: by default, for a model, for a feature."""

import numpy as np
import pytest

from torchvitals import Baseline, DriftMonitor
from torchvitals.baseline.selection import Features
from torchvitals.config import MonitoringConfig, Thresholds
from torchvitals.drift.floors import Floors

SMALL = {"psi": 0.01, "wasserstein_distance": 0.1, "share_change": 0.01, "exceedance_ratio": 0.001}


@pytest.mark.parametrize(
    "large",
    [{"psi": 0.05}, {"wasserstein_distance": 0.13}, {"share_change": 0.05}, {"exceedance_ratio": 0.007}],
    ids=lambda one: next(iter(one)),
)
def test_a_change_that_reaches_any_floor_counts(large):
    assert not Floors().reached(SMALL)
    assert Floors().reached({**SMALL, **large})


def test_a_floor_of_none_is_not_asked_and_without_any_all_count():
    assert not Floors(psi=None).reached({**SMALL, "psi": 9.0})
    assert Floors(None, None, None, None).reached(SMALL)


def test_what_a_feature_does_not_have_reaches_no_floor():
    assert not Floors().reached({**SMALL, "wasserstein_distance": np.nan})


def test_a_section_of_the_configuration_sets_them():
    config = MonitoringConfig(
        thresholds=Thresholds(psi=None, wasserstein_distance=0.4),
        features=Features(
            psi={"age": 0.3}, share_change={"age": 0.2, "kind": 0.1}, exceedance_ratio={"age": 0.02}
        ),
    )
    assert config.thresholds.floors == Floors(None, 0.4, 0.05, 0.007)
    assert config.feature_floors == {
        "age": Floors(0.3, None, 0.2, 0.02),
        "kind": Floors(None, None, 0.1, None),
    }


def test_a_feature_with_floors_of_its_own_has_no_others():
    rng = np.random.default_rng(1)
    baseline = Baseline.fit(rng.normal(size=(5000, 2)))
    moved = rng.normal(size=(1000, 2)) + 0.4

    def drifted(**options):
        monitor = DriftMonitor(baseline, **options)
        monitor.update(moved)
        return {name for name, drift in monitor.report().features.items() if drift.drifted}

    assert {"f0", "f1"} <= drifted()
    assert "f0" not in drifted(
        feature_floors={"f0": Floors(psi=None, wasserstein_distance=0.6, exceedance_ratio=None)}
    )
    assert "f0" not in drifted(psi_floors={"f0": 1.0})
    assert drifted(floors=Floors(psi=1.0, wasserstein_distance=1.0, exceedance_ratio=1.0)) <= {"row_distance"}
    assert not drifted(psi_floor=1.0)
