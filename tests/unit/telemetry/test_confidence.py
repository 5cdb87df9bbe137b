"""The limit of the mean confidence: one that a model can fall below, and does not by chance."""

import msgspec
import numpy as np
import pytest

from torchvitals import Baseline
from torchvitals.telemetry.confidence import mean_limit

ROWS = 4000
# The share of the likelier class, by models of two classes that are sure, unsure, and often quite undecided.
OF_TWO_CLASSES = {
    "sure": lambda rng: 1 - rng.beta(1, 20, ROWS) / 2,
    "unsure": lambda rng: 0.5 + rng.beta(2, 8, ROWS) / 2,
    "nearly guessing": lambda rng: 0.5 + rng.exponential(0.01, ROWS).clip(0, 0.5),
    "undecided in most rows": lambda rng: np.where(rng.random(ROWS) < 0.9, 0.5, 1.0),
    "very sure or undecided": lambda rng: np.where(rng.random(ROWS) < 0.5, 0.51, 0.999),
}


def feature(confidence):
    """Return the confidence's feature, as a baseline of one sigmoid has it."""
    baseline = Baseline.fit(np.zeros((len(confidence), 1)), outputs=confidence, class_names=["no", "yes"])
    return next(feature for feature in baseline.features if feature.name == "confidence")


@pytest.mark.parametrize("name", OF_TWO_CLASSES)
def test_clean_traffic_of_two_classes_stays_above_the_limit(name):
    rng = np.random.default_rng(1)
    confidence = OF_TWO_CLASSES[name](rng)
    limit = mean_limit(0.5, feature(confidence), 2)
    assert limit < confidence.mean()
    # As few predictions as the alert takes.
    means = rng.choice(confidence, size=(5000, 100)).mean(axis=1)
    assert means.min() >= limit


@pytest.mark.parametrize("name", ["sure", "unsure", "very sure or undecided"])
def test_a_model_of_two_classes_that_hardly_knows_any_more_is_below_it(name):
    limit = mean_limit(0.5, feature(OF_TWO_CLASSES[name](np.random.default_rng(1))), 2)
    assert limit > 0.5 + 0.02


def test_the_default_stays_where_the_mean_can_cross_it_and_does_not_by_chance():
    trained = msgspec.structs.replace(feature(np.full(ROWS, 0.9)), mean=0.9, std=0.1)
    assert mean_limit(0.5, trained, 3) == 0.5
    assert mean_limit(0.5, trained, 2) == pytest.approx(0.7)
    close = msgspec.structs.replace(trained, mean=0.55, std=0.2)
    assert mean_limit(0.5, close, 10) == pytest.approx((0.1 + 0.55) / 2)
    less = msgspec.structs.replace(trained, mean=0.3, std=0.4)
    assert mean_limit(0.5, less, 1000) == pytest.approx(0.1)


def test_what_is_chosen_and_what_is_not_known_stay():
    trained = feature(np.full(ROWS, 0.9))
    assert mean_limit(None, trained, 2) is None
    assert mean_limit(0.6, trained, 2) == 0.6
    assert mean_limit(0.5, None, 2) == 0.5
    assert mean_limit(0.5, trained, 0) == 0.5
