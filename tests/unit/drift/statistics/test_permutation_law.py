"""The law of permutations against the permutations themselves, against Monte Carlo, and its level without drift."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from torchvitals.drift.statistics import two_sample_p_value
from torchvitals.drift.statistics.permutation_law import _moments, permutation_p_value
from torchvitals.drift.statistics.significance import FEW_BINS, chi_square, monte_carlo_p_value, null_tail


def zipf(classes: int, power: float = 1.0) -> np.ndarray:
    """Return shares that fall with the rank."""
    shares = 1 / np.arange(1, classes + 1) ** power
    return shares / shares.sum()


def shared_out(counts: np.ndarray, samples: int, times: int, seed: int = 1) -> np.ndarray:
    """Return the statistic of so many permutations, (times,)."""
    windows = np.random.default_rng(seed).multivariate_hypergeometric(counts, samples, size=times)
    return chi_square((counts - windows).astype(float), windows.astype(float))[0]


@pytest.mark.parametrize(
    "counts",
    [[3, 4, 5], [1] * 30, [500, 1, 1, 1, 2], [100, 90, 80, 5, 4, 3, 2, 1, 1, 1, 1, 1]],
    ids=["small", "all once", "one large", "mixed"],
)
def test_mean_and_variance_are_those_of_the_permutations(counts):
    counts = np.array(counts)
    samples = int(counts.sum()) // 3
    drawn = shared_out(counts, samples, 40_000)
    sizes = np.array([[[counts.sum() - samples]], [[samples]]], dtype=float)
    mean, variance = (
        float(moment[0]) for moment in _moments(counts[None].astype(float), counts[None] > 0, *sizes)
    )
    assert drawn.mean() == pytest.approx(mean, abs=5 * drawn.std() / 200 + 1e-9)
    kurtosis = stats.kurtosis(drawn) if drawn.std() > 1e-9 else 0.0
    assert drawn.var() == pytest.approx(variance, abs=5 * variance * np.sqrt((kurtosis + 2) / 40_000) + 1e-9)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0], ids=["uniform", "zipf", "steep"])
@pytest.mark.parametrize("rows", [100, 1000])
def test_it_is_what_monte_carlo_says_of_few_bins(power, rows):
    """At the values that Monte Carlo calls p = 0.05, 0.01 and 0.002, on baselines with nearly empty bins."""
    bins = FEW_BINS + 8
    baseline = np.maximum(np.round(5000 * zipf(bins, power)), 1.0)
    tail = null_tail(tuple(baseline.tolist()), rows)
    rng = np.random.default_rng(2)
    for level in (0.05, 0.01, 0.002):
        # The counts of both samples differ from draw to draw, so the law is taken over typical ones.
        at = float(tail[-round(20_000 * level)])
        found = []
        for _ in range(40):
            both = rng.multinomial(5000 + rows, baseline / baseline.sum()).astype(float)
            found.append(permutation_p_value(np.array([at]), both[None], np.array([[5000.0], [rows]])))
        assert np.mean(found) == pytest.approx(level, rel=0.35)


def test_monte_carlo_and_the_law_agree_on_windows():
    """The same windows, of every degree of drift, by both."""
    rng = np.random.default_rng(5)
    shares = zipf(24)
    baseline = rng.multinomial(20_000, shares).astype(float)
    pairs = []
    for mixed in np.linspace(0, 0.12, 40):
        window = rng.multinomial(300, (1 - mixed) * shares + mixed / 24).astype(float)
        law = two_sample_p_value(baseline[None], window[None])[0]
        drawn = monte_carlo_p_value(baseline, window)
        if 1e-3 < drawn < 0.1:
            pairs.append((law, drawn))
    law, drawn = np.array(pairs).T
    assert len(pairs) >= 10
    assert np.abs(np.log(law / drawn)).max() < np.log(1.6)


@pytest.mark.parametrize("classes", [40, 1000, 5000])
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_p_values_hold_their_level_on_small_windows_of_many_classes(classes, power):
    """The share of p-values below 1 % lies within its binomial bounds, of baselines and windows drawn anew."""
    rng = np.random.default_rng([classes, int(power)])
    shares, times = zipf(classes, power), 300
    found = []
    for _ in range(times):
        baseline = rng.multinomial(20_000, shares).astype(float)
        window = rng.multinomial(200, shares).astype(float)
        found.append(two_sample_p_value(baseline[None], window[None])[0])
    for level in (0.01, 0.1):
        low, high = stats.binom.ppf([0.0005, 0.9995], times, level) / times
        assert low <= np.mean(np.array(found) < level) <= high


def test_features_are_looked_at_each_on_its_own():
    """Whatever is beside them, and however many bins are only padding."""
    rng = np.random.default_rng(4)
    baselines, windows = np.zeros((3, 40)), np.zeros((3, 40))
    for row, bins in enumerate((40, 12, 20)):
        baselines[row, :bins] = rng.multinomial(5000, zipf(bins))
        windows[row, :bins] = rng.multinomial(150, zipf(bins, 0.9))
    alone = [
        two_sample_p_value(baselines[[row], :bins], windows[[row], :bins])[0]
        for row, bins in enumerate((40, 12, 20))
    ]
    assert two_sample_p_value(baselines, windows).tolist() == pytest.approx(alone, rel=1e-9)


def test_a_hundred_thousand_categories_take_little_time_and_memory():
    rng = np.random.default_rng(3)
    baseline = rng.multinomial(200_000, zipf(100_000)).astype(float)[None]
    window = rng.multinomial(1000, zipf(100_000)).astype(float)[None]
    tracemalloc.start()
    try:
        p_value = two_sample_p_value(baseline, window)[0]
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0 < p_value < 1
    assert most < 20e6


def test_drift_has_a_p_value_near_0_and_sameness_one_near_1():
    baseline = np.full(1000, 20.0)
    window = np.zeros(1000)
    window[:10] = 100
    assert two_sample_p_value(baseline[None], window[None])[0] < 1e-12
    assert two_sample_p_value(baseline[None], np.full((1, 1000), 1.0))[0] > 0.999


def test_nothing_to_compare_is_no_drift():
    empty, one = np.zeros(40), np.full(40, 1.0)
    p_values = two_sample_p_value(np.array([empty, one, empty]), np.array([one, empty, empty]))
    assert p_values.tolist() == [1.0, 1.0, 1.0]
