"""The comparison of drift detectors: its document, its figures, and our adapter on a small seeded case."""

import copy
import json

import numpy as np
import pytest

from benchmarks.drift import scenarios
from benchmarks.drift.adapters.__main__ import measure
from benchmarks.drift.adapters.torchvitals import Detector
from benchmarks.drift.document import DOCUMENT, RESULT, NoReasonError, document
from benchmarks.drift.environments import NotInstalledError, interpreter
from benchmarks.drift.figures import figures, rows_until
from benchmarks.drift.peers import OURS, PEERS, Peer
from benchmarks.drift.run import ToolError, merged, run_tool, write_jobs
from benchmarks.drift.table import ROWS, behind, best


@pytest.fixture(scope="module")
def result():
    return json.loads(RESULT.read_text())


@pytest.fixture(scope="module")
def baseline():
    return scenarios.draw(np.random.default_rng(scenarios.SEED), scenarios.BASELINE_ROWS)


def test_the_document_is_what_the_json_gives(result):
    assert DOCUMENT.read_text() == document(result)


def test_every_tool_is_in_the_table_or_said_to_be_missing(result):
    assert set(result["tools"]) | set(result["missing"]) == {peer.key for peer in PEERS}
    assert not set(result["tools"]) & set(result["missing"])
    assert OURS in result["tools"]
    assert set(result["versions"]) == set(result["tools"])


def test_a_missing_tool_is_named_with_its_reason(result):
    without = copy.deepcopy(result)
    del without["tools"]["whylogs"]
    without["missing"]["whylogs"] = "no wheel for this Python"
    assert "whylogs is not in the table: no wheel for this Python" in document(without)


def test_a_measure_in_which_we_are_behind_needs_a_reason(result):
    worse = copy.deepcopy(result)
    worse["tools"][OURS]["cpu_10"] = 1e6
    assert "cpu_10" in [row.key for row in behind(worse)]
    with pytest.raises(NoReasonError, match="cpu_10"):
        document(worse)


def test_ties_are_as_printed_and_fewer_rows_are_better():
    share = next(row for row in ROWS if row.key == "quiet_1000")
    assert best(
        share, {"a": {"quiet_1000": 0.0001}, "b": {"quiet_1000": 0.0}, "c": {"quiet_1000": 0.01}}
    ) == {
        "a",
        "b",
    }
    rows = next(row for row in ROWS if row.key == "rows_shift")
    assert best(
        rows, {"a": {"rows_shift": 500.0}, "b": {"rows_shift": 250.0}, "c": {"rows_shift": None}}
    ) == {"b"}


def test_rows_until_detection_count_the_right_column_only():
    stream = [["other"], ["other", "x"], ["x"], []]
    assert rows_until(stream, {"x"}) == 500
    assert rows_until(stream, {"x", "other"}) == 250
    assert rows_until(stream, {"y"}) == float("inf")


def test_figures_of_a_known_result():
    quiet = {
        f"quiet_{size}": {"flagged": [["a"], [], [], []], "cpu_seconds": [0.5]}
        for size in scenarios.QUIET_SIZES
    }
    drifting = {
        f"drift_{kind}": {"flagged": [[], [], [right[0]], [right[0]], [], [], [], ["a", right[-1]]]}
        for kind, right in scenarios.DRIFTS.items()
    }
    flights = {f"flights_{period}": {"flagged": [[], ["temp"]]} for period in scenarios.PERIODS}
    timed = {
        f"cpu_{columns}": {"flagged": [], "cpu_seconds": [1.0, 3.0, 2.0], "fit_seconds": 4.0}
        for columns in scenarios.TIMED
    }
    found = figures({**quiet, **drifting, **flights, **timed})
    assert (found["quiet_100"], found["cpu_verdict"]) == (0.25, 0.5)
    for kind in ("shift", "correlation"):
        assert (found[f"detected_{kind}"], found[f"first_{kind}"], found[f"only_{kind}"]) == (1.0, 0.5, 0.5)
        assert found[f"rows_{kind}"] == 875  # of 750 and 1,000
    assert (found["flights_july"], found["windows_july"]) == (0.5, 2)
    assert (found["cpu_10"], found["cpu_windows_10"], found["fit_10"]) == (2.0, 3, 4.0)


def test_the_distance_of_the_row_is_not_another_column():
    flagged = [[], [], [], ["normal_3", scenarios.WHOLE_ROW], [], [], [], [scenarios.WHOLE_ROW]]
    found = figures({"drift_shift": {"flagged": flagged}})
    assert (found["detected_shift"], found["first_shift"], found["only_shift"]) == (0.5, 0.5, 0.5)


def test_a_later_run_of_some_data_replaces_their_figures_alone(result):
    later = copy.deepcopy(result) | {"date": "2031-01-01", "machine": {"load": -1}}
    later["tools"] = {key: {"detected_shift": 0.25} for key in result["tools"]}
    together = merged(result, later)
    assert (together["date"], together["machine"]) == ("2031-01-01", result["machine"])
    assert together["tools"][OURS] == {**result["tools"][OURS], "detected_shift": 0.25}
    later["tools"][OURS]["cpu_10"] = 1.0
    assert merged(result, later)["machine"] == {"load": -1}
    later["versions"][OURS] = "0.0.0"
    with pytest.raises(ToolError, match="without --only"):
        merged(result, later)


def test_every_data_set_has_its_row_in_the_table():
    rows = {row.key for row in ROWS}
    assert {name for name in scenarios.DATA_SETS if not name.startswith("drift_")} <= rows
    for kind in scenarios.DRIFTS:
        assert f"drift_{kind}" in scenarios.DATA_SETS
        assert {f"{what}_{kind}" for what in ("detected", "first", "only", "rows")} <= rows


def test_a_turned_correlation_leaves_every_column_alone():
    baseline = scenarios.made_baseline("correlation")
    data = scenarios.drifting(baseline, "correlation", 1)
    both = [scenarios.NAMES.index(name) for name in ("normal_1", "normal_2")]
    before, after = data.windows[0, : scenarios.WINDOW - scenarios.STRIDE], data.windows[-1]
    for rows, correlation in ((baseline, 0.8), (before, 0.8), (after, -0.8)):
        assert np.corrcoef(rows[:, both].T)[0, 1] == pytest.approx(correlation, abs=0.05)
        assert rows[:, both].mean(axis=0) == pytest.approx([0, 0], abs=0.1)
        assert rows[:, both].std(axis=0) == pytest.approx([1, 1], abs=0.1)


@pytest.mark.parametrize("kind", [kind for kind in scenarios.DRIFTS if kind != "correlation"])
def test_a_stream_drifts_in_one_column_from_its_start_on(baseline, kind):
    data = scenarios.drifting(baseline, kind, 1)
    place = scenarios.NAMES.index(scenarios.DRIFTS[kind][0])
    assert data.windows.shape == (4, scenarios.WINDOW, len(scenarios.NAMES))
    column = data.windows[-1, :, place]
    before = data.windows[0, : scenarios.WINDOW - scenarios.STRIDE, place]
    changed = {
        "shift": abs(column.mean() - 0.5) < 0.15 and abs(before.mean()) < 0.15,
        "scale": abs(column.std() - 1.5) < 0.15 and abs(before.std() - 1) < 0.15,
        "missing": 0.02 < np.isnan(column).mean() < 0.08 and not np.isnan(before).any(),
        "unseen": 0.02 < (column == 4).mean() < 0.08 and not (before == 4).any(),
    }
    assert changed[kind]


def test_our_adapter_on_a_small_seeded_case(baseline):
    quiet = measure(scenarios.quiet(baseline, 1000, 20), Detector)
    assert quiet["flagged"] == [[]] * 20
    assert len(quiet["cpu_seconds"]) == 20
    assert all(seconds > 0 for seconds in quiet["cpu_seconds"])
    for kind in scenarios.DRIFTS:
        flagged = measure(scenarios.drifting(scenarios.made_baseline(kind), kind, 3), Detector)["flagged"]
        named = scenarios.DRIFTS[kind][-1]  # row_distance, where no column changes
        drifting, quiet = flagged[3::4], flagged[0::4]
        assert [names[0] for names in drifting] == [named] * 3, kind
        # Rows with a column far out are far themselves.
        assert all(set(names) <= {named, scenarios.WHOLE_ROW} for names in drifting), kind
        assert all(set(names) <= {named} for names in quiet), kind


def test_a_tool_runs_in_a_process_of_its_own(baseline, tmp_path):
    data = scenarios.drifting(baseline, "shift", 1)
    job = write_jobs([data], tmp_path)["verdicts"]
    done = []
    ours = next(peer for peer in PEERS if peer.key == OURS)
    found = run_tool(ours, interpreter(ours, tmp_path), job, done.append)
    assert done == ["drift_shift"]
    assert found["data"]["drift_shift"]["flagged"] == measure(data, Detector)["flagged"]


def test_a_peer_that_does_not_install_says_why(tmp_path):
    peer = Peer("absent", "Absent", "absent", (str(tmp_path / "absent.whl"),), "", "")
    with pytest.raises(NotInstalledError, match=r"absent\.whl"):
        interpreter(peer, tmp_path)
