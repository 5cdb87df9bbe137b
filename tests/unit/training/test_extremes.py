"""The ends of a long column are kept exactly, in whatever pieces it comes."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from torchvitals import Baseline
from torchvitals.training.extremes import KEPT, Extremes


@settings(max_examples=30, deadline=None)
@example([KEPT, 1], 0, False)
@example([KEPT - 1, 1, 1], 0, False)
@example([KEPT, KEPT, 1], 0, True)
@given(st.lists(st.integers(0, 3 * KEPT), min_size=1, max_size=4), st.integers(0, 1000), st.booleans())
def test_they_are_those_of_all_values(sizes, seed, merges):
    rng = np.random.default_rng(seed)
    parts = [rng.standard_cauchy(size).astype(np.float32) for size in sizes]
    whole = Extremes()
    for part in parts:
        if merges:
            other = Extremes()
            other.update(part)
            whole.merge(other)
        else:
            whole.update(part)
    ordered = np.sort(np.concatenate(parts))
    assert whole.low.tolist() == ordered[:KEPT].tolist()
    assert whole.high.tolist() == ordered[-KEPT:].tolist()


def test_a_sketch_is_corrected_at_both_ends_alone():
    rng = np.random.default_rng(1)
    values = np.sort(rng.normal(size=40_000).astype(np.float32))
    ends = Extremes()
    ends.update(values)
    # Every fourth value, as a sketch keeps them.
    kept, weights = ends.within(values[1::4].astype(np.float64), np.full(10_000, 4))
    assert weights.sum() == 40_000
    assert (np.diff(kept) >= 0).all()
    assert kept[:KEPT].tolist() == values[:KEPT].tolist()
    assert kept[-KEPT:].tolist() == values[-KEPT:].tolist()


@pytest.mark.parametrize("mergeable", [False, True])
def test_a_streamed_column_has_the_tails_of_a_fitted_one(mergeable, tmp_path):
    values = np.random.default_rng(2).standard_cauchy((120_000, 1))
    streamed = Baseline.from_batches(np.array_split(values, 12), mergeable=mergeable)
    if mergeable:
        streamed.save(tmp_path / "one.json")
        streamed = Baseline.load(tmp_path / "one.json").merge(streamed)
        values = np.concatenate([values, values])
    (mine,), (true,) = streamed.features, Baseline.fit(values).features
    assert mine.low_tail == pytest.approx(true.low_tail, rel=1e-5)
    assert mine.high_tail == pytest.approx(true.high_tail, rel=1e-5)
    assert (mine.edges[0], mine.edges[-1]) == (true.edges[0], true.edges[-1])
