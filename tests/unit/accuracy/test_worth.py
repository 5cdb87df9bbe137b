"""What labelled predictions say of others: the estimate's error, outputs that moved, and classes that shifted."""

import numpy as np
import pytest

from torchvitals import BaselineError
from torchvitals.accuracy.estimate import BINS, Accuracy, ClassAccuracy, count_accuracy
from torchvitals.accuracy.worth import Predictions, Worth

NAMES = ["a", "b"]


def labelled(rng, rows, share=0.5, recall=(0.95, 0.65)):
    """Return predicted and true classes and confidence; class b is found less often, and as confidently."""
    truth = (rng.random(rows) < share).astype(int)
    right = rng.random(rows) < np.array(recall)[truth]
    predicted = np.where(right, truth, 1 - truth)
    return predicted, rng.uniform(0.7, 0.95, rows), truth


def worth_of(predicted, confidence, truth):
    return Worth(count_accuracy(predicted.astype(float), confidence, truth, NAMES))


def window_of(predicted, confidence, distinct=1.0):
    return Predictions.of(predicted, confidence, classes=2, distinct=distinct)


@pytest.fixture(scope="module")
def worth():
    return worth_of(*labelled(np.random.default_rng(1), 4000))


def test_by_class_the_estimate_is_what_each_class_is_worth(worth):
    """a is predicted rightly in 0.73 of cases and b in 0.93; their confidence is the same."""
    predicted, confidence, _ = labelled(np.random.default_rng(2), 4000)
    for each, expected in ((0, 0.95 / 1.30), (1, 0.65 / 0.70)):
        chosen = predicted == each
        assert worth.estimate(predicted[chosen], confidence[chosen]) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("rows", "labels"), [(400, 500), (2000, 500), (400, 20_000)])
def test_the_error_is_that_of_repeated_sampling(rows, labels):
    """The spread of the estimate around the truth, over new labels and windows, is what the estimate says of itself."""
    rng = np.random.default_rng(3)
    misses, said = [], []
    for _ in range(200):
        worth = worth_of(*labelled(rng, labels))
        predicted, confidence, truth = labelled(rng, rows)
        value = worth.estimate(predicted, confidence)
        misses.append(value - (predicted == truth).mean())
        said.append(worth.error(window_of(predicted, confidence), value))
    assert np.mean(said) == pytest.approx(np.std(misses), rel=0.2)
    assert abs(np.mean(misses)) < 0.01


def test_rows_that_stand_several_times_say_no_more(worth):
    predicted, confidence, _ = labelled(np.random.default_rng(4), 100)
    value = worth.estimate(predicted, confidence)
    once = worth.error(window_of(predicted, confidence), value)
    repeated = window_of(np.repeat(predicted, 10), np.repeat(confidence, 10), distinct=0.1)
    assert worth.error(repeated, value) == pytest.approx(once)


def test_outputs_move_when_they_do_and_not_by_chance(worth):
    rng = np.random.default_rng(5)
    quiet = [worth.moved(window_of(*labelled(rng, 500)[:2])) for _ in range(200)]
    assert np.mean(np.array(quiet) > 0) <= 0.02
    predicted, confidence, _ = labelled(rng, 500)
    assert worth.moved(window_of(predicted, confidence - 0.1)) > 0.2
    assert worth.moved(window_of(np.zeros(500, dtype=int), confidence)) > 0.2


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_classes_that_shifted_are_found_and_what_the_model_is_worth_then(worth, share):
    predicted, confidence, truth = labelled(np.random.default_rng(6), 4000, share=share)
    expected = 0.95 * (1 - share) + 0.65 * share
    assert (predicted == truth).mean() == pytest.approx(expected, abs=0.02)
    assert worth.if_classes_shifted(window_of(predicted, confidence)) == pytest.approx(expected, abs=0.03)


def test_confidence_that_fell_is_no_shift_of_classes(worth):
    predicted, confidence, _ = labelled(np.random.default_rng(7), 4000)
    assert worth.if_classes_shifted(window_of(predicted, confidence - 0.1)) is None


def test_without_classes_of_the_labels_confidence_alone_counts():
    """Files of the first version have no counts by class."""
    predicted, confidence, truth = labelled(np.random.default_rng(8), 2000)
    known = count_accuracy(predicted.astype(float), confidence, truth, NAMES)
    old = Worth(Accuracy(counts=known.counts, correct=known.correct))
    window = Predictions.of(np.zeros(2000, dtype=int), confidence, classes=1)
    value = old.estimate(np.zeros(2000, dtype=int), confidence)
    assert value == pytest.approx(known.ratio, abs=0.005)
    assert old.moved(window) == 0
    assert old.if_classes_shifted(window) is None
    assert 0.005 < old.error(window, value) < 0.02


def one_class(**changes):
    counts = [0] * BINS
    counts[10] = 300
    found = {"counts": counts, "correct": counts, "truth": [300, 0]}
    return ClassAccuracy(**{**found, **changes})


EMPTY = ClassAccuracy(counts=[0] * BINS, correct=[0] * BINS, truth=[0, 0])


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        ([one_class()], "class 0 has not one number of true rows a class"),
        ([one_class(counts=[1] * BINS), EMPTY], "`counts` of the classes do not add up"),
        ([one_class(truth=[299, 0]), EMPTY], "what is true of class 0 does not fit"),
        ([one_class(truth=[0, 300]), EMPTY], "what is true of class 0 does not fit"),
    ],
)
def test_counts_by_class_that_do_not_fit_are_refused(classes, complaint):
    whole = one_class()
    with pytest.raises(BaselineError, match=complaint):
        Accuracy(counts=whole.counts, correct=whole.correct, classes=classes).validate()
    Accuracy(counts=whole.counts, correct=whole.correct, classes=[whole, EMPTY]).validate()
