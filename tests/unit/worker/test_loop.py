"""The flush loop: whatever a turn raises is counted, and the next turn comes."""

import threading
import time

import pytest

from torchvitals.recording.faults import Faults
from torchvitals.worker import loop as loop_module
from torchvitals.worker.loop import FlushLoop


class Planted(BaseException):
    """Nothing that anybody else raises."""


class Work:
    """Counts what a loop does, and raises or blocks where it is told to."""

    def __init__(self):
        self.done = []
        self.fault = None
        self.changed = threading.Condition()

    def __call__(self, name):
        with self.changed:
            self.done.append(name)
            self.changed.notify_all()
        if self.fault is not None:
            raise self.fault

    def wait_for(self, name, times):
        with self.changed:
            assert self.changed.wait_for(lambda: self.done.count(name) >= times, timeout=120)


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def start(work, monkeypatch):
    monkeypatch.setattr(loop_module, "TAKE_IN_SECONDS", 0.01)
    monkeypatch.setattr(loop_module, "RETRY_SECONDS", 0.001)
    loops = []

    def started(faults, interval=0.05):
        def flush(rests, *, until):
            work("flush")
            return 0.0

        loop = FlushLoop(
            interval,
            prepare=lambda: work("prepare"),
            take_in=lambda until: work("take_in"),
            flush=flush,
            faults=faults,
        )
        loops.append(loop)
        loop.start()
        return loop

    yield started
    work.fault = None
    for loop in loops:
        loop.stop()


def test_it_prepares_takes_in_flushes_and_flushes_once_more_at_the_end(start, work):
    loop = start(Faults())
    work.wait_for("flush", 2)
    loop.stop()
    assert not loop.running
    assert work.done[0] == "prepare"
    assert work.done.count("prepare") == 1
    assert work.done.count("take_in") >= 2
    assert work.done[-1] == "flush"


@pytest.mark.parametrize(
    "fault", [ValueError(), MemoryError(), RecursionError(), SystemExit(), KeyboardInterrupt(), Planted()]
)
def test_no_fault_ends_it_and_each_is_counted(start, work, fault):
    faults = Faults()
    work.fault = fault
    loop = start(faults)
    work.wait_for("flush", 2)
    assert loop.running
    work.fault = None
    flushed = work.done.count("flush")
    work.wait_for("flush", flushed + 2)
    assert faults.take()["loop"] >= 3  # prepare, and two flushes
    assert loop.running


def test_a_fault_that_cannot_be_counted_does_not_end_it_either(start, work):
    class Broken(Faults):
        def count(self, phase, fault):
            raise MemoryError

    work.fault = ValueError()
    loop = start(Broken())
    work.wait_for("flush", 2)
    work.fault = None
    flushed = work.done.count("flush")
    work.wait_for("flush", flushed + 2)
    assert loop.running


def test_stop_returns_while_a_flush_is_stuck(work, monkeypatch):
    monkeypatch.setattr(loop_module, "STOP_SECONDS", 0.01)
    stuck, release = threading.Event(), threading.Event()

    def flush(rests, *, until):
        stuck.set()
        release.wait()
        return 0.0

    loop = FlushLoop(0.01, prepare=lambda: None, take_in=lambda until: None, flush=flush, faults=Faults())
    loop.start()
    thread = loop._thread
    assert stuck.wait(120)
    loop.stop()
    assert thread.is_alive()
    release.set()
    thread.join(120)
    assert not thread.is_alive()


def test_a_flush_knows_until_when_it_may_take_calls_in(monkeypatch):
    given = []

    def flush(rests, *, until):
        given.append(until - time.monotonic())
        return 0.0

    loop = FlushLoop(60, prepare=lambda: None, take_in=lambda until: None, flush=flush, faults=Faults())
    loop._due = 0.0
    loop._turn()
    assert 0 < given[0] <= 15  # a quarter of the interval
    assert loop._due > time.monotonic()


def test_a_flush_that_fails_is_not_due_again_at_once():
    def flush(rests, *, until):
        raise ValueError

    loop = FlushLoop(3600, prepare=lambda: None, take_in=lambda until: None, flush=flush, faults=Faults())
    loop._due = 0.0
    loop._survive(loop._turn)
    assert loop._due > time.monotonic() + 1800
