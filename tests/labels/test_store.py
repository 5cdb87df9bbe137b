"""Whatever comes in whatever order, what is counted is what a plain join counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    brier_score_loss,
    confusion_matrix,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
)

from torchvitals_labels.database import Database
from torchvitals_labels.store import Label, Refusal, Store

from .predictions import CLASSES, NOW, batch, drawn, net


@pytest.fixture
def store(opened: Callable[[str], Store]) -> Store:
    return opened("here")


def test_a_label_finds_its_prediction_whichever_comes_first(store: Store) -> None:
    store.take_predictions(batch(["first"]))
    store.take_labels([Label("first", "late"), Label("second", "lost")], now=NOW + 60)
    assert store.unmatched() == 1
    store.take_predictions(batch(["second"]))
    totals = store.totals()
    assert store.unmatched() == 0
    assert net(totals, "model_stored_predictions") == 2
    assert net(totals, "model_labelled") == 2
    assert net(totals, "model_labelled_correct", first="late") == 1
    assert net(totals, "model_labelled_confusion", first="late", second="lost") == 1
    assert net(totals, "model_label_delay_seconds_sum") == 120


def test_the_same_again_changes_nothing(store: Store) -> None:
    store.take_predictions(batch(["a", "a", "b"]))
    store.take_labels([Label("a", "late")])
    before = store.totals()
    assert store.take_predictions(batch(["b", "a"])) == 0
    taken = store.take_labels([Label("a", "late")])
    assert (taken.new, taken.same, taken.corrected) == (0, 1, 0)
    after = store.totals()
    assert [total for total in after if total.quantity != "labels_received"] == [
        total for total in before if total.quantity != "labels_received"
    ]


def test_a_correction_is_two_counters_and_never_a_decrease(store: Store) -> None:
    store.take_predictions(batch(["a"]))
    store.take_labels([Label("a", "late")])
    before = {tuple(vars(total).values())[:-1]: total.value for total in store.totals()}
    assert store.take_labels([Label("a", "lost")]).corrected == 1
    totals = store.totals()
    after = {tuple(vars(total).values())[:-1]: total.value for total in totals}
    assert all(after[key] >= value for key, value in before.items())
    assert net(totals, "model_labelled", first="late") == 0
    assert net(totals, "model_labelled", first="late", change="added") == 1
    assert net(totals, "model_labelled", first="lost") == 1
    assert net(totals, "model_labelled_correct") == 0
    assert net(totals, "model_label_delay_seconds_count") == 1


def test_a_label_for_one_model_counts_before_that_for_all(store: Store) -> None:
    store.take_predictions(batch(["order"], model_name="fraud"))
    store.take_predictions(batch(["order"], model_name="delay"))
    store.take_labels([Label("order", "late"), Label("order", "lost", "delay")])
    totals = store.totals()
    assert net(totals, "model_labelled", first="late", model_name="fraud") == 1
    assert net(totals, "model_labelled", first="lost", model_name="delay") == 1
    assert net(totals, "model_labelled") == 2


def test_both_versions_that_predicted_for_an_id_get_its_label(store: Store) -> None:
    store.take_predictions(batch(["a"]))
    store.take_predictions(batch(["a"], model_version="2.0"))
    store.take_labels([Label("a", "late")])
    assert net(store.totals(), "model_labelled_correct", model_version="1.0") == 1
    assert net(store.totals(), "model_labelled_correct", model_version="2.0") == 1


def test_an_unknown_class_is_refused_where_its_prediction_is_known(store: Store) -> None:
    store.take_predictions(batch(["a"]))
    taken = store.take_labels(
        [Label("a", "early", place="line 7"), Label("b", "early"), Label("a", "LATE", place="line 9")]
    )
    assert taken.refused == tuple(
        Refusal(place, "label: not one of the classes of flights: 'late', 'on time', 'lost'")
        for place in ("line 7", "line 9")
    )
    store.take_predictions(batch(["b"]))
    assert net(store.totals(), "model_labelled") == 0
    assert net(store.totals(), "labels_received", first="unusable") == 1


def test_segments_and_versions_are_told_apart_and_bounded(store: Store) -> None:
    count = 30
    ids = [str(number) for number in range(count)]
    store.take_predictions(batch(ids, segments=[f"segment {number}" for number in range(count)]))
    store.take_labels([Label(one, "late") for one in ids])
    segments = {total.segment for total in store.totals() if total.quantity == "model_labelled"}
    assert len(segments) == 21
    assert net(store.totals(), "model_labelled", segment="other") == 10
    assert net(store.totals(), "model_labelled") == count


def test_what_is_old_is_forgotten_and_stays_counted(store: Store) -> None:
    store.take_predictions(batch(["old", "older"], times=np.array([NOW - 200, NOW - 300])))
    store.take_predictions(batch(["new"]))
    store.take_labels([Label("old", "late")], now=NOW - 150)
    assert store.prune(seconds=100, rows=1_000, now=NOW) == 3
    assert store.take_labels([Label("old", "lost")]).new == 1
    assert net(store.totals(), "model_labelled", first="late") == 1
    assert net(store.totals(), "model_labelled") == 1
    store.take_predictions(batch(["newer", "newest"], times=np.array([NOW + 1, NOW + 2])))
    assert store.prune(seconds=1e9, rows=2, now=NOW) == 1
    store.take_labels([Label(one, "late") for one in ("new", "newer", "newest")])
    assert net(store.totals(), "model_labelled") == 3


def test_a_label_is_kept_as_long_as_its_prediction(store: Store) -> None:
    store.take_labels([Label("a", "late")], now=NOW - 1_000)
    store.take_predictions(batch(["a"]))
    assert store.prune(seconds=100, rows=1_000, now=NOW) == 0
    assert store.take_labels([Label("a", "late")]).same == 1
    assert net(store.totals(), "model_labelled") == 1


def test_metrics_equal_those_of_scikit_learn(store: Store) -> None:
    ids = [str(number) for number in range(3_000)]
    made, scores = drawn(ids, segments=True)
    truth = np.random.default_rng(1).integers(len(CLASSES), size=len(ids))
    store.take_predictions(made)
    store.take_labels([Label(one, CLASSES[place]) for one, place in zip(ids, truth)])
    totals = store.totals()
    wanted = confusion_matrix(truth, made.predicted)
    for actual, row in enumerate(wanted):
        for predicted, count in enumerate(row):
            names = {"first": CLASSES[predicted], "second": CLASSES[actual]}
            assert net(totals, "model_labelled_confusion", **names) == count
    for place, name in enumerate(CLASSES):
        assert net(totals, "model_labelled", first=name) == wanted[place].sum()
        assert net(totals, "model_labelled_predicted", first=name) == wanted[:, place].sum()
        assert net(totals, "model_labelled_correct", first=name) == wanted[place, place]
    count = net(totals, "model_labelled_scored")
    assert count == len(ids)
    assert net(totals, "model_labelled_log_loss") / count == pytest.approx(log_loss(truth, scores), rel=1e-9)
    assert net(totals, "model_labelled_brier") / count == pytest.approx(
        brier_score_loss(truth, scores), rel=1e-9
    )
    right = truth == made.predicted
    for place in range(10):
        chosen = (made.confidence > place / 10) & (made.confidence <= (place + 1) / 10)
        name = f"{(place + 1) / 10:g}"
        assert net(totals, "model_labelled_confidence", first=name) == chosen.sum()
        assert net(totals, "model_labelled_confidence_correct", first=name) == right[chosen].sum()
        assert net(totals, "model_labelled_confidence_sum", first=name) == pytest.approx(
            made.confidence[chosen].sum(), rel=1e-9
        )
    known = ~np.isnan(made.expected)
    assert net(totals, "model_labelled_estimated") == known.sum()
    assert net(totals, "model_labelled_estimated_correct") == right[known].sum()
    assert net(totals, "model_labelled_estimated_expected") == pytest.approx(
        made.expected[known].sum(), rel=1e-9
    )
    for segment, amount in Counter(made.segments).items():
        assert net(totals, "model_labelled", segment=segment) == amount


def test_metrics_of_two_classes_equal_those_of_scikit_learn(store: Store) -> None:
    ids = [str(number) for number in range(500)]
    rng = np.random.default_rng(2)
    positive, truth = rng.random(500), rng.integers(2, size=500)
    store.take_predictions(
        batch(
            ids,
            classes=["no", "yes"],
            predicted=(positive >= 0.5).astype(np.float64),
            scores=np.stack([1 - positive, positive], axis=1),
        )
    )
    store.take_labels([Label(one, ["false", "True"][place]) for one, place in zip(ids, truth)])
    totals = store.totals()
    assert net(totals, "model_labelled_scored") == 500
    assert net(totals, "model_labelled_brier") / 500 == pytest.approx(
        brier_score_loss(truth, positive), rel=1e-9
    )
    assert net(totals, "model_labelled_log_loss") / 500 == pytest.approx(log_loss(truth, positive), rel=1e-9)


def test_errors_of_values_equal_those_of_scikit_learn(store: Store) -> None:
    ids = [str(number) for number in range(500)]
    rng = np.random.default_rng(3)
    predicted, truth = rng.normal(10, 3, 500), rng.normal(10, 3, 500)
    nothing = np.full(500, np.nan)
    store.take_predictions(
        batch(
            ids,
            kind="value",
            classes=[],
            predicted=predicted,
            confidence=nothing,
            expected=nothing,
            scores=b"",
        )
    )
    store.take_labels([Label(one, repr(float(value))) for one, value in zip(ids, truth)])
    totals = store.totals()
    over, under = (net(totals, "model_labelled_absolute_error", first=side) for side in ("over", "under"))
    assert (over + under) / 500 == pytest.approx(mean_absolute_error(truth, predicted), rel=1e-9)
    assert (over - under) / 500 == pytest.approx((predicted - truth).mean(), rel=1e-9)
    assert net(totals, "model_labelled_squared_error") / 500 == pytest.approx(
        mean_squared_error(truth, predicted), rel=1e-9
    )
    assert net(totals, "model_labelled_fourth_power_error") == pytest.approx(
        ((predicted - truth) ** 4).sum(), rel=1e-9
    )


def test_two_hosts_with_one_store_give_the_pooled_numbers(opened: Callable[[str], Store]) -> None:
    one, other = opened("one"), opened("other")
    ids = [str(number) for number in range(200)]
    one.take_predictions(batch(ids[:120]))
    other.take_predictions(batch(ids[80:]))
    other.take_labels([Label(name, "late") for name in ids[:100]])
    one.take_labels([Label(name, "lost") for name in ids[50:]])
    totals = [*one.totals(), *other.totals()]
    assert net(totals, "model_stored_predictions") == 200
    assert net(totals, "model_labelled", first="late") == 50
    assert net(totals, "model_labelled", first="lost") == 150
    assert net(totals, "model_labelled_correct") == 50


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("prediction"), st.integers(0, 8), st.sampled_from(["1.0", "2.0"])),
        st.tuples(st.just("label"), st.integers(0, 8), st.sampled_from([*CLASSES, "none of them"])),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.data())
def test_any_order_counts_what_a_plain_join_counts(
    tmp_path: Path, events: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    file = tmp_path / "any.sqlite"
    for part in tmp_path.glob("any.sqlite*"):
        part.unlink()
    database = Database(str(file))
    stores = [Store(database, "one"), Store(database, "other")]
    labels: dict[str, str] = {}
    predicted: dict[tuple[str, str], float] = {}
    for kind, number, value in events:
        store = data.draw(st.sampled_from(stores))
        if kind == "prediction":
            place = float(number % 3)
            store.take_predictions(batch([str(number)], model_version=value, predicted=np.array([place])))
            predicted.setdefault((str(number), value), place)
        else:
            known = any(one == str(number) for one, _ in predicted)
            store.take_labels([Label(str(number), value)])
            if value in CLASSES or not known:
                labels[str(number)] = value
    joined = [
        (version, place, CLASSES.index(labels[one]))
        for (one, version), place in predicted.items()
        if labels.get(one) in CLASSES
    ]
    totals = [total for store in stores for total in store.totals()]
    database.close()
    for version in ("1.0", "2.0"):
        for place, name in enumerate(CLASSES):
            truth = sum(row[0] == version and row[2] == place for row in joined)
            right = sum(row[0] == version and row[1] == row[2] == place for row in joined)
            assert net(totals, "model_labelled", model_version=version, first=name) == truth
            assert net(totals, "model_labelled_correct", model_version=version, first=name) == right
    assert net(totals, "model_stored_predictions") == len(predicted)
