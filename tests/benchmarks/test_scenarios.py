"""The table of scenarios: what goes wrong is what the title says, and figures become rows and words."""

import json

import numpy as np
import pytest

from benchmarks.drift.adapters import Data
from benchmarks.scenarios import catalogue, ks, over_time, peer, populations
from benchmarks.scenarios import changes as c
from benchmarks.scenarios.alerts import ALERTS, firing, series
from benchmarks.scenarios.catalogue import ORDERED, SCENARIOS, UNORDERED, Case, Scenario, Wanted, cases
from benchmarks.scenarios.document import DOCUMENT, RESULT, document
from benchmarks.scenarios.over_time import STORIES
from benchmarks.scenarios.own import baseline_of, inputs, judge, outputs
from benchmarks.scenarios.serving import Timeline, pieces, serve
from benchmarks.scenarios.shares import shares, worst
from benchmarks.scenarios.streams import Stream
from benchmarks.scenarios.table import lines, markdown, missed, printed, share, story_lines, words
from stack.errors import StackError
from stack.promtool import groups_of, said
from torchvitals.telemetry import catalogue as m

MADE = [one for one in SCENARIOS if not isinstance(one.source, Stream)]
BY_NAME = {one.name: one for one in SCENARIOS}
# What a population comes with by itself.
PLAIN = Scenario(
    "plain", "quiet", "Tests", populations.SIX, wanted=catalogue.QUIET, windows=(500,), training=2_000
)


def window(name, size=10_000, kind=UNORDERED):
    """Return a scenario's first window, and where its right column is."""
    scenario = BY_NAME[name]
    rows = Case(scenario, kind, size).rows(0)
    return rows, rows[:, scenario.source.place(scenario.right[0])]


def test_the_names_of_scenarios_and_rows_are_their_own():
    keys = [case.key for case in cases()] + [story.key for story in STORIES]
    assert len(set(keys)) == len(keys)
    assert len(BY_NAME) == len(SCENARIOS)


@pytest.mark.parametrize("scenario", MADE, ids=lambda one: one.name)
def test_only_the_right_column_changes(scenario):
    size = scenario.windows[0]
    case = Case(scenario, scenario.kinds[0], size)
    rows = case.rows(3)
    assert rows.shape == (size, len(scenario.source.columns))
    assert np.array_equal(rows, case.rows(3), equal_nan=True)  # the same for every tool
    assert not np.array_equal(rows, case.rows(4), equal_nan=True)
    rng = catalogue.generator(scenario.source.name, scenario.name, size, 3)
    before = scenario.source.draw(rng, size)
    moved = {
        name
        for place, name in enumerate(scenario.source.columns)
        if not np.array_equal(rows[:, place], before[:, place], equal_nan=True)
    }
    # Nothing goes wrong with what is quiet, but for the sensor that stands still as it did in training.
    assert moved == set(scenario.right) or (scenario.name, moved) == ("standing-quiet", {"sensor_1"})


@pytest.mark.parametrize(
    ("name", "measure", "wanted", "within"),
    [
        ("sentinel-temperature-5%", lambda values: np.mean(values == -999), 0.05, 0.008),
        ("sentinel-amount-9%", lambda values: np.mean(values == -999), 0.09, 0.01),
        ("unit-temperature", lambda values: np.mean(np.abs(values) > 60), 0.09, 0.012),
        ("top-temperature", lambda values: np.mean(values > 100), 0.01, 0.0005),
        ("plus-0.1", np.mean, 0.1, 0.03),
        ("plus-0.3", np.mean, 0.3, 0.03),
        ("spread-0.8", np.std, 0.8, 0.03),
        ("spread-1.3", np.std, 1.3, 0.04),
        ("boolean-20%", np.mean, 0.2, 0.015),
        ("class-20%", lambda values: np.mean(values == 0), 0.2, 0.015),
        ("mixture", np.mean, 0.2, 0.04),
        ("plus-0.9", np.mean, 0.9, 0.03),
        ("spread-1.5", np.std, 1.5, 0.05),
        ("missing-5%", lambda values: np.mean(np.isnan(values)), 0.05, 0.008),
        ("missing-9%", lambda values: np.mean(np.isnan(values)), 0.09, 0.01),
        ("stuck-25%", lambda values: np.mean(values == 0.3), 0.25, 0.015),
        ("sensors-stuck", np.ptp, 0.0, 0.0),
    ],
)
def test_a_change_has_the_size_that_its_title_says(name, measure, wanted, within):
    kind = ORDERED if name.startswith("sensors") else UNORDERED
    assert abs(measure(window(name, kind=kind)[1]) - wanted) <= within


def test_the_other_classes_keep_their_proportions():
    _, predicted = window("class-20%")
    found = np.bincount(predicted.astype(int), minlength=populations.CLASSES)[1:]
    wanted = np.array(populations.CLASS_SHARES[1:])
    assert np.allclose(found / found.sum(), wanted / wanted.sum(), atol=0.02)


def test_columns_are_swapped_and_what_goes_round_keeps_its_values():
    rows = np.arange(12.0).reshape(4, 3)
    assert np.array_equal(c.swapped(0, 2)(rows, None), rows[:, [2, 1, 0]])
    assert np.array_equal(rows, np.arange(12.0).reshape(4, 3))
    hours = c.turned(1, 24)(np.arange(24.0), None)
    assert hours[0] == 1
    assert sorted(hours) == list(range(24))
    assert c.affine(1.8, 32.0)(np.array([100.0]), None) == 212.0


def test_autocorrelated_rows_have_the_correlation_and_the_std_that_they_should():
    rows = populations.autocorrelated(np.random.default_rng(1), 50_000, 2)
    assert np.allclose(rows.std(axis=0), 1.0, atol=0.05)
    assert abs(np.corrcoef(rows[1:, 0], rows[:-1, 0])[0, 1] - populations.RHO) < 0.01
    assert abs(np.corrcoef(rows.T)[0, 1]) < 0.05


def test_the_sensor_of_training_stands_still_for_whole_windows_at_times():
    rows = populations.STANDING.draw(np.random.default_rng(1), 20_000)
    still = [np.ptp(rows[start : start + 1000, 0]) == 0 for start in range(0, 20_000, 1000)]
    assert 0 < sum(still) < len(still)


def test_windows_of_a_stream_come_after_its_training_rows_and_in_order():
    stream = Stream("counted", ("count",), lambda: np.arange(10_000.0)[:, None], 4_000)
    case = Case(Scenario("s", "s", "Tests", stream, kinds=(ORDERED,), windows=(500,)), ORDERED, 500)
    assert case.reference()[:, 0].tolist() == list(range(4_000))
    assert case.count() == 10
    starts = [case.rows(number)[0, 0] for number in range(case.count())]
    assert starts == list(range(4_500, 9_500, 500))
    assert np.array_equal(case.healthy(2, 500)[:, 0] + 500, case.rows(2)[:, 0])
    assert len(case.rows(9, 1000)) == 1000


def test_our_verdict_names_the_column_of_a_fault_and_leaves_quiet_windows_alone():
    fault = Scenario(
        "high",
        "+3 σ",
        "Tests",
        populations.SIX,
        c.column(1, c.plus(3.0)),
        ("load",),
        windows=(500,),
        training=2_000,
    )
    found = judge(Case(fault, UNORDERED, 500), quick=True)
    assert (found["flagged"], found["first"]) == (1.0, 1.0)
    assert judge(Case(PLAIN, UNORDERED, 500), quick=True)["flagged"] <= 0.05


def test_texts_and_outputs_are_given_as_a_model_gives_them():
    rng = np.random.default_rng(1)
    rows = populations.MIXED.draw(rng, 20)
    frame = inputs(populations.MIXED, rows)
    assert frame["zipf_200"].tolist() == [f"v{int(code)}" for code in rows[:, 0]]
    rows = populations.CLASSIFIED.draw(rng, 200)
    scores = outputs(populations.CLASSIFIED, rows)
    assert np.allclose(scores.sum(axis=1), 1.0)
    assert np.array_equal(scores.argmax(axis=1), rows[:, -1])
    assert inputs(populations.CLASSIFIED, rows).shape == (200, 6)


def test_shares_and_the_worst_of_several_baselines():
    assert shares([["a", "b"], ["b"], [], []], {"a"}) == {"windows": 4, "flagged": 0.5, "first": 0.25}
    low, high = {"flagged": 0.1}, {"flagged": 0.9}
    assert worst([low], ()) is low
    assert worst([low, high], ()) == {"flagged": 0.9, "mean": 0.5}
    assert worst([low, high], ("a",)) == {"flagged": 0.1, "mean": 0.5}


# --- What is published, and who is told ---


@pytest.fixture(scope="module")
def told():
    """Two models, one of which is given what lies 5 σ off."""
    case = Case(PLAIN, UNORDERED, 500)
    moved = case.rows(1, 1000)
    moved[:, 0] += 40.0
    timelines = {
        "well": serve(populations.SIX, baseline_of(case), 500, pieces(case.rows(0, 1500), 125), Timeline()),
        "ill": serve(
            populations.SIX,
            baseline_of(case),
            500,
            pieces(np.concatenate([case.healthy(0, 500), moved]), 125),
            Timeline(),
        ),
    }
    return timelines, firing(timelines, 30)


def test_the_shipped_alerts_tell_of_a_fault_and_of_nothing_else(told):
    timelines, found = told
    assert {model for model, _ in found} == {"ill"}
    assert not any(timelines["well"].drifted())
    first = min(step for _, step in found)
    believed = timelines["ill"].drifted().index(True)
    assert first - believed >= 2  # the alert waits for a minute
    assert "ModelInputDrift" in found["ill", timelines["ill"].steps - 1]


def test_a_timeline_has_a_value_a_flush_and_none_before_a_series_began(told):
    timeline = told[0]["well"]
    assert timeline.steps == 13
    samples = timeline.of(m.WINDOW_SAMPLES)["500", "0"]
    assert samples == [None, 125, 250, 375, *[500] * 9]
    assert all(len(values) == timeline.steps for values in timeline.values.values())


def test_series_are_written_as_promtool_reads_them():
    timeline = Timeline()
    for value in (None, 0.5, 0.5, float("nan"), -2.0, -2.0, -2.0):
        if value is not None:
            timeline.set(m.DRIFTED, ("input", 'a"b', "1000", "0"), value)
        timeline.set(m.WINDOW_EVALUATED, ("0",), 1.7e9)
        timeline.step()
    clock, drifted = sorted(series("m", timeline, 30), key=lambda one: "drifted" in one["series"])
    assert clock["values"] == "0.0 30.0 60.0 90.0 120.0 150.0 180.0"
    assert drifted["values"] == "_ 0.5x1 NaN -2.0x2"
    assert 'feature="a\\"b"' in drifted["series"]


def test_what_promtool_says_is_read_and_anything_else_is_an_error():
    text = """
    expr: "count(x)", time: 1m30s,
        exp: {__name__="never"} 0E+00
        got: {alertname="ModelInputDrift", model_name="a/0"} 1E+00, {alertname="ModelInputX", model_name="a/0"} 1E+00
    expr: "count(x)", time: 2m,
        exp: {__name__="never"} 0E+00
        got: nil
"""
    drift = {"alertname": "ModelInputDrift", "model_name": "a/0"}
    assert said(text) == {90: [drift, {**drift, "alertname": "ModelInputX"}], 120: []}
    with pytest.raises(StackError, match="parse error"):
        said("parse error: no such rule")
    with pytest.raises(StackError, match="too many samples"):
        said(text + "rule: x, err: too many samples")


def test_the_alerts_on_data_come_with_every_rule_that_they_rest_on():
    kept = [rule for group in groups_of(ALERTS) for rule in group["rules"]]
    alerts = {rule["alert"] for rule in kept if "alert" in rule}
    assert {"ModelInputDrift", "ModelInputMeanShift", "ModelPredictionDrift"} <= alerts
    records = {rule["record"] for rule in kept if "record" in rule}
    assert "worker:model_monitor:fresh" in records
    assert "model:fleet_latency:p95_rate1h" not in records


def test_what_takes_hours_is_counted():
    assert over_time.episodes([True, True, False, True, False]) == 2
    row = over_time.first_row(1_000, 10_000)
    assert row([False] * 15 + [True]) == 5_000
    assert row([False] * 5) is None
    assert over_time.hours_told(3)([False, True, False, False, False, False, False]) == 0.5
    slow = next(story for story in STORIES if story.case.scenario.name == "slow")
    rows = slow.rows(np.random.default_rng(1))[:, 1]
    assert abs(rows[-10_000:].mean() - rows[:10_000].mean() - 0.45) < 0.04
    assert not slow.holds({"believed": None})
    assert slow.holds({"believed": 39_000.0})


def test_the_fault_that_comes_back_lasts_minutes_of_each_hour():
    story = next(story for story in STORIES if story.case.scenario.name == "back-shift")
    load = story.rows(np.random.default_rng(1))[:, 1].reshape(over_time.HOURS, over_time.HOUR)
    assert np.all(load[:, : over_time.FAULT_SECONDS].mean(axis=1) > 2.5)
    assert np.all(np.abs(load[:, over_time.FAULT_SECONDS :].mean(axis=1)) < 0.1)


# --- Other tools ---


def test_ks_flags_what_moved_and_leaves_missing_values_out():
    rng = np.random.default_rng(1)
    reference = rng.normal(size=(5_000, 3))
    reference[:500, 2] = np.nan
    window = rng.normal(size=(500, 3))
    window[:, 1] += 0.5
    data = Data("d", ["a", "b", "c"], [], False, False, reference, window[None])
    detector = ks.Detector(data)
    assert detector.evaluate(detector.prepare(window)) == ["b"]


def test_a_tool_that_fails_has_no_verdict_and_says_why():
    class Failing:
        def __init__(self, data):
            raise ValueError("fewer rows than a chunk")

    case = Case(PLAIN, UNORDERED, 500)
    assert peer.judge(case, Failing) == {"failed": "ValueError: fewer rows than a chunk"}
    assert peer.judge(case, ks.Detector, quick=True)["windows"] == 20


# --- The table ---


@pytest.fixture
def result():
    fault, quiet = "unit-amount/no order/1000", "quiet/time order/1000"
    return {
        "date": "2031-01-01",
        "python": "3.11.7",
        "cases": {
            fault: {"flagged": 1.0, "first": 0.5, "notified": 0.95},
            quiet: {"flagged": 0.005, "first": 0.0, "notified": 0.0},
            "small-100/no order/50": {"flagged": 0.03, "mean": 0.0075, "first": 0.0},
        },
        "stories": {
            "slow/no order/10000": {"believed": 25_000.0, "notified": None, "unit": "row of detection"},
            "back-unit/no order/1000": {"believed": 0.5, "notified": 0.25, "unit": "hours"},
        },
        "peers": {
            "ks": {
                "version": "1.0",
                "cases": {fault: {"flagged": 0.25, "first": 0.2}, quiet: {"flagged": 0.0}},
            },
            "evidently": {"missing": "no wheel for this Python"},
            "alibi_detect": {"version": "2.0", "cases": {fault: {"failed": "ValueError: too few rows"}}},
        },
    }


def test_rows_say_what_was_found_and_what_should_have_been(result):
    found = {line.cells[0]: line.cells for line in lines(result)}
    assert found["×100 in 9 % of amount"] == (
        "×100 in 9 % of amount", "no order", "1,000", "100 %", "50 %", "95 %", "25 % (20 %)", "no verdict",
        "right column first ≥ 99 %; notified ≥ 99 %",
    )  # fmt: skip
    assert found["quiet, ten mixed columns (worst of 8 baselines)"][3] == "3 % (0.8 %)"
    assert found["quiet"] == ("quiet", "time order", "1,000", "0.5 %", "–", "0 %", "0 %", "–", "")
    slow, back = story_lines(result)
    assert slow.cells[3:] == ("row of detection", "25,000", "never", "")
    assert back.cells[3:] == ("hours", "50 %", "25 %", "believed ≥ 90 %")


def test_the_document_has_a_part_a_group_and_says_who_is_missing(result):
    text = document(result)
    assert "### A gross fault in few rows" in text
    assert "### Moderate shifts" in text
    assert "3 of 5 rows are not as wanted" in text
    assert "- Evidently is not in the table: no wheel for this Python" in text
    assert "- NannyML is not in the table: it was not asked" in text
    assert "alibi-detect KS has no verdict in some rows: ValueError: too few rows" in text
    rows = [line for line in markdown(result).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert [table.title for table in printed(result)] == ["Windows", "Over time"]


@pytest.mark.skipif(not RESULT.exists(), reason="not measured yet: run python -m benchmarks.scenarios")
def test_the_document_is_what_the_json_gives():
    result = json.loads(RESULT.read_text())
    assert DOCUMENT.read_text() == document(result)
    assert {case.key for case in cases()} == set(result["cases"])
    assert {story.key for story in STORIES} == set(result["stories"])


def test_wants_have_a_side_and_a_window():
    assert Wanted("flagged", at_least=0.95).holds(0.95)
    assert not Wanted("flagged", at_most=0.02).holds(0.025)
    moderate = BY_NAME["plus-0.3"]
    assert missed(Case(moderate, UNORDERED, 10_000), {"flagged": 0.5}) == [moderate.wanted[0]]
    assert missed(Case(moderate, UNORDERED, 1_000), {"flagged": 0.5}) == []
    assert missed(Case(PLAIN, UNORDERED, 500), {"flagged": 0.0}) == []  # the alerts were not asked
    assert words(Wanted("notified", at_most=0.0)) == "notified ≤ 0 %"
    assert share(1 / 3) == "33.3 %"
