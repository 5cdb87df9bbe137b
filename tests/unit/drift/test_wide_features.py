"""Drift of features with many categories: quiet windows are quiet, faults are seen, at any width."""

from __future__ import annotations

import tracemalloc

import msgspec
import numpy as np
import pytest

from torchvitals.baseline.variation import Variation
from torchvitals.drift.detector import DriftDetector
from torchvitals.drift.verdict import thresholds
from torchvitals.featurizers.outputs import Classification
from torchvitals.training.difference import differences
from torchvitals.training.fitting import categorical_feature, new_baseline


def zipf(classes, power=1.0):
    shares = 1 / np.arange(1, classes + 1) ** power
    return shares / shares.sum()


def shares_of(kind, classes, rng):
    shares = {"zipf": zipf(classes), "mixed": rng.permutation(zipf(classes)), "uniform": zipf(classes, 0)}
    return shares[kind]


def baseline_of(shares, rows, rng):
    names = [f"c{place}" for place in range(len(shares))]
    feature = categorical_feature(
        dict(zip(names, rng.multinomial(rows, shares).tolist())),
        count=rows,
        missing=0,
        name="predicted_class",
        source="output",
        categories=names,
    )
    outputs = Classification(scores="logits", classes=names)
    return new_baseline([feature], outputs, samples=rows, name="wide", version="1.0")


def verdicts(baseline, shares, size, rng, *, times):
    """Yield the verdicts on windows of so many rows, drawn anew by these shares."""
    detector, upto = DriftDetector(baseline, window=size), np.cumsum(shares)
    for _ in range(times):
        places = np.minimum(np.searchsorted(upto, rng.random(size), side="right"), len(shares) - 1)
        detector.update_outputs({"predicted_class": places.astype(float)})
        yield detector.report().features["predicted_class"]


@pytest.mark.parametrize("classes", [100, 1000, 10_000, 100_000])
def test_quiet_windows_are_quiet(classes):
    """Of windows of 500 and of 1,000 rows, on baselines of 20,000 and 200,000 rows, at most 2 % drift."""
    rng = np.random.default_rng(classes)
    found = []
    for kind in ("zipf", "mixed", "uniform"):
        shares = shares_of(kind, classes, rng)
        for rows in (20_000, 200_000):
            for size in (500, 1000):
                baseline = baseline_of(shares, rows, rng)
                found += verdicts(baseline, shares, size, rng, times=50)
    assert np.mean([drift.drifted for drift in found]) <= 0.02
    # And the size of the change says so itself: not that of thousands of bins, most of them empty.
    assert np.mean([drift.psi for drift in found if drift.samples == 1000]) < 0.1
    assert max(drift.kl_divergence for drift in found) < 0.2


def doubled(shares):
    """Return the shares before and after the largest class rises from 10 to 20 %."""
    before, largest = shares.copy(), int(shares.argmax())
    before *= 0.9 / (1 - before[largest])
    before[largest] = 0.1
    after = before * (0.8 / 0.9)
    after[largest] = 0.2
    return before, after


def collapsed(shares, rng):
    """Return the shares before and after all is predicted to be one of 20 classes."""
    after = np.zeros(len(shares))
    after[rng.choice(len(shares), 20, replace=False)] = 0.05
    return shares, after


FAULTS = {
    "a class doubles": lambda shares, rng: doubled(shares),
    "few classes are left": collapsed,
    "classes are permuted": lambda shares, rng: (shares, rng.permutation(shares)),
    "only the rarest half": lambda shares, rng: (
        shares,
        np.where(shares <= np.median(shares), 1.0, 0.0) / (shares <= np.median(shares)).sum(),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["zipf", "mixed"])
@pytest.mark.parametrize("classes", [100, 1000, 100_000])
def test_faults_are_seen(fault, kind, classes):
    rng = np.random.default_rng([classes, len(kind), len(fault)])
    before, after = FAULTS[fault](shares_of(kind, classes, rng), rng)
    found = verdicts(baseline_of(before, 50_000, rng), after, 1000, rng, times=20)
    assert sum(drift.drifted for drift in found) >= 17


def test_a_collapse_of_classes_that_were_alike_is_seen():
    rng = np.random.default_rng(8)
    shares, few = collapsed(zipf(100_000, 0), rng)
    found = verdicts(baseline_of(shares, 20_000, rng), few, 1000, rng, times=5)
    assert all(drift.drifted for drift in found)


def test_the_first_verdict_on_a_hundred_thousand_classes_takes_little_memory():
    rng = np.random.default_rng(9)
    shares = zipf(100_000)
    detector = DriftDetector(baseline_of(shares, 50_000, rng), window=1000)
    detector.update_outputs({"predicted_class": rng.choice(100_000, size=1000, p=shares).astype(float)})
    tracemalloc.start()
    try:
        detector.report()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 5e6


def test_limits_learned_of_bins_that_were_not_pooled_are_not_used():
    rng = np.random.default_rng(10)
    feature = baseline_of(zipf(1000), 20_000, rng).features[0]
    old = Variation(window=1000, windows=40, quantiles={"kl_divergence": [1.0, 1.5, 2.0, 2.0]})
    new = msgspec.structs.replace(old, pooled=True)
    assert thresholds(msgspec.structs.replace(feature, variation=[old]), 1000) == {}
    assert thresholds(msgspec.structs.replace(feature, variation=[old, new]), 1000) == {"kl_divergence": 4.5}
    narrow = baseline_of(zipf(10), 20_000, rng).features[0]
    assert thresholds(msgspec.structs.replace(narrow, variation=[old]), 1000) == {"kl_divergence": 4.5}


def test_two_baselines_of_the_same_wide_model_do_not_differ_by_their_rare_classes():
    rng = np.random.default_rng(11)
    a, b = (baseline_of(zipf(10_000), 20_000, rng) for _ in range(2))
    other = baseline_of(rng.permutation(zipf(10_000)), 20_000, rng)
    assert differences(a, b)[0].psi < 0.02
    assert differences(a, other)[0].psi > 1
