"""The distance of a row as a whole: against scipy, on turned correlations, and in samples that merge."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import mahalanobis

from torchvitals import Baseline, BaselineError, DriftMonitor, Features, Monitor, MonitoringConfig
from torchvitals.featurizers.row_distance import RIDGE, learn_row_distance
from torchvitals.featurizers.row_sample import RowSample, halves
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.training import BaselineBuilder


def correlated(rng, rows, correlation):
    """Return ten standard normal columns, of which the first two are correlated."""
    values = rng.normal(size=(rows, 10))
    values[:, 1] = correlation * values[:, 0] + np.sqrt(1 - correlation**2) * values[:, 1]
    return values


def test_it_is_the_mahalanobis_distance():
    rng = np.random.default_rng(1)
    rows = correlated(rng, 5000, 0.8) * np.arange(1, 11) + 100
    learned = learn_row_distance(rows, [f"f{index}" for index in range(10)])
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    inverse = np.linalg.inv(scaled.T @ scaled / len(rows) + RIDGE * np.eye(10))
    expected = [mahalanobis(row, np.zeros(10), inverse) for row in scaled[:50]]
    assert learned.of(rows[:50]) == pytest.approx(expected, rel=1e-6)
    assert np.mean(learned.of(rows) ** 2) == pytest.approx(10, rel=0.01)


def test_missing_and_absurd_values_have_a_finite_distance():
    rng = np.random.default_rng(2)
    learned = learn_row_distance(rng.normal(size=(1000, 3)), ["a", "b", "c"])
    rows = np.array([[np.nan, np.nan, np.nan], [np.inf, 0, 0], [-np.inf, 0, 0], [1e30, 0, 0], [20, 0, 0]])
    distance = learned.of(rows)
    assert distance[0] == 0
    assert np.isfinite(distance).all()
    assert distance[1:4] == pytest.approx(distance[4], rel=0.05)


def test_columns_that_say_the_same_do_not_blow_up():
    rng = np.random.default_rng(3)
    one = rng.normal(size=(2000, 1))
    rows = np.hstack([one, one, -one])
    learned = learn_row_distance(rows, ["a", "b", "c"])
    assert learned.of(rows).max() < 10
    assert learned.of(np.array([[1.0, -1.0, 1.0]]))[0] > 20


@pytest.mark.parametrize("seed", range(10))
def test_a_turned_correlation_is_seen_within_a_thousand_rows_and_nothing_else_is_accused(seed):
    rng = np.random.default_rng(seed)
    monitor = DriftMonitor(Baseline.fit(correlated(rng, 10_000, 0.8)), window=1000)
    monitor.update(correlated(rng, 1000, 0.8))
    assert not monitor.report().drifted
    monitor.update(correlated(rng, 1000, -0.8))
    assert [name for name, drift in monitor.report().features.items() if drift.drifted] == ["row_distance"]


def test_columns_that_moved_are_named_before_the_row():
    rng = np.random.default_rng(4)
    baseline = Baseline.fit(correlated(rng, 10_000, 0.8))
    moved = correlated(rng, 1000, 0.8)
    moved[:, 1] += 0.6
    drifted = [name for name, drift in baseline.compare(moved).features.items() if drift.drifted]
    assert drifted[0] == "f1"
    assert set(drifted) <= {"f1", "row_distance"}


def test_texts_and_constants_take_no_part():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {"a": rng.normal(size=2000), "t": ["x", "y"] * 1000, "c": 1.0, "b": rng.normal(size=2000)}
    )
    baseline = Baseline.fit(frame)
    assert baseline.rows.columns == ["a", "b"]
    assert [feature.name for feature in baseline.features] == ["a", "t", "c", "b", "row_distance"]
    assert not baseline.compare(frame.sample(500, random_state=1)).drifted


@pytest.mark.parametrize(
    "rows",
    [np.zeros((1000, 1)), np.random.default_rng(0).normal(size=(79, 2)), np.ones((1000, 3))],
    ids=["one column", "few rows", "constants"],
)
def test_where_it_cannot_be_learned_there_is_none(rows):
    baseline = Baseline.fit(rows)
    assert baseline.rows is None
    assert "row_distance" not in [feature.name for feature in baseline.features]


def test_it_can_be_switched_off_and_its_name_is_taken_with_a_clear_error():
    rng = np.random.default_rng(6)
    names = ["row_distance", "b"]
    with pytest.raises(BaselineError, match=r"a column is named 'row_distance'.*row_distance: false"):
        Baseline.fit(rng.normal(size=(1000, 2)), feature_names=names)
    without = Baseline.fit(
        rng.normal(size=(1000, 2)), feature_names=names, features=Features(row_distance=False)
    )
    assert [feature.name for feature in without.features] == names


def test_it_reads_back_the_same_and_a_damaged_one_is_refused(tmp_path):
    baseline = Baseline.fit(np.random.default_rng(7).normal(size=(1000, 3)))
    baseline.save(tmp_path / "rows-1.0.json")
    again = Baseline.load(tmp_path / "rows-1.0.json")
    assert again == baseline
    rows = np.random.default_rng(8).normal(size=(10, 3))
    assert (again.encode(rows) == baseline.encode(rows)).all()
    assert again.encode(rows).shape == (10, 4)
    content = json.loads((tmp_path / "rows-1.0.json").read_text())
    content["rows"]["columns"].pop()
    (tmp_path / "rows-1.0.json").write_text(json.dumps(content))
    with pytest.raises(BaselineError, match="row distance: 2 columns"):
        Baseline.load(tmp_path / "rows-1.0.json")


def test_streamed_rows_give_what_fit_gives():
    rows = correlated(np.random.default_rng(9), 50_000, 0.5).astype(np.float32)
    builder = BaselineBuilder()
    for part in np.array_split(rows, 17):
        builder.update(part)
    streamed, fitted = builder.baseline(), Baseline.fit(rows)
    assert streamed.rows == fitted.rows
    assert streamed.features[-1] == fitted.features[-1]


def test_merged_parts_judge_like_the_whole():
    rng = np.random.default_rng(10)
    rows = correlated(rng, 100_000, 0.8)
    parts = []
    for part in np.array_split(rows, 10):
        parts.append(BaselineBuilder())
        parts[-1].update(part)
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    mine, whole = merged.baseline(), Baseline.fit(rows)
    ours, theirs = np.array(mine.rows.whitening), np.array(whole.rows.whitening)
    assert np.abs(ours - theirs).max() < 0.1
    assert mine.features[-1].mean == pytest.approx(whole.features[-1].mean, rel=0.02)
    turned = correlated(rng, 1000, -0.8)
    assert mine.compare(turned).features["row_distance"].drifted
    assert not mine.compare(correlated(rng, 1000, 0.8)).drifted


def test_a_sample_takes_each_row_with_the_same_chance():
    """Rows 0 to 9,999 in batches of uneven sizes, of which 100 stay: their places are uniform over all seeds."""
    taken = []
    for seed in range(200):
        sample = RowSample(100)
        for part in np.array_split(np.arange(10_000) + seed * 10_000.0, [10, 500, 501, 7000]):
            sample.update(len(part), lambda places, part=part: part[places, None])
        taken += [float(row[0]) - seed * 10_000 for row in sample.rows()]
        assert (len(sample.rows()), sample.seen) == (100, 10_000)
    counts = np.histogram(taken, bins=10, range=(0, 10_000))[0]
    assert counts.sum() == 20_000
    # Binomial with share 0.1: a standard deviation of 42.
    assert np.abs(counts - 2000).max() < 170


def test_samples_of_parts_merge_into_a_sample_of_the_whole():
    shares = []
    for seed in range(100):
        one, two = RowSample(100), RowSample(100)
        small, large = np.full(1000, 2.0 * seed), np.full(3000, 2.0 * seed + 1)
        one.update(len(small), lambda places, rows=small: rows[places, None])
        two.update(len(large), lambda places, rows=large: rows[places, None])
        one.merge(two)
        shares.append(np.mean([row[0] % 2 for row in one.rows()]))
    assert np.mean(shares) == pytest.approx(0.75, abs=0.02)


def test_one_half_learns_and_the_other_measures():
    rows = [np.array([index]) for index in range(11)]
    learn, measure = halves(rows)
    assert (len(learn), len(measure)) == (5, 6)
    assert {int(row[0]) for row in (*learn, *measure)} == set(range(11))


def test_the_columns_that_make_the_distance_are_named():
    rng = np.random.default_rng(11)
    monitor = DriftMonitor(Baseline.fit(correlated(rng, 20_000, 0.8)), window=2000)
    monitor.update(correlated(rng, 2000, 0.8))
    usual = monitor.report().row_shares
    assert sum(usual.values()) == pytest.approx(1)
    assert max(usual.values()) < 0.13
    monitor.update(correlated(rng, 2000, -0.8))
    shares = monitor.report().row_shares
    assert set(list(shares)[:2]) == {"f0", "f1"}
    assert sum(list(shares.values())[:2]) > 0.5


def test_shares_are_the_terms_of_the_squared_distance():
    rng = np.random.default_rng(12)
    rows = correlated(rng, 5000, 0.5)
    learned = learn_row_distance(rows, [f"f{index}" for index in range(10)])
    scaled = (rows[:7] - rows.mean(axis=0)) / rows.std(axis=0)
    precision = np.linalg.inv(np.corrcoef(rows.T) + RIDGE * np.eye(10))
    terms = np.array([[row[i] * (precision @ row)[i] for i in range(10)] for row in scaled])
    assert learned.shares(rows[:7]) == pytest.approx(terms.sum(axis=0) / terms.sum(), abs=1e-6)
    assert learned.shares(rows[:0]).tolist() == [0.0] * 10


def test_a_column_that_shortens_the_distance_has_no_share_and_the_others_add_up_to_one():
    rng = np.random.default_rng(14)
    baseline = Baseline.fit(correlated(rng, 20_000, 0.8))
    # f0 moved, and f1 with it, though not as far as it did in training: that makes such rows less unusual.
    rows = correlated(rng, 2000, 0.8) + np.array([5, 2] + [0] * 8)
    terms = baseline.rows.shares(rows)
    assert terms[0] > 1
    assert terms[1] < -0.1
    monitor = DriftMonitor(baseline, window=2000)
    monitor.update(rows)
    shares = monitor.report().row_shares
    assert next(iter(shares)) == "f0"
    assert shares["f1"] == 0
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) >= 0
    # What lengthens the distance keeps its proportions.
    assert shares["f5"] / shares["f0"] == pytest.approx(terms[5] / terms[0], rel=1e-3)


def test_they_are_exported():
    rng = np.random.default_rng(13)
    publisher = MemoryPublisher()
    baseline = Baseline.fit(correlated(rng, 5000, 0.8))
    monitor = Monitor(MonitoringConfig(flush_interval=10, window=500), publisher, baseline=baseline)
    call = monitor.recorder.begin()
    monitor.recorder.inputs(call, correlated(rng, 500, -0.8))
    monitor.recorder.finish(call, requests=500, failed=0)
    monitor.flush()
    found = {
        labels[1]: value for (name, labels), value in publisher.series.items() if name == m.ROW_SHARE.name
    }
    assert len(found) == 10
    assert found["f0"] + found["f1"] > 0.5
