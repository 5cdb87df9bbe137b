"""Which bin a value falls in: exact cases, and every array of values against a loop over them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals.baseline.binning import Binning, assign
from torchvitals.baseline.pooling import LEAST_ROWS
from torchvitals.baseline.schema import Feature

EMPTY = {"source": "input", "count": 0, "missing": 0, "mean": 0.0, "std": 0.0, "min": 0.0, "max": 0.0}


def feature(kind, *, edges=(), categories=()):
    extra = 2
    bins = len(edges) + extra if kind == "numeric" else len(categories) + extra
    return Feature(
        name="x",
        kind=kind,
        edges=list(edges),
        categories=list(categories),
        # So many that none is taken for a rare one.
        counts=[LEAST_ROWS] * bins,
        quantiles=[],
        **EMPTY,
    )


NUMERIC = feature("numeric", edges=[0.0, 1.0, 2.5])
DISCRETE = feature("discrete", categories=[-1.0, 0.0, 3.0])
CATEGORICAL = feature("categorical", categories=["a", "b"])
NOTHING = feature("numeric")
ALL = [NUMERIC, DISCRETE, CATEGORICAL, NOTHING]


def slow_bin(of, value):
    """Return the bin of one value, by its definition."""
    if value != value:
        return of.bins - 1
    if of.kind == "numeric":
        return sum(value > edge for edge in of.edges)
    if of.kind == "discrete":
        return of.categories.index(value) if value in of.categories else len(of.categories)
    return int(value) if value >= 0 else len(of.categories)


@pytest.mark.parametrize(
    ("of", "values", "bins"),
    [
        # An edge belongs to the bin below it.
        (NUMERIC, [-9.0, 0.0, 0.5, 1.0, 2.5, 2.6], [0, 0, 1, 1, 2, 3]),
        (NUMERIC, [-np.inf, np.inf, np.nan], [0, 3, 4]),
        (DISCRETE, [-1.0, 0.0, 3.0, 1.0, 99.0, -99.0], [0, 1, 2, 3, 3, 3]),
        (DISCRETE, [np.inf, -np.inf, np.nan], [3, 3, 4]),
        (CATEGORICAL, [0.0, 1.0, -1.0, np.nan], [0, 1, 2, 3]),
        (NOTHING, [-1.0, 0.0, np.inf, np.nan], [0, 0, 0, 1]),
        (feature("discrete"), [0.0, np.nan], [0, 1]),
    ],
)
def test_the_bin_of_a_value(of, values, bins):
    assert assign(of, np.array(values)).tolist() == bins


SOME = st.one_of(
    st.sampled_from([-1.0, 0.0, 1.0, 2.5, 3.0, np.nan, np.inf, -np.inf]), st.floats(-5, 5, width=32)
)
ROWS = st.lists(st.tuples(SOME, SOME, st.sampled_from([-1.0, 0.0, 1.0, np.nan]), SOME), max_size=30)


@settings(deadline=None)
@given(ROWS)
def test_many_columns_at_once_are_binned_as_each_value_is(rows):
    found = Binning(ALL).assign(np.array(rows, dtype=np.float64).reshape(-1, len(ALL)))
    assert found.tolist() == [[slow_bin(of, value) for of, value in zip(ALL, row)] for row in rows]


@settings(deadline=None)
@given(ROWS)
def test_counts_are_those_of_the_bins_and_add_up(rows):
    binning = Binning(ALL)
    index = binning.assign(np.array(rows, dtype=np.float64).reshape(-1, len(ALL)))
    counts = binning.count(index)
    slow = np.zeros((len(ALL), binning.width), dtype=int)
    for row in rows:
        for place, (of, value) in enumerate(zip(ALL, row)):
            slow[place, slow_bin(of, value)] += 1
    assert counts.tolist() == slow.tolist()
    assert counts.sum(axis=1).tolist() == [len(rows)] * len(ALL)
    assert not counts[~binning.mask].any()


def test_bins_are_padded_to_the_widest():
    binning = Binning(ALL)
    assert binning.width == 5
    assert binning.mask.sum(axis=1).tolist() == [5, 5, 4, 2]
    assert Binning([]).assign(np.empty((3, 0))).shape == (3, 0)


def test_the_baselines_own_counts_are_beside_each_other():
    from msgspec.structs import replace

    binning = Binning([replace(NUMERIC, counts=[1, 2, 3, 4, 5]), replace(CATEGORICAL, counts=[16, 17, 8, 9])])
    assert binning.baseline_counts().tolist() == [[1, 2, 3, 4, 5], [16, 17, 8, 9, 0]]
