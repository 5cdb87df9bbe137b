"""Microbenchmarks by pytest-benchmark: what one call of each action takes, in CPU time of one thread.

    python -m pytest benchmarks/hotpath

`python -m benchmarks.hotpath` runs them and reads their medians. They are no tests, and pytest finds them only when
told this folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from benchmarks.hotpath import actions
from benchmarks.hotpath.actions import Action
from benchmarks.hotpath.lines import lines_to_null
from benchmarks.hotpath.observations import CALLS
from benchmarks.hotpath.scales import EVALUATED, FEATURES, IMAGE_SIDE

ROUNDS = 30
ROUNDS_OF_LONG_ACTIONS = 15


def in_group(name: str) -> pytest.MarkDecorator:
    """Return the marker of a benchmark: CPU time of this thread, so that neither other load nor a flush's rests count.

    Not process_time: the other threads of the process are at rest. Rounds of a millisecond at least, because reading
    the clock takes as long as the shortest of these calls. pytest-benchmark reads the nearest marker alone.
    """
    return pytest.mark.benchmark(group=name, timer=time.thread_time, min_time=0.001)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def measure(benchmark, action: Action) -> None:
    """Measure an action in rounds; pytest-benchmark chooses their size where nothing has to be cleared up."""
    with lines_to_null():
        if action.before is not None:
            benchmark.pedantic(
                action.run, setup=action.before, rounds=ROUNDS_OF_LONG_ACTIONS, warmup_rounds=2
            )
        elif action.after is not None:
            calls = actions.calls_in_a_round(action)
            benchmark.pedantic(
                action.run, teardown=action.after, rounds=ROUNDS, iterations=calls, warmup_rounds=1
            )
        else:
            benchmark(action.run)


@in_group("request")
@pytest.mark.parametrize("way", ["plain", "monitored"])
@pytest.mark.parametrize(("rows", "features"), [(1, 10), (1, 100), (64, 10)])
def test_request(benchmark, rows, features, way):
    given = torch.randn(rows, features)
    baseline = actions.tabular_baseline(features)
    measure(benchmark, actions.plain(given) if way == "plain" else actions.monitored(baseline, given))


@in_group("request")
@pytest.mark.parametrize("way", ["plain", "monitored"])
def test_image(benchmark, way):
    given = torch.rand(1, 3, IMAGE_SIDE, IMAGE_SIDE)
    baseline = actions.image_baseline()
    measure(benchmark, actions.plain(given) if way == "plain" else actions.monitored(baseline, given))


@in_group("request")
@pytest.mark.parametrize("way", [actions.profiled, actions.emitting], ids=["profiled", "emitting"])
def test_request_of_torchserve(benchmark, way):
    measure(benchmark, way(torch.randn(1, 10)))


@in_group("recorder")
@pytest.mark.parametrize("features", [10, 100])
def test_recorder(benchmark, features):
    measure(benchmark, actions.recorder_alone(features))


@in_group("flush")
@pytest.mark.parametrize("features", FEATURES)
def test_flush(benchmark, features):
    measure(benchmark, actions.flush(features))


@in_group("evaluation")
@pytest.mark.parametrize("features", EVALUATED)
def test_evaluation(benchmark, features):
    measure(benchmark, actions.evaluation(features))


@in_group("peers")
def test_prometheus_client(benchmark):
    measure(benchmark, Action(CALLS["prometheus_client"]()))
