"""The flush thread's rests, on a clock that the test moves."""

import pytest

from torchvitals.pacing import RESTS_PER_SLICE, RESTS_WHILE_PUBLISHING, SLICE_SECONDS, Pacer


class Work:
    """A thread's CPU time, which rests do not add to."""

    def __init__(self):
        self.worked = 0.0
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
    pacer = Pacer(RESTS_WHILE_PUBLISHING, clock=lambda: work.worked, sleep=work.rests.append)
    work.worked = 0.01
    pacer.pause()
    assert work.rests == [pytest.approx(0.01 * RESTS_WHILE_PUBLISHING)]


def test_little_work_needs_no_rest(work):
    pacer = Pacer(clock=lambda: work.worked, sleep=work.rests.append)
    work.worked = SLICE_SECONDS / 2
    pacer.pause()
    assert work.rests == []
