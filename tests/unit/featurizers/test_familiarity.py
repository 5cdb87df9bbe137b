"""What whole rows of training look like, and rows that do not look so."""

import msgspec
import numpy as np
import pytest

from torchvitals import Baseline, BaselineError
from torchvitals.featurizers.familiarity import learn_familiarity, measure_familiarity, strangeness
from torchvitals.featurizers.row_distance import learn_row_distance


def correlated(rng, rows, columns=6):
    """Columns of which each goes with the one before."""
    values = rng.normal(size=(rows, columns))
    for place in range(1, columns):
        values[:, place] = 0.8 * values[:, place - 1] + 0.6 * values[:, place]
    return values


@pytest.fixture(scope="module")
def known():
    return learn_familiarity(correlated(np.random.default_rng(1), 90), list("abcdef"))


def test_rows_like_those_of_few_training_ones_look_usual(known):
    found = strangeness(known, known.distance, correlated(np.random.default_rng(2), 2000))
    assert found.far < 0.05
    np.testing.assert_allclose(found.residuals, 1.0, atol=0.35)
    np.testing.assert_allclose(found.shifts, 0.0, atol=0.3)
    assert found.regions.sum() == 2000


def test_a_column_that_no_longer_goes_with_the_others_has_the_largest_residual(known):
    rng = np.random.default_rng(3)
    rows = correlated(rng, 2000)
    rows[:, 2] = rng.permutation(rows[:, 2])
    found = strangeness(known, known.distance, rows)
    assert found.residuals.argmax() == 2
    assert found.residuals[2] > 3
    assert found.shifts.max() < 0.3


def test_the_residual_is_that_of_a_regression_on_the_other_columns():
    rows = correlated(np.random.default_rng(4), 50_000)
    distance = learn_row_distance(rows, list("abcdef"))
    squares = distance.residuals(distance.whitened(rows)[1])
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    for place in range(6):
        others = np.delete(scaled, place, axis=1)
        fitted = others @ np.linalg.lstsq(others, scaled[:, place], rcond=None)[0]
        expected = (scaled[:, place] - fitted) ** 2 / (scaled[:, place] - fitted).var()
        assert np.corrcoef(squares[:, place], expected)[0, 1] > 0.999
        assert squares[:, place].mean() == pytest.approx(1.0, abs=0.02)


def test_pieces_of_any_number_of_rows_add_up(known, monkeypatch):
    rows = correlated(np.random.default_rng(5), 333)
    whole = strangeness(known, known.distance, rows)
    monkeypatch.setattr("torchvitals.featurizers.familiarity.VALUES_AT_ONCE", 60)
    pauses = []
    parts = strangeness(known, known.distance, rows, pause=lambda: pauses.append(1))
    assert len(pauses) == 34
    assert parts.far == whole.far
    np.testing.assert_allclose(parts.residuals, whole.residuals)
    np.testing.assert_array_equal(parts.regions, whole.regions)


def test_missing_values_say_nothing(known):
    rows = correlated(np.random.default_rng(6), 500)
    rows[:, 0] = np.nan
    found = strangeness(known, known.distance, rows)
    assert np.isfinite(found.residuals).all()
    assert found.shifts[0] == 0


def test_too_few_rows_teach_nothing():
    assert learn_familiarity(np.zeros((49, 2)), ["a", "b"]) is None


def classified(rows):
    return np.stack([np.zeros(len(rows)), rows[:, 0]], axis=1)


def test_a_baseline_of_classes_keeps_it_and_another_does_not():
    rows = correlated(np.random.default_rng(7), 200)
    assert Baseline.fit(rows).familiarity is None
    few = Baseline.fit(rows, outputs=classified(rows)).familiarity
    assert few.distance.columns == [f"f{place}" for place in range(6)]
    many = correlated(np.random.default_rng(8), 2000)
    baseline = Baseline.fit(many, outputs=classified(many))
    assert baseline.familiarity.distance is None
    assert baseline.familiarity.samples == 1000
    distance = baseline.rows
    measured = measure_familiarity(many[:1000], distance)
    np.testing.assert_allclose(measured.usual, baseline.familiarity.usual, rtol=0.2)


def test_a_file_keeps_it_to_the_digit(tmp_path):
    rows = correlated(np.random.default_rng(9), 200)
    baseline = Baseline.fit(rows, outputs=classified(rows))
    baseline.save(tmp_path / "b.json")
    assert Baseline.load(tmp_path / "b.json") == baseline


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"counts": [1, 2]}, "its regions are not 2 of 6 columns"),
        ({"usual": [1.0]}, "its regions are not"),
        ({"spread": [1.0]}, "one mean and one deviation a column"),
        ({"samples": 0}, "of at least one row"),
    ],
)
def test_what_does_not_fit_is_refused(known, changes, complaint):
    with pytest.raises(BaselineError, match=complaint):
        msgspec.structs.replace(known, **changes).validate()
