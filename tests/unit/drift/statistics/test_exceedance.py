"""Values that lie far out: how many there are, what chance makes of them, and which of training come together."""

import numpy as np
import pytest
from scipy import stats

from torchvitals import Baseline, DriftMonitor
from torchvitals.drift.statistics.exceedance import CHANCE, ExceedanceRatio
from torchvitals.drift.statistics.tails import beyond_range_p_value, exceedance_p_value
from torchvitals.training.far_out import come_together


def p_value(far, rank, window, baseline):
    return float(exceedance_p_value(*(np.array([float(one)]) for one in (far, rank, window, baseline)))[0])


def test_it_is_the_law_of_the_largest_of_both_samples():
    """Among the far + rank - 1 largest of all, fewer than rank are the baseline's."""
    for far, rank, window, baseline in (
        (3, 5, 100, 1000),
        (10, 11, 1000, 10_000),
        (1, 2, 50, 60),
        (60, 4, 60, 90),
    ):
        expected = stats.hypergeom.cdf(rank - 1, window + baseline, baseline, far + rank - 1)
        assert p_value(far, rank, window, baseline) == pytest.approx(expected, rel=1e-9)


def test_beyond_the_largest_it_is_that_of_values_beyond_the_range():
    for far in (0, 1, 4):
        numbers = (np.array([float(far)]), np.array([200.0]), np.array([3000.0]))
        assert p_value(far, 1, 200, 3000) == pytest.approx(float(beyond_range_p_value(*numbers)[0]))


@pytest.mark.parametrize(("baseline", "window", "rank"), [(1000, 250, 2), (10_000, 1000, 11)])
def test_p_values_hold_their_level(baseline, window, rank):
    rng = np.random.default_rng(1)
    far = [
        np.sum(rng.standard_cauchy(window) > np.sort(rng.standard_cauchy(baseline))[-rank])
        for _ in range(2000)
    ]
    found = np.array([p_value(one, rank, window, baseline) for one in far])
    for level in (0.05, 0.01):
        assert np.mean(found < level) <= stats.binom.ppf(0.9999, 2000, level) / 2000


def test_the_statistic_is_the_share_beyond_the_quantile_that_one_in_a_thousand_exceeds():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(20_000, 2))
    monitor = DriftMonitor(Baseline.fit(rows, feature_names=["a", "b"]), window=1000)
    window = rng.uniform(-1, 1, size=(1000, 2))
    window[rng.choice(1000, 30, replace=False), 0] = -3.4
    window[:10, 1] = np.nan
    monitor.update(window)
    features = monitor.report().features
    assert features["a"].exceedance_ratio == pytest.approx(0.03)
    assert features["b"].exceedance_ratio == 0
    assert features["a"].drifted


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])
@pytest.mark.parametrize("rows", [5_000, 30_000])
def test_a_hundredfold_top_one_in_a_hundred_of_heavy_tails_is_found(ordered, rows):
    rng = np.random.default_rng([3, rows])
    train = 1 + rng.pareto(1.2, (rows, 6))
    baseline = Baseline.fit(train, ordered=ordered, windows=(1000,) if rows > 20_000 else (250,))
    found = quiet = 0
    for _ in range(20):
        window = 1 + rng.pareto(1.2, (1000, 6))
        monitor = DriftMonitor(baseline, window=1000)
        monitor.update(window)
        quiet += monitor.report().drifted
        top = np.argsort(window[:, 2])[-10:]
        window[top, 2] *= 100
        monitor = DriftMonitor(baseline, window=1000)
        monitor.update(window)
        found += next(iter(monitor.report().features.values())).name == "f2" and monitor.report().drifted
    assert quiet == 0
    assert found >= 19 or (
        ordered and rows == 5_000
    )  # limits of windows in which no value far out is expected


def test_infinities_that_training_had_lie_no_farther_out_than_there():
    rng = np.random.default_rng(7)

    def rows(count, infinite=0.02):
        values = rng.normal(size=(count, 2))
        values[rng.random(count) < infinite, 0] = np.inf
        return values

    baseline = Baseline.fit(rows(10_000))
    for infinite, drifts in ((0.02, False), (0.2, True)):
        monitor = DriftMonitor(baseline, window=1000)
        monitor.update(rows(1000, infinite))
        f0 = monitor.report().features["f0"]
        assert f0.drifted is drifts
        assert f0.exceedance_ratio < 0.008


def test_texts_have_none():
    monitor = DriftMonitor(
        Baseline.fit(np.random.default_rng(4).integers(0, 3, (500, 1)).astype(float)), window=100
    )
    monitor.update(np.zeros((100, 1)))
    assert np.isnan(monitor.report().features["f0"].exceedance_ratio)


def test_the_limit_in_order_is_that_of_rows_which_come_one_by_one():
    limit = ExceedanceRatio().limit
    assert limit(0.004, 1000) == pytest.approx(stats.poisson.isf(CHANCE, 1) / 1000, abs=0.001)
    assert limit(0.02, 1000) is None
    assert limit(0.0, 250) is None


def test_rows_that_come_together_are_told_from_chance():
    rng = np.random.default_rng(5)
    alone = [come_together(rng.random(20_000) < 0.001) for _ in range(200)]
    assert np.mean(alone) <= 0.02
    storms = np.zeros(20_000, dtype=bool)
    for place in rng.integers(0, 19_990, 4):
        storms[place : place + 5] = True
    assert come_together(storms)
    assert not come_together(np.zeros(100, dtype=bool))


def test_a_baseline_of_storms_has_no_limit_for_them():
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(30_000, 2))
    for place in rng.integers(0, 29_990, 8):
        rows[place : place + 6, 0] += 20
    features = {one.name: one for one in Baseline.fit(rows, ordered=True, windows=(1000,)).features}
    assert features["f0"].variation[0].farthest("exceedance_ratio") is None
    assert features["f1"].variation[0].farthest("exceedance_ratio") is not None
