"""Isotonic regression, against scipy's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from torchvitals.accuracy.isotonic import isotonic

NUMBERS = st.floats(-1e6, 1e6)
WEIGHTS = st.floats(1e-3, 1e6)


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, WEIGHTS), min_size=1, max_size=60))
def test_it_is_scipys(points):
    values, weights = (np.array(column) for column in zip(*points))
    found = isotonic(values, weights)
    assert np.allclose(found, isotonic_regression(values, weights=weights).x, rtol=1e-9, atol=1e-6)
    assert (np.diff(found) >= 0).all()


def test_ties_and_falling_values_are_pooled_by_weight():
    assert isotonic(np.array([3.0, 0.0, 0.0, 5.0]), np.array([1.0, 1.0, 4.0, 1.0])).tolist() == [
        0.5,
        0.5,
        0.5,
        5.0,
    ]


def test_nothing_gives_nothing():
    assert isotonic(np.array([]), np.array([])).tolist() == []
