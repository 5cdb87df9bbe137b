"""The rolling window against one that recounts everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals import Baseline
from torchvitals.baseline.binning import Binning, assign
from torchvitals.drift.window import RollingWindow

rng = np.random.default_rng(1)
TRAINING = np.column_stack(
    [rng.normal(size=2000), rng.integers(0, 4, 2000), np.where(rng.random(2000) < 0.8, 0, 1.5)]
)
FEATURES = Baseline.fit(TRAINING).column_features


def rows_of(count, seed):
    values = np.random.default_rng(seed).normal(scale=2, size=(count, 3)).round(1)
    values[np.random.default_rng(seed + 1).random((count, 3)) < 0.1] = np.nan
    values[np.random.default_rng(seed + 2).random((count, 3)) < 0.05] = np.inf
    return values


@settings(max_examples=60)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=20), st.integers(1, 50))
def test_counts_equal_a_recount_of_the_last_rows(batches, size):
    window = RollingWindow(Binning(FEATURES), size)
    seen, added = np.empty((0, 3)), 0
    for seed, count in enumerate(batches):
        rows = rows_of(count, seed)
        index = window.binning.assign(rows)
        window.update(rows, index)
        added = added + window.binning.count(index)
        seen = np.vstack([seen, rows])
        last = seen[-size:]
        for column, feature in enumerate(FEATURES):
            recount = np.bincount(assign(feature, last[:, column]), minlength=window.binning.width)
            assert window.view().counts[column].tolist() == recount.tolist()
        assert window.samples == len(last)
        kept = np.sort(window.view().rows.astype(np.float64), axis=0)
        assert np.array_equal(
            kept, np.sort(last.astype(np.float32).astype(np.float64), axis=0), equal_nan=True
        )
    assert (added.sum(axis=1) == len(seen)).all()


def test_bins_hold_equal_mass_and_open_tails():
    feature = Baseline.fit(np.arange(1000.0).reshape(-1, 1)).features[0]
    assert feature.counts == [100] * 10 + [0]
    assert assign(feature, np.array([-1e30, -np.inf, 1e30, np.inf, np.nan])).tolist() == [0, 0, 9, 9, 10]


@pytest.mark.parametrize(("rows", "tails"), [(2499, []), (2500, [25]), (24_999, [249]), (25_000, [25, 225])])
def test_the_outermost_hundredth_and_thousandth_have_bins_of_25_rows_or_more(rows, tails):
    feature = Baseline.fit(np.arange(float(rows)).reshape(-1, 1)).features[0]
    assert feature.bins - 1 == 10 + 2 * len(tails)
    assert feature.counts[: len(tails)] == tails
    assert feature.counts[-2 : -2 - len(tails) : -1] == tails


def test_an_upper_edge_belongs_to_its_bin():
    feature = Baseline.fit(np.arange(1000.0).reshape(-1, 1)).features[0]
    assert feature.edges[0] == 99.0
    assert assign(feature, np.array([99.0, 99.5])).tolist() == [0, 1]


def test_ties_make_fewer_bins_that_still_hold_everything():
    values = np.concatenate([np.zeros(900), np.linspace(0.1, 9, 100)])
    feature = Baseline.fit(values.reshape(-1, 1)).features[0]
    assert feature.kind == "numeric"
    assert feature.edges == [pytest.approx(0.05)]  # halfway to the next value
    assert feature.counts == [900, 100, 0]


def test_few_valued_columns_have_a_bin_a_value():
    feature = FEATURES[1]
    assert feature.kind == "discrete"
    assert feature.bin_labels == ["00 0", "01 1", "02 2", "03 3", "other", "missing"]
    assert assign(feature, np.array([2.0, 7.0, np.nan, np.inf])).tolist() == [2, 4, 5, 4]


def test_a_value_that_float32_rounds_stays_in_its_bin():
    feature = Baseline.fit(np.repeat([0.1, 0.2, 0.7], 100).reshape(-1, 1)).features[0]
    served = np.array([0.1, 0.2, 0.7], dtype=np.float32).astype(np.float64)
    assert assign(feature, served).tolist() == [0, 1, 2]


def test_all_features_at_once_fall_in_the_bins_that_each_falls_in_alone():
    skewed = rng.integers(0, 30, 3000) ** 2 * (rng.random(3000) < 0.4)
    training = np.column_stack([TRAINING[:, 0], rng.exponential(size=2000), skewed[:2000], TRAINING[:, 1:]])
    features = Baseline.fit(training).column_features
    widths = {len(feature.edges) for feature in features if feature.kind == "numeric"}
    assert len(widths) > 1  # some are padded
    binning = Binning(features)
    edges = [
        [feature.edges[i % max(len(feature.edges), 1)] if feature.edges else i for feature in features]
        for i in range(40)
    ]
    odd = np.full((3, len(features)), [[np.nan], [np.inf], [-np.inf]])
    rows = np.vstack([training[:500], np.array(edges, dtype=float), odd, 1e30 * np.ones((1, len(features)))])
    alone = np.column_stack([assign(feature, rows[:, column]) for column, feature in enumerate(features)])
    assert binning.assign(rows).tolist() == alone.tolist()
    assert binning.assign(rows[:0]).shape == (0, len(features))
    assert Binning([]).assign(np.empty((4, 0))).shape == (4, 0)
