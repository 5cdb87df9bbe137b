"""Features of many categories: the bins that they are compared in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals.baseline.binning import Binning, assign
from torchvitals.baseline.pooling import LEAST_ROWS, MOST_BINS, is_wide, pooled
from torchvitals.baseline.schema import Feature


def feature_of(counts, *, source="output", never=0, missing=0):
    names = [f"c{place}" for place in range(len(counts))]
    return Feature(
        name="predicted_class",
        source=source,
        kind="categorical",
        count=int(sum(counts)) + never,
        missing=missing,
        mean=0.0,
        std=0.0,
        min=0.0,
        max=0.0,
        edges=[],
        categories=names,
        counts=[*(int(count) for count in counts), never, missing],
        quantiles=[],
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(MOST_BINS + 1, 400), st.floats(0, 3), st.integers(0, 5000), st.integers(0, 2**32 - 1))
def test_every_category_has_one_bin_and_the_counts_stay(classes, power, rows, seed):
    shares = 1 / np.arange(1, classes + 1) ** power
    rng = np.random.default_rng(seed)
    counts = rng.permutation(rng.multinomial(rows, shares / shares.sum()))
    found = pooled(feature_of(counts, never=3, missing=5))
    bins = len(found.counts) - 2
    assert 1 <= bins <= MOST_BINS
    assert set(found.places[:-2]) == set(range(bins))
    assert found.places[-2:].tolist() == [bins, bins + 1]
    assert found.counts.tolist() == [
        *(counts[found.places[:-2] == place].sum() for place in range(bins)),
        3,
        5,
    ]
    assert len(set(found.labels)) == len(found.labels) == bins + 2
    assert found.labels[-2:] == ["other", "missing"]
    assert found.labels[:-2] == sorted(found.labels[:-2])


def test_a_large_category_is_alone_and_the_others_hold_about_the_same():
    counts = np.full(1000, 20)
    counts[[10, 700]] = [4000, 2000]
    found = pooled(feature_of(counts))
    own = {label: count for label, count in zip(found.labels, found.counts) if " " in label}
    assert own == {"010 c10": 4000, "700 c700": 2000}
    others = [count for label, count in zip(found.labels, found.counts) if ".." in label]
    assert len(others) == MOST_BINS - 2
    assert max(others) <= 1.2 * min(others)
    assert found.labels[0] == "000..016"  # without 10


@pytest.mark.parametrize("rows", [200, 20_000])
def test_what_chance_made_frequent_does_not_come_together(rows):
    """Of classes that are alike, a bin's share in the baseline says what a window will have: it is a bin's part."""
    rng = np.random.default_rng(4)
    ratios = []
    for _ in range(30):
        counts = rng.multinomial(rows, np.full(1000, 0.001))
        found = pooled(feature_of(counts))
        truth = np.bincount(found.places[:-2], minlength=len(found.counts) - 2) / 1000
        ratios.append(found.counts[:-2] / rows - truth)
    # Without a rule against it the bins of the frequent ones would all lie above; each is right on average.
    error = np.concatenate(ratios)
    assert abs(np.mean(np.sort(np.array(ratios), axis=1)[:, -1])) < 6 * np.sqrt(1 / MOST_BINS / rows)
    assert abs(error.mean()) < 1e-9


def test_of_an_input_of_known_values_those_that_came_once_tell_how_many_will_be_new():
    counts = [*[50] * 40, *[1] * 60]
    assert pooled(feature_of(counts, source="input")).counts[-2] == 60
    assert pooled(feature_of(counts, source="input")).counts.sum() == 2060
    # Classes are all known, and so are the values of an input of which some never came.
    assert pooled(feature_of(counts)).counts[-2] == 0
    assert pooled(feature_of([*counts, 0], source="input")).counts[-2] == 0


def test_few_categories_are_compared_as_they_are():
    feature = feature_of([LEAST_ROWS] * MOST_BINS)
    binning = Binning([feature])
    assert not is_wide(feature)
    assert binning.labels(0) == feature.bin_labels
    assert binning.sizes.tolist() == [MOST_BINS + 2]
    assert binning.baseline_counts()[0].tolist() == feature.counts


def test_a_value_that_few_rows_have_is_compared_as_one_never_seen():
    """Else its bin moves by chance alone, and a window that has none of it is as strange as one of new values."""
    feature = feature_of([50, LEAST_ROWS - 1, LEAST_ROWS, 0], never=3, missing=5)
    binning = Binning([feature])
    assert binning.labels(0) == ["00 c0", "02 c2", "other", "missing"]
    assert binning.baseline_counts()[0].tolist() == [50, LEAST_ROWS, 3 + LEAST_ROWS - 1, 5]
    values = np.array([[0.0], [1.0], [2.0], [3.0], [-1.0], [np.nan]])
    assert binning.assign(values)[:, 0].tolist() == [0, 2, 1, 2, 2, 3]


def test_rare_numbers_are_pooled_too():
    feature = Feature(
        name="n", source="input", kind="discrete", count=109, missing=0, mean=0.0, std=1.0, min=0.0, max=2.0,
        edges=[], categories=[0.0, 1.0, 2.0], counts=[100, 4, 5, 0, 0], quantiles=[0.0],
    )  # fmt: skip
    binning = Binning([feature])
    assert binning.labels(0) == ["00 0", "other", "missing"]
    assert binning.assign(np.array([[0.0], [1.0], [2.0], [7.0], [np.nan]]))[:, 0].tolist() == [0, 1, 1, 1, 2]


def test_a_hundred_thousand_classes_are_binned_by_their_place():
    """Places beyond what 16 bits hold."""
    counts = np.zeros(100_000, dtype=int)
    counts[[3, 40_000, 99_999]] = 500
    feature = feature_of(counts)
    binning = Binning([feature])
    values = np.array([[3.0], [40_000.0], [99_999.0], [np.nan], [-1.0], [50_000.0]])
    labels = [binning.labels(0)[place] for place in binning.assign(values)[:, 0]]
    assert labels[:5] == ["00003 c3", "40000 c40000", "99999 c99999", "missing", "other"]
    assert ".." in labels[5]
    assert binning.count(binning.assign(values)).sum() == 6
    whole = np.bincount(assign(feature, values[:, 0]), minlength=feature.bins).astype(float)
    assert binning.rebinned(0, whole).tolist() == binning.count(binning.assign(values))[0].tolist()
