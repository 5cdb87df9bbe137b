"""What outputs become: exact values, and every array of scores against a loop over its rows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals import BaselineError
from torchvitals.featurizers.outputs import (
    BLOCK_VALUES,
    WIDE_CLASSES,
    WIDE_SCORES,
    Classification,
    Multilabel,
    Regression,
    Values,
    chosen_signals,
    output_signals,
    outputs_of,
)

NAN, INF = math.nan, math.inf
NAMES = ["predicted_class", "confidence", "entropy", "margin"]
OF_LOGITS = [*NAMES, "energy"]


def spec(scores, classes):
    return Classification(scores=scores, classes=[str(index) for index in range(classes)])


def slow_signals(row, scores):
    """Return the numbers of one row, by their definitions: four, and of logits the energy."""
    row = [float(value) for value in row]
    energy = []
    if scores == "logits":
        top = max(row) if not any(map(math.isnan, row)) else NAN
        if not math.isfinite(top):
            return [NAN] * 5
        powers = [math.exp(value - top) for value in row]
        total = math.fsum(powers)
        energy = [top + math.log(total)]
        row = [power / total for power in powers]
    if not all(map(math.isfinite, row)):
        return [NAN] * 4
    first, second = sorted(row, reverse=True)[:2]
    entropy = -math.fsum(share * math.log(share) for share in row if share > 0)
    return [row.index(first), first, entropy, first - second, *energy]


def columns(scores, kind):
    found = output_signals(scores, spec(kind, scores.shape[1]))
    assert list(found) == (OF_LOGITS if kind == "logits" else NAMES)
    return np.column_stack(list(found.values()))


@pytest.mark.parametrize(
    ("row", "scores", "expected"),
    [
        ([0.7, 0.2, 0.1], "probabilities", [0, 0.7, 0.801819, 0.5]),
        ([0.25, 0.25, 0.25, 0.25], "probabilities", [0, 0.25, math.log(4), 0.0]),
        ([0.0, 1.0, 0.0], "probabilities", [1, 1.0, 0.0, 1.0]),
        ([0.0, 0.0], "logits", [0, 0.5, math.log(2), 0.0, math.log(2)]),
        ([math.log(3), 0.0], "logits", [0, 0.75, 0.562335, 0.5, math.log(4)]),
        ([-INF, 0.0, -INF], "logits", [1, 1.0, 0.0, 1.0, 0.0]),
        ([1000.0, 1000.0, -1000.0], "logits", [0, 0.5, math.log(2), 0.0, 1000 + math.log(2)]),
        ([NAN, 0.5, 0.5], "probabilities", [NAN] * 4),
        ([INF, 0.0], "logits", [NAN] * 5),
        ([NAN, 0.0], "logits", [NAN] * 5),
        ([-INF, -INF], "logits", [NAN] * 5),
    ],
)
def test_exact_values_of_a_row(row, scores, expected):
    """The same of a row of few classes, and of one that is filled up to be wide with classes of no weight."""
    for filled in (len(row), WIDE_SCORES):
        nothing = 0.0 if scores == "probabilities" else -INF
        wide = np.full((1, filled), nothing)
        wide[0, : len(row)] = row
        assert columns(wide, scores)[0].tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


def rows_of(classes, kind, rows=300, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=rng.uniform(0.1, 12, (rows, 1)), size=(rows, classes))
    if kind == "probabilities":
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    return scores.astype(dtype)


@pytest.mark.parametrize("classes", [2, 3, WIDE_CLASSES - 1, WIDE_CLASSES, 1000])
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_are_what_a_loop_over_them_gives(classes, kind, dtype):
    scores = rows_of(classes, kind, dtype=dtype)
    scores[7, 1], scores[8, 0], scores[9, 1] = NAN, INF, -INF
    expected = np.array([slow_signals(row, kind) for row in scores])
    found = columns(scores, kind)
    assert np.isnan(found[:10]).any(axis=1).tolist() == np.isnan(expected[:10]).any(axis=1).tolist()
    assert np.array_equal(found[:, 0], expected[:, 0], equal_nan=True)
    assert found == pytest.approx(expected, rel=2e-6, abs=2e-6, nan_ok=True)


def test_a_block_does_not_change_its_neighbours():
    """More rows than a block holds, and not a whole number of blocks."""
    rows = 2 * (BLOCK_VALUES // 1000) + 7
    scores = rows_of(1000, "logits", rows=rows)
    scores[::5] = NAN
    whole = columns(scores, "logits")
    parts = np.concatenate([columns(scores[start : start + 9], "logits") for start in range(0, rows, 9)])
    assert whole == pytest.approx(parts, rel=1e-6, abs=1e-6, nan_ok=True)
    assert np.isnan(whole[:, 1]).tolist() == [place % 5 == 0 for place in range(rows)]


def test_the_scores_stay_as_they_were():
    for kind in ("logits", "probabilities"):
        scores = rows_of(1000, kind, rows=9)
        before = scores.copy()
        columns(scores, kind)
        assert np.array_equal(scores, before)


LOGITS = st.floats(-1e4, 1e4, width=32)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(LOGITS, min_size=2, max_size=40),
    st.floats(-100, 100, width=16),
    st.sampled_from([2, WIDE_SCORES]),
)
def test_softmax_does_not_see_a_shift_and_stays_in_its_bounds(row, shift, width):
    scores = np.full((1, max(width, len(row))), -INF)
    scores[0, : len(row)] = row
    index, confidence, entropy, margin, energy = columns(scores, "logits")[0]
    # Of two that are all but equal, either may be the larger once rounded.
    assert index == int(np.argmax(row)) or margin < 1e-6
    assert 0 < confidence <= 1
    assert 0 <= margin <= confidence + 1e-9
    assert -1e-6 <= entropy <= math.log(len(row)) + 1e-5
    shifted = columns(scores + shift, "logits")[0]
    assert shifted[1:4].tolist() == pytest.approx([confidence, entropy, margin], abs=1e-6, rel=1e-5)
    assert shifted[4] == pytest.approx(energy + shift, rel=1e-6, abs=1e-4)
    assert shifted[0] == index or margin < 1e-6


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        (np.zeros(5), Regression(scores="values")),
        (np.zeros((5, 1)), Regression(scores="values")),
        (np.zeros((5, 2)), Classification(scores="logits", classes=["0", "1"])),
        (np.full((5, 2), 0.5), Classification(scores="probabilities", classes=["0", "1"])),
        (np.full((5, 2), [0.5, 0.5005]), Classification(scores="probabilities", classes=["0", "1"])),
        (np.full((5, 2), [0.5, 0.505]), Classification(scores="probabilities", classes=["0", "1"])),
        (np.full((5, 2), [0.5, 0.52]), Multilabel(scores="probabilities", classes=["0", "1"])),
        (np.full((5, 2), [1.5, -0.5]), Classification(scores="logits", classes=["0", "1"])),
        (np.full((5, 2), NAN), Classification(scores="logits", classes=["0", "1"])),
    ],
)
def test_kinds_are_told_by_shape_and_range(scores, found):
    assert outputs_of(scores) == found


def test_one_row_beyond_the_first_block_makes_logits_of_them():
    scores = np.full((3 * BLOCK_VALUES // 1000, 1000), 0.001, dtype=np.float32)
    assert outputs_of(scores).scores == "probabilities"
    scores[-1] = 2.0
    assert outputs_of(scores).scores == "logits"


def test_names_of_classes_and_of_features():
    named = outputs_of(np.zeros((5, 3)), ["a", "b", "c"])
    assert (named.kind, named.classes, chosen_signals(named, None)) == (
        "classification",
        ["a", "b", "c"],
        NAMES,
    )
    assert chosen_signals(outputs_of(np.zeros((5, 2)), ["no", "yes"]), None) == NAMES[:2]
    assert chosen_signals(outputs_of(np.zeros((5, 2))), None) == [*NAMES[:2], "energy"]
    assert chosen_signals(outputs_of(np.zeros((5, 3))), None) == OF_LOGITS
    assert chosen_signals(named, ["margin", "confidence"]) == ["confidence", "margin"]
    assert output_signals(np.array([[1.5], [NAN]]), Regression(scores="values"))[
        "value"
    ].tolist() == pytest.approx([1.5, NAN], nan_ok=True)
    with pytest.raises(BaselineError, match="a regression model has no 'margin'; it has value"):
        chosen_signals(outputs_of(np.zeros(5)), ["margin"])
    assert outputs_of(np.zeros((5, 2, 2))) == Values(count=4)
    with pytest.raises(BaselineError, match=r"outputs have shape \(\); give \(rows, classes\) or \(rows,\)"):
        outputs_of(np.array(1.0))
