"""One feature's statistics are its attributes, whichever they are."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest

from torchvitals import Baseline, FeatureDrift
from torchvitals.drift.statistics import STATISTICS


@pytest.fixture(scope="module")
def drift() -> FeatureDrift:
    rng = np.random.default_rng(4)
    return Baseline.fit(rng.normal(size=(2000, 1))).compare(rng.normal(size=(500, 1)) + 1).features["f0"]


def test_every_statistic_is_an_attribute(drift):
    assert list(drift.values) == [statistic.name for statistic in STATISTICS]
    for name, value in drift.values.items():
        assert getattr(drift, name) == value
        assert isinstance(value, float)
        assert name in dir(drift)
    assert drift.kl_divergence > 0.3
    assert drift.psi > 0.3


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda drift: pickle.loads(pickle.dumps(drift))]
)
def test_it_survives_being_copied(drift, copied):
    other = copied(drift)
    assert other is not drift
    assert other == drift
    assert other.psi == drift.psi


def test_it_is_compared_by_value(drift):
    assert dataclasses.replace(drift) == drift
    assert dataclasses.replace(drift, drifted=not drift.drifted) != drift
    assert dataclasses.replace(drift, values={**drift.values, "psi": 0.0}) != drift


def test_it_is_replaced_like_any_dataclass(drift):
    other = dataclasses.replace(drift, values={**drift.values, "psi": 0.25}, drifted=False)
    assert (other.psi, other.drifted) == (0.25, False)
    assert other.kl_divergence == drift.kl_divergence


def test_it_cannot_be_changed(drift):
    with pytest.raises(dataclasses.FrozenInstanceError):
        drift.psi = 0.0


def test_an_unknown_attribute_is_named_beside_the_statistics(drift):
    with pytest.raises(AttributeError, match="no attribute 'ks'; its statistics are kl_divergence, "):
        _ = drift.ks
    assert not hasattr(drift, "__array__")


def test_its_excess_is_that_of_the_statistic_farthest_beyond_its_limit(drift):
    limited = dataclasses.replace(
        drift, values={"a": 3.0, "b": 1.0}, threshold={"a": 2.0, "b": 0.25}, full=True, knows_order=True
    )
    assert limited.excess == 4.0
    assert limited.beyond
    assert not dataclasses.replace(limited, full=False).beyond
    assert not dataclasses.replace(limited, threshold={"a": 3.0, "b": 1.0}).beyond
    # Of training data in order, a window size without limits is not judged; of others there is nothing to go beyond.
    assert not dataclasses.replace(limited, threshold={}).beyond
    assert dataclasses.replace(limited, threshold={}, knows_order=False).beyond


def test_what_is_undefined_is_no_excess(drift):
    limited = dataclasses.replace(
        drift, values={"a": math.nan, "b": 1.0}, threshold={"a": 2.0, "b": 0.25}, full=True, knows_order=True
    )
    assert limited.excess == 4.0
