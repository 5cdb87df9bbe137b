"""One call, guarded once: sync and async, answers and errors as they are, and each call counted."""

import asyncio
import functools
import threading
import weakref

import pytest

from tests.unit.recording.handlers import describe, recorder_of
from torchvitals.recording.guard import recorded
from torchvitals.recording.recorder import Recorder


class Planted(BaseException):
    """Nothing that anybody else raises."""


FAULTS = [ValueError, MemoryError, RecursionError, SystemExit, Planted]


def double(data):
    return [2 * value for value in data]


async def double_later(data):
    await asyncio.sleep(0)
    return double(data)


def double_as_a_coroutine(data):
    return double_later(data)


WAYS = {
    "function": (double, lambda result: result),
    "coroutine function": (double_later, asyncio.run),
    "function that returns a coroutine": (double_as_a_coroutine, asyncio.run),
    "partial": (functools.partial(double_later), asyncio.run),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def test_answers_are_what_they_were_and_each_call_is_written_down(way):
    function, result_of = way
    recorder = recorder_of()
    wrapped = recorded(function, recorder, describe)
    assert [result_of(wrapped([n, n])) for n in range(3)] == [[0, 0], [2, 2], [4, 4]]
    calls = recorder.take()
    assert [(call.requests, call.failed, call.timed) for call in calls] == [(2, 0, True)] * 3
    assert all(call.handle_ns > 0 for call in calls)
    assert not recorder.running
    assert recorder.oldest_seconds() == 0


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_coroutine_that_nobody_awaits_leaves_no_call_behind():
    recorder = recorder_of()
    for wrapped in (
        recorded(double_later, recorder, describe),
        recorded(double_as_a_coroutine, recorder, describe),
    ):
        coroutine = wrapped([1])
        assert not recorder.running
        assert recorder.oldest_seconds() == 0
        coroutine.close()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_the_user_raises_passes_unchanged_and_the_call_has_ended(way, error):
    problem = error("mine")

    def broken(data):
        raise problem

    async def broken_later(data):
        await asyncio.sleep(0)
        raise problem

    def serve(wrapped):
        result = wrapped([1, 2])
        if function is not double:
            # Not asyncio.run, which has ideas of its own about what ends a program.
            step = result.__await__()
            next(step)
            next(step)

    function, _ = way
    recorder = recorder_of()
    wrapped = recorded(broken if function is double else broken_later, recorder, describe)
    with pytest.raises(error) as raised:
        serve(wrapped)
    assert raised.value is problem
    (call,) = recorder.take()
    assert (call.requests, call.failed) == (2, 2)
    assert not recorder.running
    assert recorder.faults.take() == {}


def test_a_call_ends_when_its_coroutine_ends():
    recorder = recorder_of()
    release = asyncio.Event()

    async def wait(data):
        await release.wait()
        return data

    async def serve():
        task = asyncio.create_task(recorded(wait, recorder, describe)([1]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        going = list(recorder.running)
        assert recorder.take() == []
        release.set()
        await task
        return going

    (going,) = asyncio.run(serve())
    assert recorder.take() == [going]


def test_calls_of_one_thread_that_overlap_are_kept_apart():
    recorder = recorder_of()
    seen = {}

    async def work(data):
        before = recorder.current.get()
        await asyncio.sleep(0.001 * (5 - data[0]))
        assert recorder.current.get() is before
        seen[data[0]] = before
        return data

    async def serve():
        wrapped = recorded(work, recorder, describe)
        return await asyncio.gather(*(wrapped([n]) for n in range(5)))

    assert asyncio.run(serve()) == [[0], [1], [2], [3], [4]]
    calls = recorder.take()
    assert len(calls) == len(set(map(id, calls))) == 5
    assert set(map(id, seen.values())) == set(map(id, calls))


def test_a_call_within_a_call_is_part_of_it():
    recorder = recorder_of()

    def outer(data):
        return inner(data)

    inner = recorded(double, recorder, describe)
    assert recorded(outer, recorder, describe)([1, 2, 3]) == [2, 4, 6]
    (call,) = recorder.take()
    assert call.requests == 3


def test_threads_that_overlap_are_kept_apart():
    recorder = recorder_of()
    both = threading.Barrier(2, timeout=60)

    def meet(data):
        both.wait()
        return data

    wrapped = recorded(meet, recorder, describe)
    threads = [threading.Thread(target=wrapped, args=([n],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorder.take()) == 2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", ["begin", "requests", "end"])
def test_what_we_raise_reaches_no_answer_and_the_call_counts(monkeypatch, way, fault, place):
    function, result_of = way
    broken = fault("ours")

    def fail(*args):
        raise broken

    if place == "begin":
        monkeypatch.setattr(Recorder, "begin", fail)
    if place == "end":
        monkeypatch.setattr(Recorder, "end", fail)
    recorder = recorder_of()
    wrapped = recorded(function, recorder, fail if place == "requests" else describe)
    assert result_of(wrapped([1, 2])) == [2, 4]
    assert recorder.faults.take() == {place: 1}
    (call,) = recorder.take()
    assert call.requests == (1 if place == "requests" else 2)
    assert call.timed is (place == "requests")
    assert not recorder.running


@pytest.mark.parametrize("place", ["begin", "requests", "end"])
def test_what_we_raise_does_not_hide_what_the_user_raises(monkeypatch, place):
    problem = KeyError("mine")

    def broken(data):
        raise problem

    def fail(*args):
        raise SystemExit

    if place != "requests":
        monkeypatch.setattr(Recorder, place, fail)
    recorder = recorder_of()
    wrapped = recorded(broken, recorder, fail if place == "requests" else describe)
    with pytest.raises(KeyError) as raised:
        wrapped([1])
    assert raised.value is problem
    (call,) = recorder.take()
    assert call.failed == 1


@pytest.mark.parametrize("name", ["perf_counter_ns", "compiled_graphs"])
def test_a_clock_or_a_counter_that_fails_costs_the_durations(monkeypatch, name):
    recorder = recorder_of()

    def fail():
        raise OSError("no clock")

    wrapped = recorded(double, recorder, describe)
    monkeypatch.setattr(f"torchvitals.recording.recorder.{name}", fail)
    assert wrapped([1]) == [2]
    monkeypatch.undo()
    (call,) = recorder.take()
    assert (call.requests, call.clean) == (1, False)
    assert sum(recorder.faults.take().values()) >= 1
    assert wrapped([1]) == [2]
    assert recorder.take()[0].timed


def test_the_traceback_of_the_users_error_is_not_kept_alive():
    recorder = recorder_of()

    class Big:
        pass

    alive = []

    def broken(data):
        big = Big()
        alive.append(weakref.ref(big))
        raise KeyError

    with pytest.raises(KeyError):
        recorded(broken, recorder, describe)([1])
    assert alive[0]() is None
