"""The overhead budget, on a clock that the test moves."""

import numpy as np
import pytest
import torch

from torchvitals.recording.recorder import SMALL_ROW_VALUES, Recorder
from torchvitals.recording.sampling import LargeInputSampler

SECOND = 1_000_000_000
MILLISECOND = SECOND // 1000


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


def interval(sampler, clock, *, inputs, cost, seconds=5):
    """Offer `inputs` over `seconds`, each taking `cost` ns where taken; return the number taken and the ratio."""
    end, taken = clock.now + seconds * SECOND, 0
    for _ in range(inputs):
        if sampler.admits():
            began, taken = clock.now, taken + 1
            clock.now += cost
            sampler.spent(began)
    clock.now = end
    return taken, sampler.adapt()


def test_within_the_budget_everything_is_taken():
    clock = Clock()
    sampler = LargeInputSampler(0.05, clock=clock)
    for _ in range(3):
        assert interval(sampler, clock, inputs=250, cost=MILLISECOND) == (250, 1.0)


def test_over_the_budget_every_kth_is_taken_and_the_cost_stays_within_it():
    clock = Clock()
    sampler = LargeInputSampler(0.05, clock=clock)
    # 1,000 inputs of 1 ms in 5 s are 20 % of a core.
    assert interval(sampler, clock, inputs=1000, cost=MILLISECOND) == (1000, 1.0)
    for _ in range(3):
        assert interval(sampler, clock, inputs=1000, cost=MILLISECOND) == (250, 0.25)
    # Twice as dear: one interval later, half as many.
    assert interval(sampler, clock, inputs=1000, cost=2 * MILLISECOND) == (250, 0.25)
    assert interval(sampler, clock, inputs=1000, cost=2 * MILLISECOND) == (125, 0.125)


def test_less_traffic_is_taken_whole_again_even_where_none_was_taken_for_long():
    clock = Clock()
    sampler = LargeInputSampler(0.05, clock=clock)
    interval(sampler, clock, inputs=100_000, cost=10 * MILLISECOND, seconds=2000)
    interval(sampler, clock, inputs=10, cost=10 * MILLISECOND)
    taken, ratio = interval(sampler, clock, inputs=10, cost=10 * MILLISECOND)
    assert (taken, ratio) == (10, 1.0)


def test_flushes_that_follow_one_another_at_once_count_together():
    clock = Clock()
    sampler = LargeInputSampler(0.05, clock=clock)
    for _ in range(3):
        assert sampler.admits()
        clock.now += 100 * MILLISECOND
        sampler.spent(clock.now - 100 * MILLISECOND)
        assert sampler.adapt() == 1.0
    clock.now += 700 * MILLISECOND  # 0.3 s of 1 s: six times the budget
    assert sampler.adapt() == 1.0
    assert [sampler.admits() for _ in range(12)] == ([True] + [False] * 5) * 2


def test_no_traffic_and_no_limit():
    clock = Clock()
    assert LargeInputSampler(0.05, clock=clock).adapt() == 1.0
    unlimited = LargeInputSampler(None, clock=clock)
    for _ in range(2):
        assert interval(unlimited, clock, inputs=10, cost=SECOND) == (10, 1.0)


@pytest.mark.parametrize(
    ("value", "measured"),
    [
        (torch.zeros(1, 10), False),
        (torch.zeros(1, SMALL_ROW_VALUES), False),
        (torch.zeros(1024, 100), False),
        (torch.tensor(1.0), False),
        (torch.zeros(1, SMALL_ROW_VALUES + 1), True),
        (torch.zeros(2, 1000), True),
        (np.zeros((1, 10)), True),
    ],
)
def test_only_large_inputs_are_measured(value, measured):
    ticks = []
    sampler = LargeInputSampler(0.05, clock=lambda: ticks.append(1) or len(ticks))
    recorder = Recorder(warmup=0, capture_inputs=True, sampler=sampler)
    call = recorder.begin()
    ticks.clear()
    recorder.inputs(call, value)
    assert call.inputs is not None
    assert len(ticks) == (2 if measured else 0)


def test_what_is_left_out_still_counts_as_a_call_with_its_outputs():
    clock = Clock()
    sampler = LargeInputSampler(0.05, clock=clock)

    def reduce(images):
        clock.now += 100 * MILLISECOND
        return images.mean((2, 3))

    recorder = Recorder(warmup=0, capture_inputs=True, reduce_inputs=reduce, sampler=sampler)

    def serve(count):
        for _ in range(count):
            call = recorder.begin()
            recorder.inputs(call, torch.zeros(1, 3, 64, 64))
            recorder.outputs(call, torch.zeros(1, 2))
            recorder.finish(call, requests=1, failed=0)
        return recorder.take()

    assert [call.inputs is None for call in serve(10)] == [False] * 10
    clock.now += 4 * SECOND  # 1 s of 5 s: four times the budget
    assert sampler.adapt() == 1.0
    calls = serve(8)
    assert [call.inputs is None for call in calls] == [False, True, True, True] * 2
    assert all(call.outputs is not None and not call.too_large for call in calls)
    assert sampler.adapt() == 0.25
