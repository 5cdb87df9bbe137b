"""Histograms as counters: cumulative, exact, and never sent twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.histograms import HistogramCounter

SIZES = m.Histogram("model_test_size", "count", "Sizes.", (1.0, 10.0, 100.0))


def buckets(publisher, *labels):
    return [publisher.value(SIZES.bucket, *labels, le) for le in SIZES.le_values]


def test_a_bound_belongs_to_its_own_bucket():
    publisher, histogram = MemoryPublisher(), HistogramCounter(SIZES)
    histogram.observe(np.array([0.5, 1.0, 1.5, 10.0, 100.0, 101.0]))
    histogram.publish(publisher)
    assert buckets(publisher) == [2, 4, 5, 6]
    assert publisher.value(SIZES.count) == 6
    assert publisher.value(SIZES.sum) == 214.0


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), max_size=10))
def test_it_counts_what_a_loop_counts(batches):
    publisher, histogram = MemoryPublisher(), HistogramCounter(SIZES)
    for batch in batches:
        histogram.observe(np.array(batch, dtype=np.float64))
        histogram.publish(publisher)
    values = [value for batch in batches for value in batch]
    expected = [sum(value <= bound for value in values) for bound in (1.0, 10.0, 100.0, np.inf)]
    assert buckets(publisher) == expected
    assert publisher.value(SIZES.count) == len(values)
    assert publisher.value(SIZES.sum) == pytest.approx(sum(values), abs=1e-3)


def test_what_is_not_finite_is_refused_and_spoils_nothing():
    publisher, histogram = MemoryPublisher(), HistogramCounter(SIZES)
    histogram.observe(np.array([5.0, np.nan, np.inf, -np.inf]))
    histogram.observe(np.array([np.nan]))
    histogram.publish(publisher)
    assert buckets(publisher) == [0, 1, 1, 1]
    assert publisher.value(SIZES.sum) == 5.0
    assert publisher.value(m.MONITOR_DROPPED, "not_finite") == 4


def test_series_exist_before_anything_is_observed_only_where_asked_for():
    publisher, histogram = MemoryPublisher(), HistogramCounter(SIZES)
    histogram.publish(publisher)
    assert publisher.series == {}
    histogram.publish(publisher, create=True)
    assert len(publisher.series) == 6
    assert set(publisher.series.values()) == {0}


def test_what_a_publisher_did_not_take_is_not_sent_again():
    class Broken(MemoryPublisher):
        broken = True

        def increase(self, metric, labels, amount):
            if self.broken:
                raise OSError("stdout is closed")
            super().increase(metric, labels, amount)

    publisher, histogram = Broken(), HistogramCounter(SIZES)
    histogram.observe(np.array([1.0, 2.0]))
    with pytest.raises(OSError, match="stdout is closed"):
        histogram.publish(publisher)
    publisher.broken = False
    histogram.observe(np.array([3.0]))
    histogram.publish(publisher)
    assert publisher.value(SIZES.count) == 1
