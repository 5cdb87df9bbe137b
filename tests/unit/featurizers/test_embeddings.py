"""Embeddings: real ones are not at hand, so the digits' pixels, reduced to 32 numbers, stand for them."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from torchvitals import Baseline, BaselineError, Features
from torchvitals.featurizers import Embeddings
from torchvitals.training import BaselineBuilder

EMBEDDINGS = Features(inputs="embeddings")


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    rows = PCA(32, random_state=0).fit_transform(data.data)[
        np.random.default_rng(0).permutation(len(data.data))
    ]
    return rows[:-500].astype(np.float32), rows[-500:].astype(np.float32)


@pytest.fixture(scope="module")
def baseline(digits):
    return Baseline.fit(digits[0], features=EMBEDDINGS)


def test_its_features(baseline):
    assert isinstance(baseline.inputs, Embeddings)
    projections = [f"projection{index}" for index in range(4)]
    assert [feature.name for feature in baseline.features] == ["norm", "centroid_distance", *projections]


def test_features_are_what_their_names_say(baseline, digits):
    rows = digits[1].astype(np.float64)
    found = baseline.encode(digits[1])
    centre, directions = np.array(baseline.inputs.centre), np.array(baseline.inputs.directions)
    assert found[:, 0] == pytest.approx(np.linalg.norm(rows, axis=1), rel=1e-4)
    assert found[:, 1] == pytest.approx(np.linalg.norm(rows - centre, axis=1), rel=1e-4)
    assert found[:, 2:] == pytest.approx((rows - centre) @ directions.T, abs=1e-2)
    assert directions @ directions.T == pytest.approx(np.eye(4), abs=1e-5)
    # The directions are those of largest variance, beyond chance.
    others = np.random.default_rng(0).normal(size=(32, 4))
    others /= np.linalg.norm(others, axis=0)
    assert (found[:, 2:].var(axis=0) > (rows @ others).var(axis=0)).all()


def test_held_out_rows_are_quiet(baseline, digits):
    assert not baseline.compare(digits[1]).drifted


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (lambda rows: rows * 1.2, {"norm", "centroid_distance"}),
        (lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True), {"norm", "centroid_distance"}),
        (lambda rows: rows[:, ::-1], {"projection0"}),
        (lambda rows: rows * np.array([-1] + [1] * 31, dtype=np.float32) + 4, set()),
    ],
    ids=["scaled", "normalised", "reversed", "moved"],
)
def test_what_changes_them_is_flagged(baseline, digits, fault, named):
    drifted = {
        name
        for name, drift in baseline.compare(np.ascontiguousarray(fault(digits[1]))).features.items()
        if drift.drifted
    }
    assert drifted
    assert named <= drifted


def test_a_small_training_set_does_not_accuse_new_rows():
    """With as many numbers as rows, what was learned from would look nearer than any new row."""
    rng = np.random.default_rng(3)
    baseline = Baseline.fit(rng.normal(size=(400, 200)), features=EMBEDDINGS)
    assert not any(baseline.compare(rng.normal(size=(500, 200))).drifted for _ in range(20))


def test_streaming_gives_what_fit_gives(baseline, digits):
    builder = BaselineBuilder(features=EMBEDDINGS)
    for part in np.array_split(digits[0], 9):
        builder.update(torch.from_numpy(part))
    built = builder.baseline()
    assert (built.inputs, built.features) == (baseline.inputs, baseline.features)


def test_parts_merge(baseline, digits):
    builders = []
    for part in np.array_split(digits[0], 3):
        builders.append(BaselineBuilder(features=EMBEDDINGS))
        builders[-1].update(part)
    merged = builders[0].merge(builders[1]).merge(builders[2]).baseline()
    assert merged.samples == len(digits[0])
    assert merged.inputs.centre == pytest.approx(baseline.inputs.centre, abs=1.5)
    assert not merged.compare(digits[1]).drifted


def test_it_reads_back_the_same(baseline, tmp_path):
    baseline.save(tmp_path / "digits-1.0.json")
    assert Baseline.load(tmp_path / "digits-1.0.json") == baseline


def test_errors_say_what_to_give(digits):
    builder = BaselineBuilder(features=EMBEDDINGS)
    builder.update(digits[0])
    with pytest.raises(BaselineError, match=r"embeddings have shape \(5, 7\); give numbers, \(rows, 32\)"):
        builder.update(np.zeros((5, 7)))
    with pytest.raises(BaselineError, match="a baseline of embeddings cannot be built to be merged"):
        builder.baseline(mergeable=True)
    with pytest.raises(BaselineError, match="1 embeddings are too few"):
        Baseline.fit(np.ones((1, 8)), features=EMBEDDINGS)
