"""The verdict by segment: a fault of one partner is that partner's, and quiet traffic is nobody's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from torchvitals import Baseline, DriftDetector, Features

PARTNERS = [f"P{number:02d}" for number in range(20)]
SMALL = "P00"
# The small partner has 3 % of the traffic.
SHARES = np.array([0.03, *[0.97 / 19] * 19])


def traffic(rng, rows, *, columns=4):
    """Return rows of 20 partners, each with a scale and a level of its own."""
    number = rng.choice(20, rows, p=SHARES)
    found = {f"x{k}": rng.normal(5 * number * k, 1 + number / 10) for k in range(columns)}
    found["waited"] = np.where(rng.random(rows) < 0.7, 0.0, rng.exponential(size=rows))
    found["cabin"] = rng.choice(["economy", "business", "first"], rows, p=[0.8, 0.15, 0.05])
    return pd.DataFrame({"partner": np.array(PARTNERS)[number], **found})


@pytest.fixture(scope="module")
def baseline():
    return Baseline.fit(traffic(np.random.default_rng(1), 40_000), features=Features(segments=["partner"]))


def drifted(report):
    """Return the segments that drifted, each with its features that did."""
    return {
        name: sorted(f.name for f in report.segments[name].features.values() if f.drifted)
        for name in report.drifted_segments
    }


def unit(rows):
    return rows.assign(x1=rows.x1 * 100)


def constant(rows):
    return rows.assign(x2=7.0)


def missing(rows):
    return rows.assign(x3=np.nan)


def category(rows):
    return rows.assign(cabin="unknown")


def swapped(rows):
    return rows.assign(x1=rows.x2, x2=rows.x1)


def shifted(rows):
    return rows.assign(x0=rows.x0 + 1.5 * rows.x0.std())


FAULTS = {
    unit: ["x1"],
    constant: ["x2"],
    missing: ["x3"],
    category: ["cabin"],
    shifted: ["x0"],
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("partner", [SMALL, "P07"])
def test_a_fault_of_one_partner_is_named_as_that_partners(baseline, fault, partner):
    rng = np.random.default_rng(2)
    detector = DriftDetector(baseline)
    detector.update(traffic(rng, 10_000))
    assert drifted(detector.report()) == {}
    faulty = traffic(rng, 7_000)
    faulty = faulty.astype({"x0": float})
    one = faulty.partner == partner
    faulty[one] = fault(faulty[one])
    detector.update(faulty)
    report = detector.report()
    assert drifted(report) == {f"partner={partner}": FAULTS[fault]}
    assert next(iter(report.segments)) == f"partner={partner}"


def test_the_whole_does_not_see_what_the_segment_does(baseline):
    rng = np.random.default_rng(3)
    detector = DriftDetector(baseline, window=1000)
    faulty = traffic(rng, 9_000)
    faulty.loc[faulty.partner == SMALL, "x1"] += 5  # the next partner's level
    detector.update(faulty)
    report = detector.report()
    assert not report.drifted
    assert report.drifted_segments == [f"partner={SMALL}"]


def test_quiet_traffic_of_twenty_segments_is_called_drift_in_at_most_one_window_of_a_hundred():
    """120 windows in which all rows of all segments are new, of two baselines."""
    windows = false = 0
    for seed in range(2):
        rng = np.random.default_rng(100 + seed)
        baseline = Baseline.fit(traffic(rng, 40_000), features=Features(segments=["partner"]))
        detector = DriftDetector(baseline)
        for _ in range(60):
            detector.update(traffic(rng, 7_000))
            windows += 1
            false += bool(detector.report().drifted_segments)
    assert windows == 120
    assert false <= 1


def test_what_moves_in_all_segments_is_nobodys(baseline):
    rng = np.random.default_rng(4)
    detector = DriftDetector(baseline)
    rows = traffic(rng, 10_000)
    detector.update(rows.assign(x1=rows.x1 * 3 + 20, cabin="first"))
    report = detector.report()
    assert {"x1", "cabin"} <= {f.name for f in report.features.values() if f.drifted}
    assert drifted(report) == {}


def test_of_two_segments_one_may_drift():
    rng = np.random.default_rng(5)

    def rows(count):
        return pd.DataFrame({"side": rng.choice(["buy", "sell"], count), "x": rng.normal(size=count)})

    detector = DriftDetector(Baseline.fit(rows(4_000), features=Features(segments=["side"])))
    faulty = rows(1_000)
    faulty.loc[faulty.side == "sell", "x"] += 5
    detector.update(faulty)
    assert detector.report().drifted_segments == ["side=sell"]


def test_an_unknown_partner_and_a_missing_one_are_the_rest():
    rng = np.random.default_rng(6)
    data = traffic(rng, 20_000)
    data.loc[data.index % 20 == 0, "partner"] = "new"
    data.loc[data.index % 20 == 1, "partner"] = None
    data["partner"] = data.partner.where(data.partner != "new", [f"n{i}" for i in data.index])
    detector = DriftDetector(Baseline.fit(data, features=Features(segments=["partner"], identifiers=[])))
    rows = traffic(rng, 300).assign(partner=["never seen", None] * 150)
    detector.update(rows)
    assert {name: one.samples for name, one in detector.report().segments.items()} == {"other": 200}
    detector.update(unit(rows))
    assert drifted(detector.report()) == {"other": ["x1"]}


def test_a_segment_is_judged_from_fifty_rows_on(baseline):
    detector = DriftDetector(baseline)
    rows = traffic(np.random.default_rng(7), 10_000)
    own = rows[rows.partner == "P05"]
    detector.update(own[:49])
    assert detector.report().segments == {}
    detector.update(own[49:50])
    assert [one.samples for one in detector.report().segments.values()] == [50]


def test_pairs_of_two_columns_are_told_apart():
    rng = np.random.default_rng(8)
    detector = DriftDetector(
        Baseline.fit(traffic(rng, 60_000), features=Features(segments=["partner", "cabin"]))
    )
    faulty = traffic(rng, 30_000)
    one = (faulty.partner == "P03") & (faulty.cabin == "economy")
    faulty.loc[one, "x2"] *= -1
    detector.update(faulty)
    assert drifted(detector.report()) == {"partner=P03 cabin=economy": ["x2"]}


def test_rows_of_codes_are_told_apart_as_their_texts_are():
    rng = np.random.default_rng(9)
    features = Features(segments=["partner"], categories={"partner": "sorted", "cabin": "sorted"})
    baseline = Baseline.fit(traffic(rng, 20_000), features=features)
    faulty = traffic(rng, 7_000)
    faulty.loc[faulty.partner == SMALL, "x1"] *= 100
    coded = faulty.assign(
        partner=faulty.partner.astype("category").cat.codes, cabin=faulty.cabin.astype("category").cat.codes
    )
    detector = DriftDetector(baseline)
    detector.update(coded.to_numpy(dtype=np.float32))
    assert drifted(detector.report()) == {f"partner={SMALL}": ["x1"]}


def test_what_is_ignored_is_not_judged_in_segments_either(baseline):
    detector = DriftDetector(baseline, ignored=[("input", "x1"), ("input", "partner")])
    rows = traffic(np.random.default_rng(10), 3_000)
    detector.update(unit(rows))
    report = detector.report()
    assert len(report.segments) == 20
    assert all("x1" not in one.features for one in report.segments.values())


def test_without_knowing_the_codes_of_their_column_there_are_no_segments(baseline):
    detector = DriftDetector(baseline)
    detector.ignore([("input", "cabin")])
    assert detector.segments is not None
    assert "cabin" not in {f.partition("\0")[2] for f in detector.segments._floors}
    detector.ignore([("input", "partner")])
    assert detector.segments is None
    detector.update(traffic(np.random.default_rng(11), 3_000))
    assert detector.report().segments == {}


def test_limits_of_training_windows_hold_segments_too():
    """A season that swings the amount of every partner at its own time: without the order of time it is drift."""
    rng = np.random.default_rng(12)

    def rows(count, start):
        found = traffic(rng, count)
        phase = (start + np.arange(count)) / 4_000 + found.partner.str[1:].astype(int)
        return found.assign(x0=found.x0 + 3 * np.sin(phase))

    training, served = rows(40_000, 0), rows(12_000, 40_000)
    found = []
    for ordered in (False, True):
        features = Features(segments=["partner"], row_distance=False)
        detector = DriftDetector(Baseline.fit(training, features=features, ordered=ordered))
        quiet = 0
        for start in range(0, 12_000, 4_000):
            detector.update(served[start : start + 4_000])
            quiet += len(detector.report().drifted_segments)
        faulty = rows(8_000, 52_000)
        faulty.loc[faulty.partner == SMALL, "x1"] *= 100
        detector.update(faulty)
        found.append((quiet, drifted(detector.report()).get(f"partner={SMALL}")))
    assert found[0][0] > 6
    assert found[1][0] <= 1
    assert "x1" in found[1][1]


def test_compare_looks_at_segments_too(baseline):
    rows = traffic(np.random.default_rng(13), 20_000)
    rows.loc[rows.partner == SMALL, "x1"] *= 100
    report = baseline.compare(rows)
    assert report.drifted_segments == [f"partner={SMALL}"]
    assert report.segments[f"partner={SMALL}"].samples == (rows.partner == SMALL).sum()
