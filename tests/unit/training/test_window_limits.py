"""Limits that the training data's own windows set, steady verdicts, and significance of small windows."""

from datetime import date

import numpy as np
import pytest

from examples.flight_delay.data import COLUMNS, between, load_flights
from torchvitals import Baseline, DriftMonitor
from torchvitals.baseline.variation import MIN_WINDOWS, shortfall
from torchvitals.drift.hysteresis import Hysteresis
from torchvitals.drift.statistics import STATISTICS
from torchvitals.drift.statistics.significance import monte_carlo_p_value, two_sample_p_value

STRIDE = 250


@pytest.fixture(scope="module")
def year():
    return load_flights()


@pytest.fixture(scope="module")
def ordered(year):
    winter = between(year, date(2013, 1, 1), date(2013, 2, 14))[COLUMNS]
    return Baseline.fit(winter, ordered=True, windows=(1000, 10_000))


def verdicts(baseline, rows):
    """Return, for windows of 1,000 rows every 250, the features that drifted, worst first."""
    monitor, found = DriftMonitor(baseline), []
    for start in range(0, len(rows) - STRIDE + 1, STRIDE):
        monitor.update(rows[start : start + STRIDE])
        if monitor.rows_seen >= 1000:
            features = monitor.report().features
            found.append([name for name, drift in features.items() if drift.drifted])
    return found


def alert_worthy(found):
    """Count verdicts that follow another one."""
    return sum(bool(one) and bool(two) for one, two in zip(found, found[1:], strict=False))


@pytest.mark.parametrize(
    ("first", "last", "least", "most"),
    [
        (date(2013, 1, 1), date(2013, 2, 14), 0.0, 0.0),
        (date(2013, 2, 15), date(2013, 2, 28), 0.0, 0.0),
        (date(2013, 3, 1), date(2013, 3, 31), 0.0, 0.02),
        (date(2013, 7, 1), date(2013, 7, 31), 0.99, 1.0),
    ],
)
def test_real_traffic_in_its_natural_order(year, ordered, first, last, least, most):
    found = verdicts(ordered, between(year, first, last)[COLUMNS].to_numpy())
    share = sum(map(bool, found)) / len(found)
    print(
        f"{first} to {last}: {share:.1%} of {len(found)} windows drifted, {alert_worthy(found)} alert-worthy"
    )
    assert least <= share <= most
    if most < 0.5:
        assert alert_worthy(found) == 0
    else:
        assert {names[0] for names in found if names} <= {"temp", "dewp"}


def test_a_unit_bug_in_late_february_is_caught_within_a_thousand_rows(year, ordered):
    rows = between(year, date(2013, 2, 15), date(2013, 2, 28))[COLUMNS].to_numpy().copy()
    rows[2000:, COLUMNS.index("temp")] = (rows[2000:, COLUMNS.index("temp")] - 32) / 1.8
    found = verdicts(ordered, rows)
    after = (2000 - 1000) // STRIDE  # verdicts on windows that end before the fault
    assert not any(found[: after + 1])
    first = next(index for index, names in enumerate(found) if "temp" in names)
    assert first - after <= 1000 // STRIDE


def test_the_limit_is_the_farthest_training_window_and_a_margin(year, ordered):
    temp = next(feature for feature in ordered.features if feature.name == "temp")
    assert [variation.window for variation in temp.variation] == [1000]
    variation = temp.variation[0]
    assert variation.windows == 147
    drift = ordered.compare(year[COLUMNS].head(1000)).features["temp"]
    assert {statistic.name: statistic.margin for statistic in STATISTICS.learned} == {
        "kl_divergence": 2.25,
        "wasserstein_distance": 1.5,
        "narrowing": 3.0,
        "exceedance_ratio": 1.0,
    }
    for name in ("kl_divergence", "wasserstein_distance", "narrowing"):
        farthest = variation.quantiles[name][-1]
        assert drift.threshold[name] == pytest.approx(STATISTICS[name].margin * farthest)


def test_too_few_rows_for_a_window_size_are_said_and_the_smaller_ones_limits_used(ordered):
    assert shortfall(ordered.samples, 1000) == 0
    assert shortfall(ordered.samples, 10_000) == MIN_WINDOWS * 10_000 - ordered.samples
    monitor = DriftMonitor(ordered, window=[1000, 10_000])
    monitor.update(np.zeros((100, 10)))
    small = monitor.report(window=1000).features["temp"].threshold
    assert monitor.report(window=10_000).features["temp"].threshold == small


def test_a_window_that_is_not_full_is_not_judged_by_the_limits_of_full_ones(year, ordered):
    """The first rows of a worker are one morning, and no training window was one morning alone."""
    rows = between(year, date(2013, 2, 15), date(2013, 2, 28))[COLUMNS].to_numpy()
    monitor = DriftMonitor(ordered)
    for start in range(0, 3000, 50):
        monitor.update(rows[start : start + 50])
        assert not monitor.report().drifted
    broken = DriftMonitor(ordered)
    broken.update(np.full((999, 10), 1e6))
    assert not broken.report().drifted
    broken.update(np.full((1, 10), 1e6))
    assert broken.report().drifted


def test_an_ordered_baseline_reads_back_the_same(ordered, tmp_path):
    ordered.save(tmp_path / "b.json")
    assert Baseline.load(tmp_path / "b.json") == ordered


def test_without_an_order_nothing_is_known_of_it():
    rng = np.random.default_rng(0)
    drift = Baseline.fit(rng.normal(size=(5000, 1))).compare(rng.normal(size=(500, 1)) + 2).features["f0"]
    assert drift.threshold == {}
    assert drift.beyond
    assert drift.drifted


def test_several_windows_are_judged_at_once():
    rng = np.random.default_rng(1)
    baseline = Baseline.fit(rng.normal(size=(5000, 2)))
    monitor = DriftMonitor(baseline, window=[200, 2000])
    monitor.update(rng.normal(size=(1900, 2)))
    monitor.update(rng.normal(size=(200, 2)) + 1)
    assert monitor.report(window=200).drifted
    assert not monitor.report(window=2000).drifted
    assert monitor.report().samples == 200


@pytest.mark.parametrize(("rows", "limit"), [(100, 0.002), (250, 0.002), (500, 0.001), (1000, 0.0)])
def test_windows_without_drift_are_quiet(rows, limit):
    """2,000 independent windows of 10 features of several kinds, baseline 10,000."""
    rng = np.random.default_rng(20261122)

    def draw(count):
        columns = [
            *(rng.normal(size=count) for _ in range(5)),
            rng.lognormal(size=count),
            rng.integers(0, 4, count),
            np.where(rng.random(count) < 0.95, 0.0, rng.exponential(size=count)),
            rng.random(count) < 0.02,
            np.where(rng.random(count) < 0.03, np.nan, rng.uniform(size=count)),
        ]
        return np.column_stack([np.asarray(column, dtype=float) for column in columns])

    baseline = Baseline.fit(draw(10_000))
    monitor = DriftMonitor(baseline, window=rows)
    flagged = 0
    for _ in range(2000):
        monitor.update(draw(rows))
        flagged += monitor.report().drifted
    print(f"{rows} rows: {flagged / 2000:.2%} of 2,000 windows drifted")
    assert flagged / 2000 <= limit


def test_a_stable_stream_raises_no_alert_worthy_verdict():
    rng = np.random.default_rng(20261123)
    monitor = DriftMonitor(Baseline.fit(rng.normal(size=(10_000, 10))))
    found = []
    for _ in range(4000):
        monitor.update(rng.normal(size=(250, 10)))
        found.append([name for name, drift in monitor.report().features.items() if drift.drifted])
    assert monitor.rows_seen == 1_000_000
    assert alert_worthy(found) == 0


@pytest.mark.parametrize(
    "shares",
    [[0.1] * 10, [0.95, *[0.05 / 9] * 9], [0.5, 0.3, 0.15, 0.04, 0.009, 0.001]],
)
@pytest.mark.parametrize("rows", [30, 100, 1000])
def test_p_values_hold_their_level_where_bins_are_rare(shares, rows):
    """Two thousand windows without drift: a p-value is below a level as often as the level says, or less."""
    rng = np.random.default_rng(3)
    shares = np.array(shares) / np.sum(shares)
    baseline = rng.multinomial(10_000, shares).astype(float)
    windows = rng.multinomial(rows, shares, size=2000).astype(float)
    p_values = two_sample_p_value(np.broadcast_to(baseline, windows.shape), windows)
    assert (p_values <= 0.01).mean() <= 0.02
    assert (p_values <= 0.001).mean() <= 0.004


def test_beyond_the_largest_draw_p_values_go_on_falling():
    baseline = np.full(10, 1000.0)
    far = monte_carlo_p_value(baseline, np.array([60.0, 40, *[0] * 8]))
    farther = monte_carlo_p_value(baseline, np.array([100.0, *[0] * 9]))
    assert 0 < farther < far < 1 / 20_000


def test_a_verdict_is_believed_after_a_quarter_of_a_window():
    steady = Hysteresis(1000)
    names = ["a", "b"]
    assert steady.update(names, {"a"}, 1000) == set()
    assert steady.update(names, {"a"}, 1100) == set()
    assert steady.update(names, {"a"}, 1250) == {"a"}
    assert steady.update(names, set(), 1300) == {"a"}
    assert steady.update(names, {"a"}, 1400) == {"a"}
    assert steady.update(names, set(), 1500) == {"a"}
    assert steady.update(names, set(), 1750) == set()


def test_one_unlucky_window_judged_again_and_again_counts_once():
    steady = Hysteresis(1000)
    assert all(steady.update(["a"], {"a"}, 5000) == set() for _ in range(100))
