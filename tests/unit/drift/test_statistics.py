"""Each statistic against scipy, or against a slow and obvious loop."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon

from torchvitals.drift.statistics import (
    benjamini_hochberg,
    gaussian_kl_divergence,
    js_distance,
    kl_divergence,
    mean_shift_sigmas,
    population_stability_index,
    smoothed_shares,
    wasserstein_distance,
)
from torchvitals.drift.statistics.significance import chi_square_p_value

counts = arrays(np.float64, st.integers(2, 12), elements=st.integers(0, 5000).map(float))
finite = st.floats(-1e6, 1e6, allow_nan=False)
positive = st.floats(1e-3, 1e3)


def pair_of_counts():
    return st.integers(2, 12).flatmap(
        lambda n: st.tuples(*[arrays(np.float64, n, elements=st.integers(0, 5000).map(float))] * 2)
    )


def shares_of(counts):
    return smoothed_shares(counts, np.ones(counts.shape, dtype=bool))


@given(pair_of_counts())
def test_kl_is_scipys_entropy(both):
    p, q = map(shares_of, both)
    assert kl_divergence(p, q) == pytest.approx(stats.entropy(p, q), abs=1e-9)


@given(pair_of_counts())
def test_psi_is_kl_both_ways(both):
    p, q = map(shares_of, both)
    assert population_stability_index(p, q) == pytest.approx(
        stats.entropy(p, q) + stats.entropy(q, p), abs=1e-9
    )
    by_hand = sum((b - a) * math.log(b / a) for a, b in zip(p, q))
    assert population_stability_index(p, q) == pytest.approx(by_hand, abs=1e-9)


@given(pair_of_counts())
def test_js_is_scipys_distance(both):
    p, q = map(shares_of, both)
    # scipy takes the root of a difference that rounding can leave a little off zero.
    assert js_distance(p, q) ** 2 == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-9)


@given(finite, positive, finite, positive)
def test_gaussian_kl_is_the_closed_form(p_mean, p_std, q_mean, q_std):
    got = gaussian_kl_divergence(*(np.array([value]) for value in (p_mean, p_std, q_mean, q_std)))[0]
    want = math.log(q_std / p_std) + (p_std**2 + (p_mean - q_mean) ** 2) / (2 * q_std**2) - 0.5
    assert got == pytest.approx(max(want, 0.0), rel=1e-9, abs=1e-9)


def test_gaussian_kl_of_five_sigmas_is_twelve_and_a_half():
    rng = np.random.default_rng(0)
    baseline, live = rng.normal(size=200_000), rng.normal(size=200_000) + 5
    moments = (np.array([value]) for value in (baseline.mean(), baseline.std(), live.mean(), live.std()))
    assert gaussian_kl_divergence(*moments)[0] == pytest.approx(12.5, abs=0.15)


@pytest.mark.parametrize(
    ("p_mean", "p_std", "q_mean", "q_std"),
    [(0, 0, 0, 0), (5, 0, 5, 0), (5, 0, 6, 0), (0, 1, 0, 0), (0, 0, 1e6, 1), (1e30, 0, -1e30, 0)],
)
def test_no_standard_deviation_breaks_gaussian_kl(p_mean, p_std, q_mean, q_std):
    values = [np.array([float(value)]) for value in (p_mean, p_std, q_mean, q_std)]
    divergence = gaussian_kl_divergence(*values)[0]
    assert np.isfinite(divergence)
    assert divergence >= 0
    assert np.isfinite(mean_shift_sigmas(values[0], values[1], values[2])[0])


@given(
    arrays(np.float64, st.integers(1, 60), elements=finite),
    arrays(np.float64, st.integers(1, 60), elements=finite),
)
def test_wasserstein_is_scipys(grid, values):
    got = wasserstein_distance(np.sort(grid), np.sort(values))
    # Of large numbers, a difference of nothing is as far from 0 as their last digit.
    digit = 1e-14 * max(np.abs(grid).max(), np.abs(values).max(), 1e5)
    assert got == pytest.approx(stats.wasserstein_distance(grid, values), rel=1e-9, abs=digit)


def test_wasserstein_of_nothing_is_zero():
    assert wasserstein_distance(np.array([]), np.array([1.0])) == 0.0
    assert wasserstein_distance(np.array([1.0]), np.array([])) == 0.0


@given(pair_of_counts())
def test_p_value_is_that_of_a_contingency_table(both):
    table = np.vstack(both)
    table = table[:, table.sum(axis=0) > 0]
    got = chi_square_p_value(*both)
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        assert got == 1.0
    else:
        assert got == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.001, 0.2))
def test_benjamini_hochberg_is_scipys(p_values, rate):
    p = np.array(p_values)
    adjusted = stats.false_discovery_control(p, method="bh")
    clear = np.abs(adjusted - rate) > 1e-12  # a tie with the rate is rounding's to decide
    assert (benjamini_hochberg(p, rate) == (adjusted <= rate))[clear].all()


@given(counts)
def test_shares_are_positive_and_sum_to_one(values):
    shares = shares_of(values)
    assert (shares > 0).all()
    assert shares.sum() == pytest.approx(1)


def test_padding_has_no_share():
    shares = smoothed_shares(np.array([3.0, 1.0, 0.0]), np.array([True, True, False]))
    assert shares.tolist() == [0.7, 0.3, 0.0]
