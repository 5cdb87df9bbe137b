"""Rows that hang together are taken for fewer independent ones."""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from torchvitals.drift.statistics.dispersion import dispersed_p_value, dispersion, hang_together
from torchvitals.drift.statistics.significance import chi_square

BINS = 10
EDGES = stats.norm.ppf(np.arange(1, BINS) / BINS)


def autoregressive(rho, rows, rng):
    noise = rng.normal(size=rows + 500)
    return lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise)[500:]


def bins_of(values):
    return np.searchsorted(EDGES, values)


def test_independent_rows_do_not_hang_together():
    rng = np.random.default_rng(1)
    assert hang_together(bins_of(rng.normal(size=(1000, 400)))).sum() <= 8


@pytest.mark.parametrize("rho", [0.5, 0.9, 0.99])
def test_autoregressive_rows_do(rho):
    rng = np.random.default_rng(2)
    values = np.stack([autoregressive(rho, 1000, rng) for _ in range(20)], axis=1)
    assert hang_together(bins_of(values)).all()


@pytest.mark.parametrize("place", [100, 500, 900])
def test_a_level_that_shifts_once_is_no_hanging_together(place):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(1000, 50))
    values[place:] += 2
    assert not hang_together(bins_of(values)).any()


def test_a_handful_of_rows_tells_nothing():
    assert not hang_together(np.zeros((5, 1), dtype=np.intp)).any()
    assert not hang_together(np.zeros((0, 1), dtype=np.intp)).any()


def test_the_law_of_independent_rows_is_about_that_of_chi_square():
    rng = np.random.default_rng(4)
    found = np.array([dispersion(bins_of(rng.normal(size=10_000)), BINS)[:2] for _ in range(50)])
    # Mean of the law: scale times degrees of freedom.
    assert found.prod(axis=1).mean() == pytest.approx(BINS - 1, rel=0.1)


@pytest.mark.parametrize(("rho", "rows"), [(0.7, 1000), (0.9, 1000), (0.9, 10_000)])
def test_p_values_of_quiet_autoregressive_rows_are_not_too_small(rho, rows):
    rng = np.random.default_rng(5)
    baseline = np.full(BINS, 10_000.0)
    small = 0
    for _ in range(400):
        bins = bins_of(autoregressive(rho, rows, rng))
        statistic = float(chi_square(baseline, np.bincount(bins, minlength=BINS).astype(float))[0])
        small += dispersed_p_value(statistic, *dispersion(bins, BINS)) < 0.01
    assert small <= 12
    # By the law of independent rows, most of them would be.
    assert stats.chi2.sf(statistic, BINS - 1) < 0.5 or small < 12


def test_a_large_shift_of_autoregressive_rows_is_still_significant():
    rng = np.random.default_rng(6)
    bins = bins_of(autoregressive(0.7, 1000, rng) + 0.9)
    baseline = np.full(BINS, 10_000.0)
    statistic = float(chi_square(baseline, np.bincount(bins, minlength=BINS).astype(float))[0])
    assert dispersed_p_value(statistic, *dispersion(bins, BINS)) < 1e-5
