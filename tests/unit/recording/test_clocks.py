"""The host's clock, a device's events, and waiting for a device."""

import time

import pytest
import torch

from tests.unit.recording.handlers import Handler, instrumented, recorder_of, run
from torchvitals.recording.clocks import EventClock, EventPool, StageClock, SyncClock, stage_clock
from torchvitals.recording.faults import Faults


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


def served(recorder, clock, times=1):
    handler = instrumented(OnDevice(), recorder, clock)
    for _ in range(times):
        run(handler, [[1.0]], recorder)
    return recorder.take()


class Lost(FakeEvent):
    """An event whose device is gone: asking it raises, as after any sticky CUDA error."""

    def query(self):
        raise RuntimeError("CUDA error: device-side assert triggered")


class Unreadable(FakeEvent):
    """An event that was passed, and whose time cannot be had."""

    def elapsed_time(self, end):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize("event", [Lost, Unreadable])
def test_events_of_a_device_that_fails_are_given_back_once(event):
    event.made = 0
    recorder = recorder_of()
    pool = EventPool(event, lambda: None)
    clock = EventClock(pool, recorder.faults)
    (call,) = served(recorder, clock)
    with pytest.raises(RuntimeError):
        clock.read(call.span)
    assert len(pool._free) == len(set(map(id, pool._free))) == event.made == 6


def test_events_of_many_calls_are_never_given_back_twice():
    FakeEvent.now, FakeEvent.done, FakeEvent.made = 0.0, True, 0
    recorder = recorder_of()
    pool = EventPool(FakeEvent, lambda: None)
    clock = EventClock(pool, recorder.faults)
    for call in served(recorder, clock, times=5):
        assert len(clock.read(call.span)) == 3
    assert len(pool._free) == len(set(map(id, pool._free))) == FakeEvent.made == 30


def test_an_event_whose_partner_could_not_be_made_is_given_back():
    class EverySecond(FakeEvent):
        def record(self, stream=None):
            if self.made % 2 == 0:
                raise RuntimeError("device lost")
            super().record(stream)

    EverySecond.made = 0
    recorder = recorder_of()
    pool = EventPool(EverySecond, lambda: None)
    clock = EventClock(pool, recorder.faults)
    (call,) = served(recorder, clock)
    assert clock.read(call.span) == []
    assert len(pool._free) == len(set(map(id, pool._free))) > 0


def test_a_mark_is_made_on_the_models_own_device(monkeypatch):
    device, streams, recorded_on = torch.device("cuda", 1), {}, []

    class Event(FakeEvent):
        def __init__(self, enable_timing=False):
            assert enable_timing
            super().__init__()

        def record(self, stream=None):
            recorded_on.append(stream)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(
        torch.cuda, "current_stream", lambda device=None: streams.setdefault(device, object())
    )
    clock = stage_clock("events", device, Faults())
    assert clock.mark() is not None
    assert recorded_on == [streams[device]]


@pytest.mark.parametrize(
    ("timing", "device", "kind"),
    [
        ("events", None, StageClock),
        ("events", torch.device("cpu"), StageClock),
        ("sync", torch.device("cpu"), StageClock),
        ("events", torch.device("cuda", 0), EventClock),
        ("sync", torch.device("cuda", 0), SyncClock),
        ("off", torch.device("cuda", 0), StageClock),
    ],
)
def test_the_clock_follows_from_the_device_and_the_configuration(timing, device, kind):
    assert type(stage_clock(timing, device, Faults())) is kind
