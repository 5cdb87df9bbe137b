"""Devices that compute beside the host, with stand-ins for their events: what is copied, and who waits for whom."""

import threading
import types
from typing import ClassVar

import numpy as np
import pytest
import torch

from tests.unit.recording.handlers import Handler, instrumented, recorder_of, run
from tests.unit.recording.test_clocks import FakeEvent, OnDevice
from torchvitals.featurizers import Images, reducer
from torchvitals.recording import accelerators
from torchvitals.recording.accelerators import accelerator_of, capture_check, spare_captures
from torchvitals.recording.capture import DeviceCopy, capture
from torchvitals.recording.clocks import EventClock, EventPool, StageClock, SyncClock, stage_clock
from torchvitals.recording.faults import Faults


class CopyEvent(FakeEvent):
    """What marks the end of a copy."""

    recorded_on: ClassVar[list] = []

    def __init__(self, enable_timing=False):
        super().__init__()

    def record(self, *stream):
        self.recorded_on.append(stream)
        super().record()


class DeviceTensor(torch.Tensor):
    """A tensor of the host that says it is on a device; to wait for it is an error."""

    where = torch.device("cuda", 0)
    is_cpu = False

    @property
    def device(self):
        return self.where

    @property
    def is_cuda(self):
        return self.where.type == "cuda"

    def cpu(self):
        raise AssertionError("the request waits for the device")


def on_device(kind, values, base=DeviceTensor):
    return torch.Tensor._make_subclass(type("On", (base,), {"where": torch.device(kind, 0)}), values)


@pytest.fixture
def device_module(monkeypatch):
    """Return what puts a stand-in into the place of torch.cuda and the like, as far as they are used."""

    def put(kind, **parts):
        parts = {"Event": CopyEvent, **parts}
        if kind != "mps":
            parts["current_stream"] = lambda device: f"stream of {device}"
        for name, part in parts.items():
            monkeypatch.setattr(getattr(torch, kind), name, part)

    accelerators._accelerator.cache_clear()
    CopyEvent.recorded_on, FakeEvent.done = [], True
    # Memory that a device writes to by itself takes a device.
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *shape, pin_memory=False, **how: empty(*shape, **how))
    yield put
    accelerators._accelerator.cache_clear()


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_a_copy_arrives_when_its_event_says_so_and_nobody_waits(device_module, kind):
    device_module(kind)
    FakeEvent.done = False
    copy = capture(on_device(kind, torch.tensor([[1.0, 2.0], [3.0, 4.0]])))
    assert isinstance(copy, DeviceCopy)
    assert not copy.ready
    FakeEvent.done = True
    assert copy.ready
    assert copy.array().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert CopyEvent.recorded_on == [() if kind == "mps" else (f"stream of {kind}:0",)]


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_one_row_of_a_device_and_a_reduced_image_do_not_wait_either(device_module, kind):
    device_module(kind)
    recorder = recorder_of(reduce_inputs=reducer(Images(channels=1)))
    call = recorder.begin()
    recorder.inputs(call, torch.rand(2, 1, 8, 8))
    recorder.outputs(call, on_device(kind, torch.tensor([[0.5, 0.5]])))
    recorder.finish(call, requests=1, failed=0)
    assert isinstance(call.outputs, DeviceCopy)
    assert recorder.faults.take() == {}


@pytest.mark.parametrize(
    ("timing", "kind", "clock"),
    [
        ("events", "xpu", EventClock),
        ("sync", "xpu", SyncClock),
        ("off", "xpu", StageClock),
        # The time between two of its events cannot be had without waiting for all of its work.
        ("events", "mps", StageClock),
        ("sync", "mps", SyncClock),
        ("events", "meta", StageClock),
        ("sync", "cpu", StageClock),
    ],
)
def test_the_clock_follows_from_what_a_devices_events_can_tell(timing, kind, clock):
    assert type(stage_clock(timing, torch.device(kind), Faults())) is clock


def test_what_is_waited_for_is_the_models_own_device(device_module):
    waited = []
    device_module("xpu", synchronize=lambda device: waited.append(device))
    device_module("mps", synchronize=lambda: waited.append("mps"))
    for kind in ("xpu", "mps"):
        stage_clock("sync", torch.device(kind, 0), Faults()).settle()
    assert waited == [torch.device("xpu", 0), "mps"]


def test_a_device_has_events_where_pytorch_or_a_library_brings_them():
    assert accelerator_of(None) is None
    assert accelerator_of("cuda") is None
    for kind in ("cpu", "meta", "xla", "vulkan"):
        assert accelerator_of(torch.device(kind)) is None
    assert accelerator_of(torch.device("cuda", 0)) is accelerator_of(torch.device("cuda", 0)) is not None
    assert not accelerator_of(torch.device("mps")).has_timers


class Waiting(DeviceTensor):
    """A tensor whose copy to the host waits for the device."""

    def cpu(self):
        FakeEvent.now += 1
        return self.as_subclass(torch.Tensor).clone()


@pytest.mark.parametrize("kind", ["xla", "mps"])
def test_where_a_copy_has_to_wait_the_time_is_in_inference(device_module, monkeypatch, kind):
    """A device without events; and one whose copies fail, of which that is known after the first."""
    tries = []

    def fails():
        tries.append(1)
        raise RuntimeError("not implemented for this device")

    if kind == "mps":
        device_module(kind, Event=fails)
    clock = iter(range(0, 10**9, 1000))
    monkeypatch.setattr("torchvitals.recording.capture.perf_counter_ns", lambda: next(clock))
    recorder = recorder_of()
    call = recorder.begin()
    for _ in range(2):
        call.inference_ns = 0
        call.outputs = None
        recorder.outputs(call, on_device(kind, torch.ones(2, 3), base=Waiting))
        assert np.array_equal(call.outputs, np.ones((2, 3)))
        assert call.inference_ns == 1000
    assert len(tries) == (kind == "mps")
    assert recorder.faults.take() == {}


def test_a_copy_that_fails_on_cuda_is_a_fault_and_never_waits(device_module):
    def fails():
        raise RuntimeError("CUDA error: device-side assert triggered")

    device_module("cuda", Event=fails)
    recorder = recorder_of()
    call = recorder.begin()
    recorder.outputs(call, on_device("cuda", torch.ones(2, 3)))
    assert call.outputs is None
    assert recorder.faults.take() == {"capture": 1}


def test_a_device_without_pinned_memory_is_given_other_memory(device_module, monkeypatch):
    device_module("xpu")
    empty, asked = torch.empty, []

    def refusing(*shape, pin_memory=False, **how):
        asked.append(pin_memory)
        if pin_memory:
            raise RuntimeError("Need to provide pin_memory allocator to use pin memory.")
        return empty(*shape, **how)

    monkeypatch.setattr(torch, "empty", refusing)
    for _ in range(2):
        copy = capture(on_device("xpu", torch.ones(2, 3)))
        assert isinstance(copy, DeviceCopy)
        assert copy.array().tolist() == [[1.0] * 3] * 2
    assert asked == [True, False, False]


# --- CUDA graphs ---


class Capture:
    """Whether the stream in use is being captured."""

    now = False


class Wide(OnDevice):
    """Gives more values than are packed, so that they are copied."""

    def inference(self, data, *args, **kwargs):
        return super().inference(data.repeat(1, 70))

    def postprocess(self, data):
        return [0]


class Strict(FakeEvent):
    """An event that ends a capture when it is recorded meanwhile."""

    def record(self, stream=None):
        assert not Capture.now
        super().record()


@pytest.mark.parametrize("timing", ["events", "sync"])
def test_nothing_is_marked_copied_or_waited_for_while_a_graph_is_captured(timing):
    def synchronize():
        assert not Capture.now

    Capture.now, FakeEvent.done = True, True
    recorder = recorder_of(
        reduce_inputs=lambda value: pytest.fail("described"), is_capturing=lambda: Capture.now
    )
    if timing == "events":
        clock = EventClock(EventPool(Strict, lambda: None), recorder.faults, lambda: Capture.now)
    else:
        clock = SyncClock(synchronize, recorder.faults, lambda: Capture.now)
    handler = instrumented(Wide(), recorder, clock)
    assert run(handler, [[1.0]], recorder) == [0]
    assert recorder.faults.take() == {}
    (call,) = recorder.take()
    assert (call.inputs, call.outputs, call.span) == (None, None, None)
    # The call counts, and so does the host's time.
    assert min(call.preprocess_ns, call.inference_ns, call.postprocess_ns, call.handle_ns) > 0
    Capture.now = False
    recorder.reduce_inputs = None
    run(handler, [[1.0]], recorder)
    (call,) = recorder.take()
    assert call.outputs.shape == (1, 70)
    assert (call.span is not None) == (timing == "events")


def test_a_stage_that_ends_in_a_capture_has_no_time_on_the_device():
    class Begins(Handler):
        def inference(self, data, *args, **kwargs):
            Capture.now = True
            return data

    Capture.now, FakeEvent.done = False, True
    recorder = recorder_of(is_capturing=lambda: Capture.now)
    clock = EventClock(EventPool(Strict, lambda: None), recorder.faults, lambda: Capture.now)
    run(instrumented(Begins(), recorder, clock), [[1.0]], recorder)
    Capture.now = False
    (call,) = recorder.take()
    assert [stage for stage, _ in clock.read(call.span)] == [0]
    assert recorder.faults.take() == {}


def test_only_cuda_captures(monkeypatch):
    assert capture_check(torch.device("cpu")) is None
    assert capture_check(torch.device("xpu", 0)) is None
    capturing = capture_check(torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    # To ask would make a context on the device.
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: pytest.fail("asked"))
    assert not capturing()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert capturing()


def test_the_flush_thread_takes_its_questions_out_of_captures(monkeypatch):
    asked = []

    def exchange(mode):
        asked.append((mode._obj.value, threading.get_ident()))
        return 0

    library = types.SimpleNamespace(cudaThreadExchangeStreamCaptureMode=exchange)
    monkeypatch.setattr(accelerators.ctypes, "CDLL", lambda name: library)
    assert spare_captures(torch.device("cuda", 0))
    assert asked == [(1, threading.get_ident())]
    assert not spare_captures(torch.device("cpu"))
    assert not spare_captures(None)
    monkeypatch.setattr(accelerators.ctypes, "CDLL", lambda name: types.SimpleNamespace())
    assert not spare_captures(torch.device("cuda", 0))
