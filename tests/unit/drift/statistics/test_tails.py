"""How likely so many values beyond a sample's range are, against counting all orders."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from torchvitals.drift.statistics.tails import beyond_range_p_value


@pytest.mark.parametrize(("window", "baseline"), [(3, 4), (5, 2), (1, 6)])
def test_it_is_the_share_of_orders_with_so_many_at_the_top(window, baseline):
    total = window + baseline
    orders = [set(places) for places in combinations(range(total), window)]
    assert len(orders) == comb(total, window)
    for beyond in range(1, window + 1):
        top = set(range(total - beyond, total))
        expected = sum(top <= places for places in orders) / len(orders)
        found = beyond_range_p_value(np.array([beyond]), np.array([window]), np.array([baseline]))
        assert found[0] == pytest.approx(expected)


def test_none_beyond_is_no_surprise_and_many_are_one():
    beyond, window, baseline = np.array([0.0, 1.0, 50.0]), np.full(3, 1000.0), np.full(3, 10_000.0)
    found = beyond_range_p_value(beyond, window, baseline)
    assert found[0] == 1.0
    assert found[1] == pytest.approx(1000 / 11_000)
    assert 0 <= found[2] < 1e-50
