"""Codes that a server is given in the place of texts: every one of them is counted, in its own column alone."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals import Baseline, DriftDetector, Features, Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.drift import DriftTelemetry

ROWS = 600
RNG = np.random.default_rng(8)
TEXTS = np.array(["AA", "B6", "UA"])
CODES = RNG.integers(0, 3, ROWS)
TABLE = np.column_stack(
    [RNG.normal(size=ROWS), TEXTS[CODES], RNG.integers(0, 4, ROWS), RNG.normal(size=ROWS)]
).astype(object)
for place in (0, 2, 3):
    TABLE[:, place] = TABLE[:, place].astype(float)
NAMES = ["amount", "carrier", "day", "age"]
SERVED = TABLE.copy()
SERVED[:, 1] = CODES
SERVED = SERVED.astype(np.float64)
CODED = Baseline.fit(TABLE, feature_names=NAMES, features=Features(categories={"carrier": list(TEXTS)}))
BARE = Baseline.fit(TABLE, feature_names=NAMES)
ODD = [3, -1, 0.5, 1.0001, 2.5, 1e300, -1e300, 2.0**63, 1e6, 32767, 32768, 65536, np.inf, -np.inf]


def monitor_of(baseline, publisher, **options):
    monitor = Monitor(MonitoringConfig(warmup=0, flush_interval=10, **options), publisher, baseline=baseline)
    monitor._pipeline.start()
    return monitor


def serve(monitor, rows):
    call = monitor.recorder.begin()
    monitor.recorder.inputs(call, rows)
    monitor.recorder.finish(call, requests=len(rows), failed=0)


def observed(publisher, feature):
    return {
        labels[2]: value
        for (name, labels), value in publisher.series.items()
        if name == m.OBSERVATIONS.name and labels[1] == feature
    }


def told(caplog):
    return [message for message in caplog.messages if "carrier" in message]


def errors(publisher):
    return publisher.total(m.MONITOR_ERRORS)


@pytest.mark.parametrize("value", [*ODD, np.nan])
def test_a_code_that_stands_for_nothing_is_other_and_ends_nothing(value):
    publisher = MemoryPublisher()
    monitor = monitor_of(CODED, publisher)
    rows = SERVED[:100].copy()
    rows[7, 1] = value
    serve(monitor, rows)
    monitor.flush()
    expected = {
        label: float((CODES[:100] == code).sum()) for code, label in enumerate(("00 AA", "01 B6", "02 UA"))
    }
    expected[f"0{CODES[7]} {TEXTS[CODES[7]]}"] -= 1
    missing = value != value
    assert observed(publisher, "carrier") == {
        **expected,
        "other": float(not missing),
        "missing": float(missing),
    }
    serve(monitor, SERVED[100:200])
    monitor.flush()
    assert publisher.total(m.OBSERVATIONS) == 200 * 5  # four columns and the rows' distance
    assert errors(publisher) == 0


CELLS = st.lists(
    st.tuples(
        st.integers(0, 19),
        st.integers(0, 3),
        st.one_of(st.sampled_from(ODD), st.floats(), st.integers(-(2**70), 2**70).map(float)),
    ),
    min_size=1,
    max_size=20,
)


def counts(rows):
    return DriftDetector(CODED, window=50).update_inputs(CODED.encode_rows(rows))


@settings(deadline=None)
@given(CELLS)
def test_any_value_in_any_place_changes_the_counts_of_its_own_column_alone(cells):
    rows = SERVED[:20].copy()
    plain = counts(rows)
    for row, column, value in cells:
        rows[row, column] = value
    changed = counts(rows)
    touched = {column for _, column, _ in cells}
    untouched = [column for column in range(4) if column not in touched]
    assert (changed[untouched] == plain[untouched]).all()
    assert (changed.sum(axis=1) == 20).all()


def test_texts_without_codes_are_named_and_left_out_and_the_other_columns_are_judged(caplog):
    publisher = MemoryPublisher()
    with caplog.at_level(logging.WARNING):
        monitor = monitor_of(BARE, publisher, window=300)
        (at_load,) = told(caplog)
        serve(monitor, torch.tensor(SERVED[:300]) + torch.tensor([2.0, 0, 0, 0]))
        monitor.flush()
        serve(monitor, torch.tensor(SERVED[300:400]))
        monitor.flush()
    (at_call,) = told(caplog)[1:]
    for message in (at_load, at_call):
        assert "has texts in 'carrier', and rows of numbers do not say which number is which" in message
        assert "features: categories: {carrier: [first, second]}" in message
    assert publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 400
    assert set(observed(publisher, "carrier").values()) == {0}
    assert sum(observed(publisher, "amount").values()) == 400
    assert set(monitor.drift.report.features) == {"amount", "day", "age", "row_distance"}
    assert monitor.drift.report.features["amount"].drifted
    psi = {labels[1] for name, labels in publisher.series if name == m.feature_gauge("psi").name}
    assert psi == {"amount", "day", "age", "row_distance"}
    assert errors(publisher) == 0


def test_what_is_left_out_on_purpose_is_not_told(caplog):
    publisher = MemoryPublisher()
    monitor = monitor_of(BARE, publisher, features=Features(ignore=["carrier"]))
    serve(monitor, SERVED[:100])
    monitor.flush()
    assert not told(caplog)
    assert publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 0


def test_a_section_at_serving_says_what_codes_mean():
    publisher = MemoryPublisher()
    monitor = monitor_of(BARE, publisher, features=Features(categories={"carrier": "sorted"}))
    serve(monitor, SERVED)
    monitor.flush()
    expected = {f"0{code} {text}": float((code == CODES).sum()) for code, text in enumerate(TEXTS)}
    assert observed(publisher, "carrier") == {**expected, "other": 0, "missing": 0}


def test_texts_in_arrays_of_objects_are_compared():
    publisher = MemoryPublisher()
    monitor = monitor_of(BARE, publisher)
    serve(monitor, TABLE[:50])
    monitor.flush()
    assert sum(observed(publisher, "carrier").values()) == 50
    assert observed(publisher, "carrier")["other"] == 0
    assert publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 0


def test_one_row_of_objects_does_not_take_the_others_along():
    publisher = MemoryPublisher()
    monitor = monitor_of(CODED, publisher)
    broken = TABLE[:1].copy()
    broken[0, 0] = "secret"
    serve(monitor, TABLE[1:50])
    serve(monitor, broken)
    serve(monitor, SERVED[50:100])
    monitor.flush()
    assert sum(observed(publisher, "amount").values()) == 99
    assert publisher.value(m.MONITOR_UNSEEN, "uncomparable") == 1
    assert publisher.value(m.INPUT_INVALID, "all", "bad_shape") == 1
    assert errors(publisher) == 0


def test_a_slice_that_fails_is_counted_once_and_leaves_the_others(monkeypatch):
    publisher = MemoryPublisher()
    monitor = monitor_of(CODED, publisher)
    update = DriftDetector.update_inputs
    fails = [True]

    def failing(self, rows, *pause):
        if fails.pop() if fails else False:
            raise MemoryError
        return update(self, rows, *pause)

    monkeypatch.setattr(DriftDetector, "update_inputs", failing)
    serve(monitor, TABLE[:10])
    serve(monitor, SERVED[:20])
    monitor.flush()
    assert sum(observed(publisher, "age").values()) == 20
    assert publisher.value(m.MONITOR_ERRORS, "inputs") == 1
    monitor.flush()
    serve(monitor, SERVED[20:30])
    monitor.flush()
    assert sum(observed(publisher, "age").values()) == 30
    assert publisher.value(m.REQUESTS, "ok") == 40


@pytest.mark.parametrize("refused", [m.OBSERVATIONS, m.INPUT_INVALID, m.feature_gauge("psi")])
def test_increases_that_a_publisher_refuses_are_not_sent_again(refused):
    publisher = MemoryPublisher()
    telemetry = DriftTelemetry(DriftDetector(CODED), worker="0", max_features=10)
    telemetry.add_inputs(np.array([[1e9, 0, 0, 0]]))
    telemetry.evaluate(lambda: None)

    class Refusing(MemoryPublisher):
        def increase(self, metric, labels, amount):
            self.refuse(metric)

        def set(self, metric, labels, value):
            self.refuse(metric)

        def refuse(self, metric):
            if metric == refused:
                raise OSError("stdout is closed")

    with pytest.raises(OSError, match="stdout is closed"):
        telemetry.publish(Refusing())
    telemetry.publish(publisher)
    assert publisher.total(m.OBSERVATIONS) == 0
    assert publisher.total(m.INPUT_INVALID) == 0
