"""How the server benchmark judges its rounds."""

import pytest

from benchmarks.server import Load, budgets, ratios


def load(throughput, cpu, p99=0.01):
    return Load(
        requests=1000,
        throughput=throughput,
        p50_seconds=0.005,
        p99_seconds=p99,
        worker_cpu_seconds=cpu,
        server_cpu_seconds=4e-4,
    )


ROUNDS = [
    {"plain": load(1000, 5e-4), "monitored": load(1200, 4e-4), "defaults": load(1000, 5e-4)},
    # A round in which the machine was slow: for all alike, so that the ratios stay.
    {"plain": load(500, 9e-4), "monitored": load(600, 7.2e-4), "defaults": load(500, 9e-4)},
    {"plain": load(1000, 5e-4), "monitored": load(1100, 4.5e-4, 0.02), "defaults": load(1000, 5e-4)},
]


def test_ratios_are_taken_round_by_round_against_the_variant_asked_for():
    assert ratios(ROUNDS, "throughput", "monitored") == pytest.approx([1.2, 1.2, 1.1])
    assert ratios(ROUNDS, "throughput", "monitored", "defaults") == pytest.approx([1.2, 1.2, 1.1])
    assert ratios(ROUNDS, "worker_cpu_seconds", "monitored") == pytest.approx([0.8, 0.8, 0.9])


def test_a_budget_is_judged_by_the_median_of_the_rounds():
    columns = [list(column.cells) for column in budgets(ROUNDS).columns]
    assert columns[1] == ["≤ 0.80", "≥ 1.10", "≥ 1.30", "≤ 1.05"]
    assert columns[2] == ["0.80", "1.20", "1.20", "1.00"]
    assert columns[3] == ["holds", "holds", "fails", "holds"]
