"""Estimates are stated where they hold, and withheld with the right reason where nobody can know."""

import msgspec
import numpy as np
import pytest

from benchmarks.estimated_accuracy.data import cases
from benchmarks.estimated_accuracy.measure import measured
from torchvitals import Baseline, DriftMonitor
from torchvitals.accuracy.estimate import WITHHELD_REASONS
from torchvitals.baseline.selection import Features
from torchvitals.featurizers.outputs import output_signals

QUICK = ("logistic regression", "naive Bayes")
DATA = ["digits", "breast_cancer", "wine", "iris", "digits, as images", "diabetes, above the median"]


@pytest.mark.parametrize("data", DATA)
def test_what_is_stated_is_true_and_quiet_windows_are_stated(data):
    found = [
        estimate for case in cases(1, data, QUICK) for estimate in measured(case, np.random.default_rng(1))
    ]
    assert [(e.shift, e.truth, e.value) for e in found if e.wrong] == []
    assert all(e.value is not None for e in found if e.kind == "none")
    changed = [e for e in found if e.kind != "none"]
    # Those that would have been wrong are many: withholding is for a reason.
    assert sum(e.withheld is not None for e in changed) > len(changed) / 2
    assert {e.withheld for e in changed} - {None} <= set(WITHHELD_REASONS)


def served(rng, rows, columns=4):
    """Rows of columns that go together, logits of a model that knows two of them, and true classes."""
    values = rng.normal(size=(rows, columns))
    values[:, 1] = 0.8 * values[:, 0] + 0.6 * values[:, 1]
    truth = 1 / (1 + np.exp(-2 * values[:, 0] - values[:, 2]))
    return (
        values,
        np.column_stack([np.zeros(rows), 2 * values[:, 0] + values[:, 2]]),
        rng.random(rows) < truth,
    )


@pytest.fixture(scope="module")
def baseline():
    rows, logits, labels = served(np.random.default_rng(1), 6000)
    return Baseline.fit(rows, outputs=logits, labels=labels, class_names=["no", "yes"])


def estimate(baseline, rows, logits):
    return baseline.compare(rows, outputs=logits).accuracy_estimate


def test_the_interval_holds_the_truth_as_often_as_it_says(baseline):
    rng, held = np.random.default_rng(2), 0
    for _ in range(100):
        rows, logits, labels = served(rng, 500)
        found = estimate(baseline, rows, logits)
        assert found.withheld is None
        held += found.low <= (logits.argmax(axis=1) == labels).mean() <= found.high
    assert 90 <= held <= 100


def test_fewer_rows_make_a_wider_interval(baseline):
    rows, logits, _ = served(np.random.default_rng(3), 4000)
    small, large = (estimate(baseline, rows[:size], logits[:size]) for size in (400, 4000))
    assert small.high - small.low > 2 * (large.high - large.low)
    assert small.low < small.value < small.high


def far(rows):
    return rows + np.array([1.2, -1.2, 0, 0])


def half_shuffled(rows):
    mixed = rows.copy()
    mixed[::2, 1] = np.roll(rows[::2, 1], 1)
    return mixed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows + 10, "outside_range"),
        (lambda rows: np.where([True, False, False, False], np.nan, rows), "outside_range"),
        (far, "row_distance"),
        (half_shuffled, "column_relations"),
        (lambda rows: rows[rows[:, 3] > 0.3], "inputs"),
    ],
)
def test_inputs_that_are_not_known_are_the_reason(baseline, change, reason):
    rows, _, _ = served(np.random.default_rng(4), 2000)
    rows = change(rows)
    logits = np.column_stack([np.zeros(len(rows)), 2 * np.nan_to_num(rows[:, 0]) + rows[:, 2]])
    found = estimate(baseline, rows, logits)
    assert found.withheld == reason
    assert found.value is found.low is found.high is None


def test_outputs_that_moved_where_inputs_did_not_are_the_reason(baseline):
    rows, logits, _ = served(np.random.default_rng(5), 1000)
    assert estimate(baseline, rows, logits / 4).withheld == "outputs"
    assert estimate(baseline, rows, np.tile([0.0, 4.0], (1000, 1))).withheld == "outputs"


def test_few_predictions_and_one_row_again_and_again_say_nothing(baseline):
    rows, logits, _ = served(np.random.default_rng(6), 1000)
    assert estimate(baseline, rows[:199], logits[:199]).withheld == "few_predictions"
    assert estimate(baseline, np.tile(rows[:1], (1000, 1)), np.tile(logits[:1], (1000, 1))).withheld == (
        "few_predictions"
    )
    assert estimate(baseline, rows, np.full((1000, 2), np.nan)).withheld == "few_predictions"


def test_inputs_that_nobody_saw_are_not_known(baseline):
    _, logits, _ = served(np.random.default_rng(6), 1000)
    monitor = DriftMonitor(baseline, window=1000)
    monitor.update_outputs(output_signals(logits, baseline.outputs))
    assert monitor.report().accuracy_estimate.withheld == "inputs"


def test_values_that_are_no_numbers_are_outside_and_break_nothing(baseline):
    rows, logits, _ = served(np.random.default_rng(6), 1000)
    rows[:300, 1] = np.inf
    rows[300:400] = -np.inf
    assert estimate(baseline, rows, logits).withheld == "outside_range"


def test_of_confidence_alone_an_estimate_is_made():
    rows, logits, labels = served(np.random.default_rng(11), 4000)
    features = Features(outputs=["confidence"])
    known = Baseline.fit(rows, outputs=logits, labels=labels, class_names=["no", "yes"], features=features)
    rows, logits, labels = served(np.random.default_rng(12), 1000)
    found = estimate(known, rows, logits)
    assert found.value == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=0.05)


def test_columns_that_are_not_judged_are_no_reason(baseline):
    rows, logits, _ = served(np.random.default_rng(7), 1000)
    rows[:, 3] += 10
    monitor = DriftMonitor(baseline, window=1000, ignored={("input", "f3"), ("input", "row_distance")})
    monitor.update(rows, outputs=logits)
    assert monitor.report().accuracy_estimate.withheld is None
    assert estimate(baseline, rows, logits).withheld == "outside_range"


def test_a_category_that_takes_over_is_a_reason():
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 3, 3000)
    table = [[["a", "b", "c"][code], value] for code, value in zip(codes, rng.normal(size=3000), strict=True)]
    rows = np.array(table, dtype=object)
    logits = np.column_stack([np.zeros(3000), rng.normal(size=3000)])
    labels = rng.random(3000) < 1 / (1 + np.exp(-logits[:, 1]))
    known = Baseline.fit(rows, outputs=logits, labels=labels, class_names=["no", "yes"])
    assert estimate(known, rows[:1000], logits[:1000]).withheld is None
    rows[:, 0] = "a"
    assert estimate(known, rows[:1000], logits[:1000]).withheld == "inputs"


def test_files_that_know_less_still_withhold(baseline):
    """Those of the first version have no familiarity, and nothing by class; the row distance and ranges are there."""
    bare = msgspec.structs.replace(baseline.accuracy, classes=[])
    old = msgspec.structs.replace(baseline, familiarity=None, accuracy=bare).sealed()
    rows, logits, labels = served(np.random.default_rng(9), 2000)
    found = estimate(old, rows, logits)
    assert found.value == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=0.04)
    assert found.low < found.value < found.high
    assert estimate(old, rows + 10, logits).withheld == "outside_range"
    assert estimate(old, far(rows), logits).withheld == "row_distance"
    assert estimate(old, rows, logits / 4).withheld == "outputs"
    assert estimate(old, rows + [0.5, 0, 0, 0], logits).withheld == "inputs"


def test_a_window_in_time_order_may_stray_as_far_as_training_did():
    """A day's weather is not all of training; that it comes and goes was labelled with the rest."""
    rng = np.random.default_rng(10)
    level = np.repeat(rng.normal(size=60), 500)
    rows = np.column_stack([level + 0.3 * rng.normal(size=30_000), rng.normal(size=30_000)])
    logits = np.column_stack([np.zeros(30_000), 2 * rows[:, 0]])
    labels = rng.random(30_000) < 1 / (1 + np.exp(-2 * rows[:, 0]))
    found = {}
    for ordered in (True, False):
        known = Baseline.fit(
            rows, outputs=logits, labels=labels, class_names=["no", "yes"], ordered=ordered, windows=(500,)
        )
        found[ordered] = estimate(known, rows[5000:5500], logits[5000:5500])
    assert found[False].withheld is not None
    true = (logits[5000:5500].argmax(axis=1) == labels[5000:5500]).mean()
    assert found[True].value == pytest.approx(true, abs=0.06)
