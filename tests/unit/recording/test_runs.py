"""Several runs of inference in one call: none is lost, whatever their threads, and their order is known or not."""

import asyncio
import sys
import threading

import numpy as np
import pytest
import torch

from tests.unit.recording.handlers import recorder_of
from torchvitals.recording.rows import by_shape

REQUESTS = 16


@pytest.fixture
def impatient():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def begun(recorder, requests=REQUESTS):
    call = recorder.begin()
    call.expected = requests
    return call


def infer(recorder, call, value):
    recorder.inputs(call, torch.full((1, 2), float(value)))
    recorder.outputs(call, torch.full((1, 3), 10.0 * value))


def ended(recorder, call, requests=REQUESTS):
    recorder.finish(call, requests=requests, failed=0)
    assert recorder.take() == [call]
    return [by_shape(call.copies(which)) for which in ("inputs", "outputs")]


def test_runs_one_after_another_are_in_order():
    recorder = recorder_of()
    call = begun(recorder)
    for value in range(REQUESTS):
        infer(recorder, call, value)
    (inputs,), (outputs,) = ended(recorder, call)
    assert inputs[:, 0].tolist() == list(range(REQUESTS))
    assert np.array_equal(outputs[:, 0], 10 * inputs[:, 0])
    assert call.in_order


@pytest.mark.parametrize("threads", [2, 5, REQUESTS])
def test_runs_beside_each_other_lose_no_row_and_stay_with_their_inputs(threads, impatient):
    recorder = recorder_of()
    for _ in range(30):
        call, together = begun(recorder), threading.Barrier(threads)

        def work(first, call=call, together=together):
            together.wait()
            for value in range(first, REQUESTS, threads):
                infer(recorder, call, value)

        workers = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        (inputs,), (outputs,) = ended(recorder, call)
        assert sorted(inputs[:, 0]) == list(range(REQUESTS))
        assert np.array_equal(outputs[:, 0], 10 * inputs[:, 0])
        assert not call.in_order


def test_coroutines_of_one_thread_beside_each_other_are_not_in_order():
    recorder = recorder_of()
    call = begun(recorder)

    async def one(value):
        recorder.inputs(call, torch.full((1, 2), float(value)))
        await asyncio.sleep(0)
        recorder.outputs(call, torch.full((1, 3), 10.0 * value))

    async def everything():
        await asyncio.gather(*map(one, range(REQUESTS)))

    asyncio.run(everything())
    (inputs,), (outputs,) = ended(recorder, call)
    assert sorted(inputs[:, 0]) == sorted(outputs[:, 0] / 10) == list(range(REQUESTS))
    assert not call.in_order


def test_a_model_asked_again_and_again_is_copied_up_to_a_row_for_each_request():
    recorder = recorder_of()
    call = begun(recorder, 4)
    for value in range(100):
        infer(recorder, call, value)
    (inputs,), (outputs,) = ended(recorder, call, 4)
    assert inputs[:, 0].tolist() == [0, 1, 2, 3]
    assert outputs[:, 0].tolist() == [0, 10, 20, 30]


def test_one_run_for_all_requests_is_one_copy():
    recorder = recorder_of()
    call = begun(recorder, 4)
    recorder.inputs(call, torch.arange(8.0).reshape(4, 2))
    recorder.outputs(call, torch.arange(4.0))
    inputs, outputs = ended(recorder, call, 4)
    assert np.array_equal(inputs[0], np.arange(8.0).reshape(4, 2))
    assert np.array_equal(np.ravel(outputs), np.arange(4.0))
    assert call.more is None
    assert call.in_order


def test_what_a_thread_says_of_a_call_that_has_ended_is_not_kept():
    recorder = recorder_of()
    call = begun(recorder)
    infer(recorder, call, 1)
    recorder.finish(call, requests=REQUESTS, failed=0)
    infer(recorder, call, 2)
    assert recorder.take() == [call]
    assert recorder._runs == {}
    assert [len(rows) for rows in by_shape(call.copies("inputs"))] == [1]


def test_too_large_outputs_of_several_runs_are_copied_in_one_form():
    recorder = recorder_of()
    recorder.probe = lambda value: value[:, :2]
    call = begun(recorder, 3)
    for value in (torch.zeros(1, 5), torch.zeros(1, 5000), torch.zeros(1, 5)):
        recorder.outputs(call, value)
    recorder.finish(call, requests=3, failed=0)
    assert call.outputs_too_large
    assert [rows.shape for rows in by_shape(call.copies("outputs"))] == [(2, 5)]
