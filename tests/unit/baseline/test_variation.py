"""What training windows taught, and which of it judges a window."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from torchvitals import Baseline, BaselineError
from torchvitals.baseline.variation import QUANTILES, Variation, shortfall, summarise, usable


def known(window: int) -> Variation:
    return Variation(window=window, windows=80, quantiles={"psi": [0.1, 0.2, 0.3, 0.4]})


def test_a_summary_has_the_quantiles_of_what_was_evaluated_by_name():
    values = np.linspace(1, 0, 101)
    evaluations = [{"z": float(value), "a": float(-value)} for value in values]
    found = summarise(500, evaluations)
    assert (found.window, found.windows) == (500, 101)
    assert list(found.quantiles) == ["a", "z"]
    assert found.quantiles["z"] == pytest.approx(QUANTILES)
    assert found.quantiles["a"] == pytest.approx([-0.5, -0.1, -0.01, 0.0])


def test_the_farthest_window_is_the_last_quantile():
    assert known(100).farthest("psi") == 0.4
    assert known(100).farthest("kl_divergence") is None


@pytest.mark.parametrize(
    ("window", "expected"), [(99, None), (100, 100), (499, 100), (500, 500), (10_000, 500)]
)
def test_a_window_is_judged_by_its_own_size_else_the_next_smaller(window, expected):
    found = usable([known(500), known(100)], window)
    assert (found and found.window) == expected


def test_without_any_variation_there_is_none_to_judge_by():
    assert usable([], 1000) is None


@pytest.mark.parametrize(("samples", "expected"), [(0, 2000), (1999, 1), (2000, 0), (5000, 0)])
def test_twenty_windows_are_enough(samples, expected):
    assert shortfall(samples, 100) == expected


@pytest.mark.parametrize("quantiles", [{}, {"psi": []}], ids=["no statistic", "no quantiles"])
def test_a_file_with_an_empty_variation_is_refused(quantiles, tmp_path):
    baseline = Baseline.fit(np.random.default_rng(0).normal(size=(200, 1)))
    empty = Variation(window=50, windows=80, quantiles=quantiles)
    feature = msgspec.structs.replace(baseline.features[0], variation=[empty])
    msgspec.structs.replace(baseline, features=[feature]).sealed().save(tmp_path / "b.json")
    with pytest.raises(
        BaselineError, match="'f0': its variation at 50 rows lacks the quantiles of a statistic"
    ):
        Baseline.load(tmp_path / "b.json")
