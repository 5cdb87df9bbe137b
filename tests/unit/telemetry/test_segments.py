"""What is published of segments: how many drifted, and the worst of them by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from torchvitals import Baseline, DriftDetector, Features, MonitoredModel, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry import segments as module
from torchvitals.telemetry.drift import DriftTelemetry

PARTNERS = [f"P{number:02d}" for number in range(20)]
SHARES = np.array([0.03, *[0.97 / 19] * 19])
COLUMNS = ["partner", *(f"x{k}" for k in range(6))]


def traffic(rng, rows, faults=None):
    """Return rows of 20 partners as the model is given them; faults: by partner, the columns that are times 100."""
    partner = rng.choice(20, rows, p=SHARES)
    values = rng.normal(5.0, 1 + partner[:, None] / 10, (rows, 6))
    for number, columns in (faults or {}).items():
        values[np.ix_(partner == number, columns)] *= 100
    return np.column_stack([partner, values])


@pytest.fixture(scope="module")
def baseline():
    data = pd.DataFrame(traffic(np.random.default_rng(1), 40_000), columns=COLUMNS)
    data["partner"] = [PARTNERS[int(number)] for number in data.partner]
    features = Features(segments=["partner"], categories={"partner": PARTNERS})
    return Baseline.fit(data, features=features)


class Watched:
    """One worker's telemetry, judged after every 1,000 rows."""

    def __init__(self, baseline, **options):
        self.rng = np.random.default_rng(2)
        self.publisher = MemoryPublisher()
        self.telemetry = DriftTelemetry(DriftDetector(baseline, **options), worker="9000", max_features=10)
        self.telemetry.start(self.publisher)

    def serve(self, rows, faults=None):
        for _ in range(rows // 1000):
            self.telemetry.add_inputs(traffic(self.rng, 1000, faults))
            self.telemetry.evaluate(lambda: None)
            self.telemetry.publish(self.publisher)

    @property
    def named(self):
        """What has a series above 0."""
        return {
            labels[:2]: value
            for (name, labels), value in self.publisher.series.items()
            if name == m.SEGMENT_DRIFT.name and value
        }

    def value(self, metric):
        return self.publisher.value(metric, "9000")


def test_one_partner_with_three_percent_of_the_traffic_is_named(baseline):
    watched = Watched(baseline)
    assert watched.value(m.JUDGED_SEGMENTS) == watched.value(m.DRIFTED_SEGMENTS) == 0
    watched.serve(10_000)
    assert watched.value(m.JUDGED_SEGMENTS) == 20
    assert watched.value(m.DRIFTED_SEGMENTS) == 0
    assert watched.named == {}
    watched.serve(8_000, {0: [2]})
    assert list(watched.named) == [("partner=P00", "x2")]
    assert watched.value(m.DRIFTED_SEGMENTS) == 1
    assert watched.telemetry.report.drifted_segments == ["partner=P00"]


def test_what_is_over_is_0(baseline):
    watched = Watched(baseline)
    watched.serve(8_000, {3: [0]})
    assert list(watched.named) == [("partner=P03", "x0")]
    watched.serve(12_000)
    assert watched.named == {}
    assert watched.value(m.DRIFTED_SEGMENTS) == 0
    assert watched.publisher.value(m.SEGMENT_DRIFT, "partner=P03", "x0", "9000") == 0


def test_a_segment_waits_for_rows_of_its_own(baseline):
    """The small partner's drift is seen at 50 rows, and believed 50 later; others' rows are none of its own."""
    watched = Watched(baseline)
    watched.serve(10_000)
    seen = believed = 0
    for rows in range(1000, 9000, 1000):
        watched.serve(1000, {0: [2]})
        now = watched.telemetry._detector.segments.report()["partner=P00"].features["x2"].drifted
        seen = seen or (rows if now else 0)
        believed = believed or (rows if watched.named else 0)
    assert 0 < seen < believed < 6000


def test_the_five_worst_are_named_each_segments_worst_first(baseline):
    watched = Watched(baseline)
    watched.serve(12_000, {1: [0, 1, 2, 3], 2: [4], 5: [5], 9: [1]})
    assert watched.value(m.DRIFTED_SEGMENTS) == 4
    assert len(watched.named) == 5
    assert {segment for segment, _ in watched.named} == {f"partner=P{number:02d}" for number in (1, 2, 5, 9)}


def test_series_are_few_in_a_workers_life(baseline, monkeypatch, caplog):
    monkeypatch.setattr(module, "MOST_SERIES", 3)
    watched = Watched(baseline)
    for partners in ((1, 2), (3, 4), (5, 6)):
        watched.serve(6_000, {partner: [0] for partner in partners})
    series = [labels for name, labels in watched.publisher.series if name == m.SEGMENT_DRIFT.name]
    assert len(series) == 3
    assert watched.value(m.DRIFTED_SEGMENTS) >= 2
    assert "3 pairs of a segment and a feature drifted so far" in caplog.text


def test_many_features_are_judged_in_every_second_flush(baseline, monkeypatch):
    monkeypatch.setattr(module, "JUDGED_A_FLUSH", 60)
    watched = Watched(baseline)
    judged = []
    report = watched.telemetry._segments._detector.report
    monkeypatch.setattr(
        watched.telemetry._segments._detector, "report", lambda pause: judged.append(1) or report(pause)
    )
    watched.serve(5_000)
    assert len(judged) == 3


def test_rows_of_codes_that_nobody_explained_have_no_segments(caplog):
    data = pd.DataFrame(traffic(np.random.default_rng(1), 10_000), columns=COLUMNS)
    data["partner"] = [PARTNERS[int(number)] for number in data.partner]
    watched = Watched(Baseline.fit(data, features=Features(segments=["partner"])))
    watched.serve(3_000)
    assert watched.telemetry.report.segments == {}
    assert watched.named == {}
    assert "list the categories" in caplog.text


def test_a_model_that_is_watched_names_the_segment(baseline):
    config = MonitoringConfig(flush_interval=10, warmup=0, overhead_budget=None)
    rng = np.random.default_rng(4)
    with MonitoredModel(lambda rows: rows[:, :1], baseline, config=config) as watched:
        for faults in ({}, {}, {7: [3]}, {7: [3]}, {7: [3]}):
            watched.predict(torch.from_numpy(traffic(rng, 2_000, faults)))
            watched.summary()
        assert watched.summary()["drift"].drifted_segments == ["partner=P07"]
        assert "drift of segment partner=P07: x3" in watched.check_anomalies()


def test_segments_may_be_switched_off(baseline):
    config = MonitoringConfig(flush_interval=10, features=Features(segments=[]))
    with MonitoredModel(lambda rows: rows[:, :1], baseline, config=config) as watched:
        watched.predict(torch.from_numpy(traffic(np.random.default_rng(5), 2_000)))
        assert watched.summary()["drift"].segments == {}
