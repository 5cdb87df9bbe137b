"""Calls that wait: bounded, in order, and nothing to the garbage collector."""

import collections
import gc
import threading

import numpy as np
import torch

from tests.unit.recording.handlers import Handler, instrumented, recorder_of, run
from torchvitals.recording import recorder as recorder_module
from torchvitals.recording.recorder import MAX_WAITING_CALLS
from torchvitals.recording.rows import joined


def test_out_of_memory_is_told_apart():
    recorder = recorder_of()
    for error in (torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), ValueError()):
        recorder.fail(recorder.begin(), requests=1, error=error)
    assert [call.out_of_memory for call in recorder.take()] == [True, True, False]


def test_the_first_calls_are_warm_up():
    recorder = recorder_of(warmup=2)
    for _ in range(4):
        run(instrumented(Handler(), recorder), [[1.0]], recorder)
    assert [call.warmup for call in recorder.take()] == [True, True, False, False]


def test_what_does_not_fit_is_counted_as_dropped(monkeypatch):
    assert MAX_WAITING_CALLS >= 10_000
    monkeypatch.setattr("torchvitals.recording.recorder.MAX_WAITING_CALLS", 3)
    recorder = recorder_of()
    for _ in range(5):
        recorder.finish(recorder.begin(), requests=1, failed=0)
    assert (len(recorder.take()), recorder.dropped) == (3, 2)


def test_threads_keep_their_calls_apart():
    recorder = recorder_of()
    handler = instrumented(Handler(), recorder)
    threads = [
        threading.Thread(target=lambda n=n: [run(handler, [[float(n)]], recorder) for _ in range(50)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = recorder.take()
    assert len(calls) == 200
    (inputs,), (outputs,) = joined(call.inputs for call in calls), joined(call.outputs for call in calls)
    assert np.array_equal(outputs, 2 * inputs)
    assert sorted(set(inputs[:, 0])) == [0.0, 1.0, 2.0, 3.0]


def test_calls_that_wait_are_nothing_to_the_garbage_collector():
    recorder = recorder_of()
    handler = instrumented(Handler(), recorder)
    run(handler, [[1.0]], recorder)
    gc.collect()
    before = collections.Counter(type(tracked) for tracked in gc.get_objects())
    for _ in range(5_000):
        run(handler, [[1.0]], recorder)
    assert len(recorder.waiting) == 5_001
    # One tracked object a call would make 5,000; other threads of the interpreter may make a few.
    new = collections.Counter(type(tracked) for tracked in gc.get_objects()) - before
    assert sum(new.values()) < 500, new.most_common(5)


def serve(recorder, outputs, requests=1):
    call = recorder.begin()
    recorder.outputs(call, outputs)
    recorder.finish(call, requests=requests, failed=0)
    return call


def test_copies_that_wait_are_bounded_in_bytes_and_calls_are_counted_all_the_same(monkeypatch):
    monkeypatch.setattr(recorder_module, "MAX_WAITING_BYTES", 1_000_000)
    recorder = recorder_of()
    wide = torch.zeros(64, 1000)
    for _ in range(100):
        serve(recorder, wide, requests=64)
    kept = [call for call in recorder.waiting if call.outputs is not None]
    assert sum(call.outputs.nbytes for call in kept) <= 1_000_000 + wide.nbytes
    assert len(kept) == 4
    calls = recorder.take()
    assert sum(call.requests for call in calls) == 6400
    assert sum(call.crowded_out for call in calls) == 96
    # What was taken in makes room again.
    assert not serve(recorder, wide).crowded_out


def test_calls_are_taken_in_slices_of_a_bounded_size():
    recorder = recorder_of()
    for _ in range(300):
        serve(recorder, torch.zeros(1, 10))
    assert [len(calls) for calls in recorder.slices()] == [128, 128, 44]
    for _ in range(10):
        serve(recorder, torch.zeros(128, 1000))
    sizes = [sum(call.copied_bytes for call in calls) for calls in recorder.slices()]
    assert sum(sizes) == 10 * 512_000
    assert max(sizes) <= recorder_module.SLICE_BYTES + 512_000


def test_calls_that_come_while_slices_are_taken_wait_for_the_next_turn():
    recorder = recorder_of()
    serve(recorder, torch.zeros(1, 1))
    taken = []
    for calls in recorder.slices():
        taken += calls
        serve(recorder, torch.zeros(1, 1))
    assert len(taken) == 1
    assert len(recorder.take()) == 1


class Copy(recorder_module.DeviceCopy):
    """A copy from a device that answers, or not, as the test says."""

    answer: object = None

    @property
    def ready(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_call_whose_copy_its_device_lost_counts_without_it():
    recorder = recorder_of()
    call = serve(recorder, None, requests=3)
    call.outputs = Copy(torch.zeros(3, 2), None, RuntimeError("CUDA error: device-side assert triggered"))
    serve(recorder, torch.zeros(1, 2))
    assert [call.requests for call in recorder.take()] == [3, 1]
    assert call.outputs is None
    assert recorder.faults.take() == {"capture": 1}


def test_calls_behind_a_copy_on_its_way_wait_for_it_but_not_for_ever(monkeypatch):
    recorder = recorder_of()
    serve(recorder, None).outputs = Copy(torch.zeros(1, 2), None, False)
    serve(recorder, torch.zeros(1, 2))
    assert recorder.take() == []
    monkeypatch.setattr(recorder_module, "PATIENCE_NS", 0)
    assert len(recorder.take()) == 2
    assert recorder.faults.take() == {"capture": 1}


def test_a_fork_forgets_its_parents_calls_and_says_when_its_own_begin():
    recorder = recorder_of()
    serve(recorder, torch.zeros(1, 2))
    going = recorder.begin()
    began = []
    recorder.forget(first=lambda: began.append(True))
    assert recorder.fresh
    recorder.finish(going, requests=1, failed=0)  # the parent's
    assert recorder.take() == []
    serve(recorder, torch.zeros(1, 2))
    serve(recorder, torch.zeros(1, 2))
    assert began == [True]
    assert not recorder.fresh
    assert len(recorder.take()) == 2
