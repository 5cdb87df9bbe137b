"""What is called drift, and what is not."""

import numpy as np
import pytest
from scipy import stats

from torchvitals import Baseline, DriftMonitor
from torchvitals.drift.statistics import STATISTICS

rng = np.random.default_rng(3)
NAMES = [f"f{i}" for i in range(10)]


@pytest.fixture(scope="module")
def baseline():
    return Baseline.fit(rng.normal(size=(10_000, 10)), outputs=rng.normal(size=(10_000, 3)))


def test_the_same_distribution_is_quiet(baseline):
    report = baseline.compare(rng.normal(size=(1000, 10)))
    assert not report.drifted
    assert report.drifted_ratio == 0.0


def test_the_moved_feature_is_named_first(baseline):
    rows = rng.normal(size=(1000, 10))
    rows[:, 7] += 1
    report = baseline.compare(rows)
    assert next(iter(report.features)) == "f7"
    assert [name for name, drift in report.features.items() if drift.drifted] == ["f7", "row_distance"]
    moved = report.features["f7"]
    assert moved.mean_shift_sigmas == pytest.approx(1, abs=0.1)
    assert moved.wasserstein_distance == pytest.approx(1, abs=0.1)


def test_five_sigmas(baseline):
    drift = baseline.compare(rng.normal(size=(100_000, 10)) + 5).features["f0"]
    assert drift.gaussian_kl_divergence == pytest.approx(12.5, abs=0.6)
    assert drift.mean_shift_sigmas == pytest.approx(5, abs=0.05)


def test_missing_values_are_drift(baseline):
    rows = rng.normal(size=(1000, 10))
    rows[:300, 2] = np.nan
    drift = baseline.compare(rows).features["f2"]
    assert drift.missing_ratio == pytest.approx(0.3)
    assert drift.drifted


def test_a_column_without_values_gives_numbers_all_the_same(baseline):
    rows = rng.normal(size=(200, 10))
    rows[:, 4] = np.nan
    drift = baseline.compare(rows).features["f4"]
    assert set(drift.values) == {statistic.name for statistic in STATISTICS}
    assert all(np.isfinite(value) for value in drift.values.values())
    assert (drift.missing_ratio, drift.wasserstein_distance, drift.mean_shift_sigmas) == (1.0, 0.0, 0.0)


def test_infinite_values_break_nothing(baseline):
    rows = rng.normal(size=(200, 10))
    rows[:50, 0] = np.inf
    drift = baseline.compare(rows).features["f0"]
    assert drift.drifted
    assert np.isfinite(drift.mean_shift_sigmas)


def test_an_empty_window_reports_nothing(baseline):
    report = DriftMonitor(baseline).report()
    assert report.samples == 0
    assert not report.drifted


def test_a_constant_feature_that_stays_constant_is_quiet():
    steady = Baseline.fit(np.full((1000, 1), 7.0))
    assert not steady.compare(np.full((500, 1), 7.0)).drifted
    assert steady.compare(np.full((500, 1), 8.0)).drifted


def test_a_large_window_is_not_drift_for_being_large(baseline):
    """Significance alone would flag a shift of a tenth; the effect floor does not."""
    report = baseline.compare(rng.normal(size=(200_000, 10)) + 0.1)
    assert report.features["f0"].p_value < 1e-6
    assert not report.drifted


def test_statistics_of_the_report_are_scipys(baseline):
    rows = rng.normal(0.3, 1.2, size=(1000, 10))
    drift = baseline.compare(rows).features["f5"]
    feature = baseline.features[5]
    values = rows[:, 5].astype(np.float32).astype(np.float64)
    p = np.array(feature.counts) + 0.5
    q = np.histogram(values, [-np.inf, *np.nextafter(feature.edges, np.inf), np.inf])[0]
    q = np.append(q, 0) + 0.5
    assert drift.kl_divergence == pytest.approx(stats.entropy(p, q), abs=1e-9)
    low, high = len(feature.low_tail), len(feature.high_tail)
    grid = [*feature.low_tail, *feature.quantiles[1:-1], *feature.high_tail]
    weights = [*[1 / low] * low, *[1.0] * (len(feature.quantiles) - 2), *[1 / high] * high]
    distance = stats.wasserstein_distance(grid, values, weights) / feature.std
    assert drift.wasserstein_distance == pytest.approx(distance, abs=1e-9)
    assert drift.mean_shift_sigmas == pytest.approx((values.mean() - feature.mean) / feature.std, abs=1e-9)


def test_old_rows_leave_the_window(baseline):
    monitor = DriftMonitor(baseline, window=500)
    monitor.update(rng.normal(size=(500, 10)) + 3)
    assert monitor.report().drifted
    monitor.update(rng.normal(size=(500, 10)))
    assert not monitor.report().drifted


def test_outputs_are_features_too(baseline):
    monitor = DriftMonitor(baseline)
    monitor.update(rng.normal(size=(1000, 10)), outputs=rng.normal(size=(1000, 3)) + [4, 0, 0])
    drifted = [drift.name for drift in monitor.report().features.values() if drift.drifted]
    assert set(drifted) == {"predicted_class", "confidence", "entropy", "margin", "energy"}


def test_an_input_named_like_an_output_keeps_its_own_row():
    both = Baseline.fit(rng.normal(size=(1000, 1)), feature_names=["value"], outputs=rng.normal(size=1000))
    report = both.compare(rng.normal(size=(500, 1)) + 9, outputs=rng.normal(size=500))
    assert {drift.source for drift in report.features.values()} == {"input", "output"}
    assert len(report.features) == 2


def test_a_window_that_is_not_kept_is_named_beside_those_that_are(baseline):
    with pytest.raises(ValueError, match="no window of 300 rows; there are 200, 1000"):
        DriftMonitor(baseline, window=[1000, 200]).report(window=300)


def test_window_must_hold_a_row(baseline):
    with pytest.raises(ValueError, match="window is 0"):
        DriftMonitor(baseline, window=0)
