"""The hot path: what is measured, what is copied, and that it never breaks a prediction."""

import collections
import gc
import threading
import time

import numpy as np
import pytest
import torch

from torchvitals.recording import capture as capture_module
from torchvitals.recording.capture import TooLargeError, capture
from torchvitals.recording.clocks import EventClock, EventPool, StageClock, SyncClock
from torchvitals.recording.guard import recorded
from torchvitals.recording.recorder import MAX_WAITING_CALLS, Recorder
from torchvitals.recording.rows import joined
from torchvitals.recording.stages import instrument_stages


class Handler:
    """Shaped like BaseHandler."""

    def preprocess(self, data):
        return torch.tensor(data)

    def inference(self, data, *args, **kwargs):
        return data * 2

    def postprocess(self, data):
        return data.tolist()

    def handle(self, data, context=None):
        return self.postprocess(self.inference(self.preprocess(data)))


class Slow(Handler):
    def inference(self, data, *args, **kwargs):
        time.sleep(0.02)
        return super().inference(data)


def recorder_of(**options):
    return Recorder(**{"warmup": 0, "capture_inputs": True, **options})


def describe(call, args, kwargs):
    (data,) = args
    call.requests = len(data)


def run(handler, data, recorder):
    return recorded(handler.handle, recorder, describe)(data)


def instrumented(handler, recorder, clock=None):
    instrument_stages(handler, recorder, clock or StageClock())
    return handler


def test_each_stage_is_measured_and_the_answer_is_unchanged():
    recorder = recorder_of()
    handler = instrumented(Slow(), recorder)
    assert run(handler, [[1.0, 2.0]], recorder) == [[2.0, 4.0]]
    (call,) = recorder.take()
    assert call.inference_ns >= 20_000_000
    assert 0 < call.preprocess_ns < call.inference_ns
    assert call.handle_ns >= call.preprocess_ns + call.inference_ns + call.postprocess_ns
    assert (call.requests, call.failed) == (1, 0)


def test_an_overridden_stage_is_measured_once_with_what_it_calls_by_super():
    recorder = recorder_of()
    handler = instrumented(Slow(), recorder)
    run(handler, [[1.0]], recorder)
    (call,) = recorder.take()
    # Counted twice, as much again would not fit into the call.
    assert 20_000_000 <= call.inference_ns <= call.handle_ns


def test_inputs_and_outputs_are_copies():
    recorder = recorder_of()
    handler = Handler()
    shared = torch.tensor([[1.0, 2.0]])
    handler.preprocess = lambda data: shared
    instrumented(handler, recorder)
    run(handler, [[1.0, 2.0]], recorder)
    shared.zero_()
    (call,) = recorder.take()
    assert joined([call.inputs])[0].tolist() == [[1.0, 2.0]]
    assert joined([call.outputs])[0].tolist() == [[2.0, 4.0]]


def test_inputs_are_not_copied_where_nobody_compares_them():
    recorder = recorder_of(capture_inputs=False)
    run(instrumented(Handler(), recorder), [[1.0]], recorder)
    (call,) = recorder.take()
    assert call.inputs is None
    assert call.outputs is not None


def test_an_error_of_the_user_is_counted_and_raised_unchanged():
    recorder = recorder_of()
    handler = Handler()
    problem = RuntimeError("mine")

    def broken(data):
        raise problem

    handler.inference = broken
    instrumented(handler, recorder)
    with pytest.raises(RuntimeError) as raised:
        run(handler, [[1.0], [2.0]], recorder)
    assert raised.value is problem
    (call,) = recorder.take()
    assert (call.failed, call.requests) == (2, 2)
    assert call.inference_ns > 0


def test_out_of_memory_is_told_apart():
    recorder = recorder_of()
    for error in (torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), ValueError()):
        recorder.fail(recorder.begin(), requests=1, error=error)
    assert [call.out_of_memory for call in recorder.take()] == [True, True, False]


def test_a_stage_outside_a_call_runs_unmeasured():
    recorder = recorder_of()
    handler = instrumented(Handler(), recorder)
    assert handler.inference(torch.tensor([1.0])).tolist() == [2.0]
    assert recorder.take() == []


def test_a_copy_that_fails_never_reaches_the_request(monkeypatch):
    def broken(value):
        raise ZeroDivisionError

    recorder = recorder_of()
    monkeypatch.setattr("torchvitals.recording.recorder.capture", broken)
    assert run(instrumented(Handler(), recorder), [[1.0]], recorder) == [[2.0]]
    assert recorder.faults.take() == {"capture": 2}


def test_large_inputs_are_left_out_and_said():
    recorder = recorder_of()
    data = torch.zeros(2, capture_module.MAX_ROW_VALUES + 1).tolist()
    run(instrumented(Handler(), recorder), data, recorder)
    (call,) = recorder.take()
    assert call.too_large
    assert call.inputs is None


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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.ones(2, 3), np.ones((2, 3))),
        (torch.ones(50, 3), np.ones((50, 3))),
        (torch.ones(1, 3), np.ones((1, 3))),
        (torch.ones(1, 3, requires_grad=True), np.ones((1, 3))),
        (torch.ones(1, 3, dtype=torch.bfloat16), np.ones((1, 3))),
        (torch.ones(1, 3, dtype=torch.int64), np.ones((1, 3))),
        (torch.ones(1, 64), np.ones((1, 64))),
        (torch.ones(1, 65), np.ones((1, 65))),
        (torch.ones(3), np.ones(3)),
        (torch.ones(50, 3, requires_grad=True), np.ones((50, 3))),
        (torch.ones(50, 3, dtype=torch.bfloat16), np.ones((50, 3))),
        (torch.ones(2, 3, requires_grad=True), np.ones((2, 3))),
        (torch.ones(2, 3, dtype=torch.bfloat16), np.ones((2, 3))),
        (np.ones((2, 3)), np.ones((2, 3))),
        ({"input": torch.ones(2, 3), "mask": torch.zeros(2)}, np.ones((2, 3))),
        ((torch.ones(2, 3), torch.zeros(1)), np.ones((2, 3))),
        (torch.tensor(5.0), np.array(5.0)),
        ({}, None),
        ([], None),
        ("text", None),
        (None, None),
    ],
)
def test_the_first_tensor_is_copied(value, expected):
    got = capture(value)
    if isinstance(got, bytes):
        (got,) = joined([got])
    assert got is None if expected is None else np.array_equal(got, expected)


def test_a_row_too_large_to_copy_is_refused():
    with pytest.raises(TooLargeError):
        capture(np.zeros((3, 5000)))


def test_copies_of_many_calls_are_joined_in_order_and_by_width():
    copies = [
        capture(torch.tensor([[1.0, 2.0]])),
        capture(torch.tensor([[3.0, 4.0]])),
        None,
        np.array([[5.0, 6.0], [7.0, 8.0]]),
        capture(torch.tensor([[9.0, 10.0, 11.0]])),
        capture(torch.tensor([[12.0, 13.0]])),
        capture(torch.zeros(1, 0)),
        np.array(5.0),
        np.array([6.0, 7.0]),
        np.zeros((0, 2)),
    ]
    arrays = {rows.shape[1]: rows.tolist() for rows in joined(copies)}
    assert arrays == {
        2: [[1, 2], [3, 4], [5, 6], [7, 8], [12, 13]],
        3: [[9, 10, 11]],
        1: [[5], [6], [7]],
    }


def test_single_rows_of_one_width_are_joined_at_once():
    copies = [capture(torch.tensor([[float(n), -n / 3]])) for n in range(100)]
    assert all(isinstance(copy, bytes) for copy in copies)
    (rows,) = joined([None, *copies, None])
    assert rows.tolist() == [[n, float(np.float32(-n / 3))] for n in range(100)]
    assert joined([None]) == joined([]) == []


class FakeEvent:
    """The event interface on a CPU: the device is a counter of milliseconds that the test moves."""

    now = 0.0
    done = True
    made = 0

    def __init__(self):
        type(self).made += 1
        self.at = None

    def record(self, stream=None):
        self.at = FakeEvent.now

    def query(self):
        return FakeEvent.done

    def elapsed_time(self, end):
        return end.at - self.at


class OnDevice(Handler):
    def inference(self, data, *args, **kwargs):
        FakeEvent.now += 7.0
        return data


def test_events_give_the_devices_time_once_it_is_known_and_are_used_again():
    FakeEvent.now, FakeEvent.done, FakeEvent.made = 0.0, False, 0
    recorder = recorder_of()
    clock = EventClock(EventPool(FakeEvent, lambda: None), recorder.faults)
    handler = instrumented(OnDevice(), recorder, clock)
    run(handler, [[1.0]], recorder)
    (call,) = recorder.take()
    assert clock.read(call.span) is None
    FakeEvent.done = True
    assert clock.read(call.span) == [(0, 0.0), (1, 0.007), (2, 0.0)]
    assert FakeEvent.made == 6
    run(handler, [[1.0]], recorder)
    assert FakeEvent.made == 6


def test_a_failing_event_costs_the_mark_and_nothing_else():
    class Broken(FakeEvent):
        def record(self, stream=None):
            raise RuntimeError("device lost")

    recorder = recorder_of()
    clock = EventClock(EventPool(Broken, lambda: None), recorder.faults)
    assert run(instrumented(Handler(), recorder, clock), [[1.0]], recorder) == [[2.0]]
    assert set(recorder.faults.take()) == {"timing"}


def test_sync_waits_at_the_end_of_each_stage_inside_its_time():
    recorder = recorder_of()
    waits = []

    def wait():
        waits.append(1)
        time.sleep(0.005)

    run(instrumented(Handler(), recorder, SyncClock(wait, recorder.faults)), [[1.0]], recorder)
    (call,) = recorder.take()
    assert len(waits) == 3
    assert min(call.preprocess_ns, call.inference_ns, call.postprocess_ns) >= 5_000_000


def test_a_failing_synchronisation_never_reaches_the_request():
    def broken():
        raise RuntimeError("device lost")

    recorder = recorder_of()
    clock = SyncClock(broken, recorder.faults)
    assert run(instrumented(Handler(), recorder, clock), [[1.0]], recorder) == [[2.0]]
    assert recorder.faults.take() == {"timing": 3}


def test_compilations_are_counted_by_pytorchs_own_counter():
    recorder = recorder_of()
    handler = Handler()
    model = torch.compile(torch.nn.Linear(2, 1), backend="eager")
    handler.inference = lambda data: model(data)
    handler.postprocess = lambda data: data.detach().tolist()
    instrumented(handler, recorder)
    for _ in range(3):
        run(handler, [[1.0, 2.0]], recorder)
    compiled = [call.compiled for call in recorder.take()]
    assert compiled[0] >= 1
    assert compiled[2] == 0
