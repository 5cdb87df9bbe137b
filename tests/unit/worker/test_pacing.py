"""The flush thread's rests, on a clock that the test moves."""

import pytest

from torchvitals.worker.pacing import (
    FLUSH_SHARE,
    MOST_RESTS,
    RESTS_PER_SLICE,
    SLICE_SECONDS,
    Pacer,
    next_flush,
    rests_within,
)


class Work:
    """A thread's CPU time, which rests do not add to."""

    def __init__(self):
        self.worked = 0.0
        self.passed = 0.0
        self.rests = []


@pytest.fixture
def work():
    return Work()


def test_a_slice_of_work_is_followed_by_a_longer_rest(work):
    pacer = Pacer(clock=lambda: work.worked, sleep=work.rests.append)
    for _ in range(1000):
        work.worked += 20e-6
        pacer.pause()
    assert len(work.rests) == pytest.approx(0.02 / SLICE_SECONDS, abs=5)
    assert sum(work.rests) == pytest.approx(RESTS_PER_SLICE * work.worked, rel=0.05)


def test_a_piece_that_could_not_be_cut_is_rested_for_in_full(work):
    pacer = Pacer(clock=lambda: work.worked, sleep=work.rests.append)
    work.worked = 0.01
    pacer.pause()
    pacer.pause()
    assert work.rests == [pytest.approx(0.04)]


def test_rests_are_as_long_as_asked_for(work):
    pacer = Pacer(9, clock=lambda: work.worked, sleep=work.rests.append)
    work.worked = 0.01
    pacer.pause()
    assert work.rests == [pytest.approx(0.09)]


def test_work_that_turns_out_larger_than_expected_is_hurried(work):
    def rest(seconds):
        work.rests.append(seconds)
        work.passed += seconds

    pacer = Pacer(
        MOST_RESTS, patience=1.0, clock=lambda: work.worked, sleep=rest, now=lambda: work.passed + work.worked
    )
    while work.worked < 0.1:
        work.worked += 0.001
        pacer.pause()
    assert work.rests[:24] == [pytest.approx(0.001 * MOST_RESTS)] * 24
    assert work.rests[25:] == [pytest.approx(0.001 * RESTS_PER_SLICE)] * 75


def test_a_large_piece_does_not_make_a_rest_of_many_seconds(work):
    pacer = Pacer(
        MOST_RESTS, patience=2.0, clock=lambda: work.worked, sleep=work.rests.append, now=lambda: 0.0
    )
    work.worked = 0.25
    pacer.pause()
    work.worked += 2
    pacer.pause()
    assert work.rests == [2.0, 2 * RESTS_PER_SLICE]


def test_little_work_needs_no_rest(work):
    pacer = Pacer(clock=lambda: work.worked, sleep=work.rests.append)
    work.worked = SLICE_SECONDS / 2
    pacer.pause()
    assert work.rests == []


@pytest.mark.parametrize("worked", [0.001, 0.01, 0.05, 0.1, 0.25])
@pytest.mark.parametrize("interval", [1.0, 5.0])
def test_a_flush_takes_a_quarter_of_its_interval_at_most_unless_it_could_not_rest_then(worked, interval):
    rests = rests_within(worked, interval)
    assert RESTS_PER_SLICE <= rests <= MOST_RESTS
    if RESTS_PER_SLICE < rests < MOST_RESTS:
        assert worked + rests * worked == pytest.approx(FLUSH_SHARE * interval)
    elif rests == MOST_RESTS:
        assert worked + rests * worked <= FLUSH_SHARE * interval


def test_little_work_rests_most_and_too_much_work_still_rests():
    assert rests_within(0.0, 5.0) == rests_within(0.001, 5.0) == MOST_RESTS
    assert rests_within(2.0, 5.0) == RESTS_PER_SLICE


@pytest.mark.parametrize(("ended", "due"), [(100.1, 105.0), (102.5, 105.0), (104.0, 106.5), (120.0, 122.5)])
def test_a_flush_that_rests_keeps_the_interval_and_one_that_is_late_leaves_half_of_it(ended, due):
    assert next_flush(100.0, ended, 5.0) == due
