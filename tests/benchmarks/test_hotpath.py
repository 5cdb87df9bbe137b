"""The benchmark without a server: that each action does what its title says, and how figures become tables."""

import copy
import gc
import json
import logging

import pytest
import torch
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from benchmarks.hotpath import actions
from benchmarks.hotpath.garbage import Collections, Watch
from benchmarks.hotpath.lines import lines_to_null
from benchmarks.hotpath.memory import parts_of
from benchmarks.hotpath.micro import Statistics, medians, read
from benchmarks.hotpath.observations import CALLS
from benchmarks.hotpath.peers import OBSERVING, Cost, WindowCosts
from benchmarks.hotpath.processes import MeasuringError, measured, run
from benchmarks.hotpath.results import Results, content
from benchmarks.hotpath.scales import BATCHES, EVALUATED, FEATURES, IMAGE_SIDES, WINDOW_COLUMNS
from benchmarks.hotpath.tables import tables
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m

ONE_ROW = torch.zeros(1, 3)
REPORT = {
    "machine_info": {"node": "somebody's"},
    "benchmarks": [
        {
            "name": name,
            "options": {"timer": "thread_time"},
            "stats": {
                "median": median, "iqr": 1e-7, "min": 1e-6, "rounds": 15, "iterations": 1, "data": [1e-6]
            },
        }
        for name, median in (
            *((f"test_flush[{n}]", n * 1e-4) for n in FEATURES),
            *((f"test_evaluation[{n}]", n * 1e-5) for n in EVALUATED),
            ("test_flushed_otherwise[10]", 1.0),
        )
    ],
}  # fmt: skip
MEMORY = {
    "scipy": 17_000_000,
    "imports": 3_000_000,
    "at_rest": 1_000_000,
    "waiting_calls": 4_000_000,
    "flushes": 500_000,
}
GARBAGE = {
    "plain": {"counts": [7, 1, 0], "worst_seconds": [1e-5, 2e-5, 0.0], "total_seconds": 9e-5},
    "monitored": {"counts": [9, 3, 2], "worst_seconds": [1e-5, 2e-5, 0.21], "total_seconds": 0.42},
}


def results(**changes):
    added = {"features": FEATURES, "batch": BATCHES, "image side": IMAGE_SIDES}
    found = {
        "added": {name: {number: number * 4e-7 for number in numbers} for name, numbers in added.items()},
        "micro": read(REPORT),
        "all_at_1000_a_second": 16e-6,
        "memory": {100: {**MEMORY, "total": 8_500_000}},
        "garbage_requests": 1000,
        "garbage": GARBAGE,
        "served": [{"millions": 1, "seconds": 1e-6, "rss_bytes": 1e8}],
        "others": {"slow": Cost(154.3e-6, "1.6.4"), "absent": Cost(missing="no such version")},
        "windows": WindowCosts({n: n * 0.01 for n in WINDOW_COLUMNS}, {n: n * 0.001 for n in WINDOW_COLUMNS}, "0.7"),
    }  # fmt: skip
    return Results(**{**found, **changes})


def cells(table):
    return list(zip(*(column.cells for column in table.columns)))


@pytest.fixture(autouse=True)
def own_dimensions():
    """TorchServe adds a model's name to the default list of its functions, for every cache of the process."""
    functions = [
        getattr(MetricsCacheYamlImpl, f"add_{what}")
        for what in ("counter", "time", "size", "percent", "metric")
    ]
    lists = [
        default for function in functions for default in function.__defaults__ if isinstance(default, list)
    ]
    before = [list(default) for default in lists]
    yield
    for default, kept in zip(lists, before):
        default[:] = kept


def lines_of(action, caplog):
    with caplog.at_level(logging.INFO):
        caplog.clear()
        action.run()
    return [record.getMessage() for record in caplog.records]


def test_emitting_writes_five_metric_lines_a_request(caplog):
    names = [line.split(".")[0] for line in lines_of(actions.emitting(ONE_ROW), caplog)]
    assert names == [
        f"[METRICS]Bench{what}" for what in ("Requests", "Handle", "Batch", "Confidence", "Class")
    ]


def test_profiled_writes_one_metric_line_a_stage(caplog):
    names = [line.split(".")[0] for line in lines_of(actions.profiled(ONE_ROW), caplog)]
    assert names == [f"[METRICS]ts_handler_{stage}" for stage in ("preprocess", "inference", "postprocess")]


def test_a_plain_and_a_monitored_request_write_none(caplog):
    baseline = actions.tabular_baseline(3)
    assert lines_of(actions.plain(ONE_ROW), caplog) == []
    assert lines_of(actions.monitored(baseline, ONE_ROW), caplog) == []


def test_a_monitored_call_is_written_down_with_its_input_and_its_scores():
    publisher = MemoryPublisher()
    monitor = actions.monitor_of(actions.tabular_baseline(3), publisher)
    serve = actions.monitored_by(monitor, torch.zeros(4, 3))
    assert serve() == [0, 0, 0, 0]
    serve()
    monitor.flush()
    assert publisher.value(m.REQUESTS, "ok") == 8
    seen = [
        series[1][0]
        for series, value in publisher.series.items()
        if series[0] == m.OBSERVATIONS.name and value
    ]
    assert {"input", "output"} == set(seen)
    assert publisher.value(m.WINDOW_SAMPLES, "1000", "0") == 8


@pytest.mark.parametrize("action", [actions.flush(3, calls=5), actions.evaluation(3)])
def test_what_is_measured_after_a_preparation_runs_again_and_again(action):
    with lines_to_null():
        for _ in range(2):
            action.before()
            action.run()


def test_a_round_is_timed_a_call_and_then_cleared_up():
    ran = []
    action = actions.Action(lambda: ran.append("call"), after=lambda: ran.append("after"))
    assert actions.seconds_a_call(action, 3) >= 0
    assert ran == ["call", "call", "call", "after"]


@pytest.mark.parametrize(("seconds", "calls"), [(1e-9, actions.CALLS_BETWEEN_FLUSHES), (1e-3, 20), (1.0, 2)])
def test_a_round_is_as_long_as_it_may_be(seconds, calls, monkeypatch):
    monkeypatch.setattr(actions, "seconds_a_call", lambda action, calls: seconds)
    assert actions.calls_in_a_round(actions.Action(lambda: None)) == calls


def test_a_warning_while_measuring_ends_the_measurement():
    with pytest.raises(RuntimeError, match="logged while measuring: TorchVitals failed"), lines_to_null():
        logging.getLogger("torchvitals.recording.faults").error("TorchVitals failed while handling inputs")
    with lines_to_null():
        logging.getLogger("ts").info("[METRICS]x")


def test_logging_is_as_it_was_after_a_measurement():
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    with lines_to_null():
        assert (root.level, len(root.handlers)) == (logging.INFO, 1)
    assert (root.level, root.handlers) == before


def test_a_watch_counts_collections_by_generation_while_it_is_entered():
    times = iter([1.0, 1.25, 2.0, 2.5])
    gc.disable()
    try:
        with Watch(clock=lambda: next(times)) as seen:
            gc.collect(2)
            gc.collect(0)
        gc.collect(2)
    finally:
        gc.enable()
    assert seen == Collections(counts=[1, 0, 1], worst_seconds=[0.5, 0.0, 0.25], total_seconds=0.75)


def test_the_parts_of_the_memory_make_up_the_whole():
    parts = parts_of(bare=60, before=100, imported=130, at_rest=135, waiting=155, most=160)
    assert parts == {"scipy": 40, "imports": 30, "at_rest": 5, "waiting_calls": 20, "flushes": 5, "total": 60}
    assert sum(parts.values()) == 2 * parts["total"] + parts["scipy"]


def test_a_report_of_pytest_benchmark_is_read_without_its_rounds():
    micro = read(REPORT)
    assert micro["flush[10]"] == Statistics(median=1e-3, iqr=1e-7, min=1e-6, rounds=15, iterations=1)
    assert medians(micro, "flush") == {n: pytest.approx(n * 1e-4) for n in FEATURES}


def test_a_report_in_another_time_than_cpu_time_is_refused():
    report = copy.deepcopy(REPORT)
    report["benchmarks"][1]["options"]["timer"] = "perf_counter"
    with pytest.raises(
        MeasuringError, match=r"test_flush\[3\] was measured by perf_counter, not by thread_time"
    ):
        read(report)


def test_others_are_beside_ours_or_said_to_be_missing():
    rows = cells(tables(results())[0])
    assert ("TorchVitals, a request of 10 features", "4.0") in rows
    assert ("slow (1.6.4)", "154.3") in rows
    assert ("absent", "no such version") in rows


def test_windows_are_judged_by_both_at_the_same_numbers_of_columns():
    assert [row[1:] for row in cells(tables(results())[1])] == [
        ("0.1", "0.5", "1.0"), ("100.0", "500.0", "1000.0"), ("10.0", "50.0", "100.0"),
    ]  # fmt: skip
    without = results(windows=WindowCosts({}, {}, missing="no such version"))
    assert cells(tables(without)[1])[1][:2] == ("Evidently", "no such version")


def test_garbage_collections_are_counted_by_generation():
    rows = {row[0]: row[1:] for row in cells(tables(results())[3])}
    assert rows["collections, oldest generation"] == ("0", "2")
    assert rows["longest, oldest generation, ms"] == ("0.00", "210.00")


def test_the_file_has_every_figure_and_no_name_of_a_machine():
    text = json.dumps(content(results()))
    found = json.loads(text)
    assert found["seconds_added"]["features"]["10"] == pytest.approx(4e-6)
    assert found["evaluate_seconds"]["50"] == pytest.approx(5e-4)
    assert found["others"]["absent"]["missing"] == "no such version"
    assert found["pytest_benchmark"]["flush[1000]"]["rounds"] == 15
    assert "somebody's" not in text


def test_every_peer_has_an_observation_to_measure():
    assert {peer.package for peer in OBSERVING.values()} < set(CALLS)


def test_a_process_that_measures_nothing_says_why():
    with pytest.raises(MeasuringError, match=r"observations nobody ended with 1:[\s\S]*PackageNotFoundError"):
        measured("observations", "nobody")
    assert run(["-c", "print('said')"]) == "said\n"
