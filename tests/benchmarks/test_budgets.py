"""The budgets: read out of the results that the benchmarks write."""

import json

import pytest

from benchmarks.budgets import BUDGETS, table
from benchmarks.machine import RESULTS


def a_round(throughput, cpu, p99=0.01, defaults=1000):
    return {
        "plain": {"worker_cpu_seconds": 5e-4, "throughput": 1000, "p99_seconds": 0.01},
        "monitored": {"worker_cpu_seconds": cpu, "throughput": throughput, "p99_seconds": p99},
        "defaults": {"throughput": defaults},
    }


def a_width(verdict, counted=100, more=0.0):
    return {
        "sent": 100,
        "counted": counted,
        "predictions": 100,
        "path_seconds": 4e-6,
        "verdict_seconds": verdict,
        "verdict_bytes": 2e6,
        "worker_bytes": 290e6 + more,
        "worker_plain_bytes": 260e6,
    }


RESULTS_OF = {
    "hotpath": {
        "seconds_added": {"features": {"10": 4e-6}},
        "all_seconds_a_request": 16e-6,
        "evaluate_seconds": {"100": 0.004},
        "memory_bytes": {"100": {"total": 8_500_000}},
    },
    "server": {
        "rounds": [a_round(1200, 4e-4), a_round(1200, 4e-4, defaults=900), a_round(1100, 4.5e-4, 0.02)]
    },
    "flush": {"loads": {"paced": {"p99_in_flushes_ratio": 1.5}}},
    "baseline_stream": {"values_per_second": 2e6},
    "many-classes": {"widths": {"1000": a_width(0.004), "100000": a_width(0.06, counted=90, more=20e6)}},
}


def rows(results):
    columns = [list(column.cells) for column in table(results).columns]
    return list(zip(*columns))


def test_each_is_read_in_its_unit_and_judged():
    assert [row[1:] for row in rows(RESULTS_OF)] == [
        ("≤ 5 µs", "4 µs", "holds"),
        ("≤ 15 µs", "16 µs", "fails"),
        ("≤ 0.8 ×", "0.8 ×", "holds"),
        ("≥ 1.1 ×", "1.2 ×", "holds"),
        ("≥ 1.3 ×", "1.2 ×", "fails"),
        ("≤ 1.05 ×", "1 ×", "holds"),
        ("≤ 1.05 ×", "1.5 ×", "fails"),
        ("≤ 10 ms", "4 ms", "holds"),
        ("≤ 10 MB", "8.5 MB", "holds"),
        ("≥ 2 M values/s", "2 M values/s", "holds"),
        ("≤ 0 ", "10 ", "fails"),
        ("≤ 5 µs", "4 µs", "holds"),
        ("≤ 50 ms", "60 ms", "fails"),
        ("≤ 50 MB", "2 MB", "holds"),
        ("≤ 50 MB", "20 MB", "holds"),
    ]


def test_a_benchmark_shows_its_own_alone():
    assert [row[1] for row in rows({"flush": RESULTS_OF["flush"]})] == ["≤ 1.05 ×"]
    assert rows({}) == []


@pytest.mark.parametrize("one", BUDGETS, ids=lambda one: one.what)
def test_the_committed_results_have_every_figure(one):
    found = json.loads((RESULTS / f"{one.file}.json").read_text(encoding="utf-8"))
    assert one.value(found) > 0 or one.limit == 0
