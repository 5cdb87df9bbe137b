"""Stages: what is measured, whatever a handler overrides, and that nothing breaks a prediction."""

import asyncio

import pytest
import torch

from tests.unit.recording.handlers import Handler, Slow, instrumented, recorder_of, run
from torchvitals.recording import capture as capture_module
from torchvitals.recording.rows import joined


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


def test_a_stage_outside_a_call_runs_unmeasured():
    recorder = recorder_of()
    handler = instrumented(Handler(), recorder)
    assert handler.inference(torch.tensor([1.0])).tolist() == [2.0]
    assert recorder.take() == []


def test_a_copy_that_fails_never_reaches_the_request(monkeypatch):
    def broken(value):
        raise ZeroDivisionError

    recorder = recorder_of()
    monkeypatch.setattr("torchvitals.recording.recorder.packed_row", broken)
    assert run(instrumented(Handler(), recorder), [[1.0]], recorder) == [[2.0]]
    assert recorder.faults.take() == {"capture": 2}


def test_large_inputs_are_left_out_and_said():
    recorder = recorder_of()
    data = torch.zeros(2, capture_module.MAX_ROW_VALUES + 1).tolist()
    run(instrumented(Handler(), recorder), data, recorder)
    (call,) = recorder.take()
    assert call.too_large
    assert call.inputs is None


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


def test_a_stage_that_is_a_coroutine_function_is_timed_until_it_ends():
    class Async(Handler):
        async def inference(self, data, *args, **kwargs):
            await asyncio.sleep(0.02)
            return data * 2

        async def handle(self, data, context=None):
            return self.postprocess(await self.inference(self.preprocess(data)))

    recorder = recorder_of()
    handler = instrumented(Async(), recorder)
    assert asyncio.run(run(handler, [[1.0]], recorder)) == [[2.0]]
    (call,) = recorder.take()
    assert 20_000_000 <= call.inference_ns <= call.handle_ns
    assert joined([call.outputs])[0].tolist() == [[2.0]]


def test_a_stage_of_a_call_that_has_ended_is_of_no_call():
    """A task or a thread may outlive the call in which it was started."""
    recorder = recorder_of()
    handler = instrumented(Handler(), recorder)
    ended = recorder.begin()
    recorder.finish(ended, requests=1, failed=0)
    handler.inference(torch.tensor([[1.0]]))
    assert recorder.take() == [ended]
    assert ended.outputs is None


class Shapeless:
    """What looks like an array and raises whatever it is asked."""

    ndim = 2

    @property
    def shape(self):
        raise SystemExit

    def __len__(self):
        raise MemoryError


ODD = {
    "nested": lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
    "no dimensions": lambda: torch.tensor(1.0),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "complex": lambda: torch.zeros(1, 3, dtype=torch.complex64),
    "quantized": lambda: torch.quantize_per_tensor(torch.zeros(1, 3), 0.1, 0, torch.quint8),
    "meta": lambda: torch.zeros(1, 3, device="meta"),
    "strings": lambda: ["a", "b"],
    "ragged": lambda: [[torch.zeros(2)], 3],
    "shapeless": Shapeless,
    "dict of none": lambda: {"x": None},
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage:UserWarning")
@pytest.mark.filterwarnings("ignore:.*quant.*:UserWarning", "ignore:.*quant.*:DeprecationWarning")
@pytest.mark.parametrize("odd", ODD)
def test_whatever_a_model_is_given_and_gives_passes_as_it_is(odd):
    value = ODD[odd]()
    recorder = recorder_of()
    handler = Handler()
    handler.preprocess = lambda data: value
    handler.inference = lambda data: data
    handler.postprocess = lambda data: data
    instrumented(handler, recorder)
    assert run(handler, [1], recorder) is value
    (call,) = recorder.take()
    assert (call.requests, call.failed, call.timed) == (1, 0, True)
    assert set(recorder.faults.take()) <= {"capture"}
