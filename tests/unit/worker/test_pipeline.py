"""What is taken in and published under load and through faults: bounded, exact, and nothing twice."""

import threading
import time

import numpy as np
import pytest
import torch

from torchvitals import Baseline, Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.recording import recorder as recorder_module
from torchvitals.recording.clocks import EventClock, EventPool
from torchvitals.recording.stages import instrument_stages
from torchvitals.telemetry import catalogue as m


@pytest.fixture
def publisher():
    return MemoryPublisher()


def monitor_of(publisher, **options):
    config = MonitoringConfig(**{"warmup": 0, "flush_interval": 10, **options})
    monitor = Monitor(config, publisher, worker="9000")
    monitor._pipeline.start()
    return monitor


def serve(monitor, outputs, *, failed=0):
    call = monitor.recorder.begin()
    monitor.recorder.outputs(call, outputs)
    monitor.recorder.finish(call, requests=len(outputs), failed=failed)
    return call


def test_what_does_not_fit_into_memory_is_counted_and_requests_are_exact(publisher, monkeypatch):
    monkeypatch.setattr(recorder_module, "MAX_WAITING_BYTES", 2_000_000)
    monitor = monitor_of(publisher)
    wide = torch.randn(64, 1000)
    for _ in range(50):
        serve(monitor, wide)
    monitor.flush()
    dropped = publisher.value(m.MONITOR_DROPPED, "memory_full")
    assert dropped == 42
    assert publisher.total(m.PREDICTIONS) == 64 * (50 - dropped)
    assert publisher.value(m.REQUESTS, "ok") == 64 * 50
    assert publisher.total(m.MONITOR_ERRORS) == 0


def test_a_flush_publishes_however_much_waits(publisher):
    monitor = monitor_of(publisher)
    for _ in range(1000):
        serve(monitor, torch.randn(1, 3))
    published = publisher.value(m.WINDOW_EVALUATED, "9000")
    monitor.flush(until=time.monotonic())  # no time to take in more than a slice
    assert publisher.value(m.REQUESTS, "ok") == recorder_module.SLICE_CALLS
    assert publisher.value(m.WINDOW_EVALUATED, "9000") >= published
    monitor.flush()
    assert publisher.value(m.REQUESTS, "ok") == 1000


class Event:
    """An event of a device that works until the test says otherwise."""

    dead = False

    def record(self, stream=None):
        if Event.dead:
            raise RuntimeError("CUDA error: device-side assert triggered")

    def query(self):
        self.record()
        return True

    def elapsed_time(self, end):
        self.record()
        return 2.0


class Handler:
    def preprocess(self, data):
        return data

    def inference(self, data):
        if Event.dead:
            raise RuntimeError("CUDA error: device-side assert triggered")
        return data

    def postprocess(self, data):
        return data

    def handle(self, data):
        return self.postprocess(self.inference(self.preprocess(data)))


def test_errors_of_the_model_are_counted_while_its_device_is_dead(publisher, monkeypatch):
    Event.dead = False
    monkeypatch.setattr(
        "torchvitals.worker.monitor.stage_clock",
        lambda timing, device, faults: EventClock(EventPool(Event, lambda: None), faults),
    )
    monitor = monitor_of(publisher)
    handler = Handler()
    instrument_stages(handler, monitor.recorder, monitor.clock)

    def call():
        record = monitor.recorder.begin()
        try:
            handler.handle(torch.zeros(1, 3))
        except RuntimeError as error:
            monitor.recorder.fail(record, requests=1, error=error)
        else:
            monitor.recorder.finish(record, requests=1, failed=0)

    call()
    Event.dead = True  # before the first call's events are read
    for flushes in range(1, 4):
        for _ in range(5):
            call()
        monitor.flush()
        assert publisher.value(m.REQUESTS, "error") == 5 * flushes
    assert publisher.value(m.REQUESTS, "ok") == 1
    assert publisher.value(m.MONITOR_ERRORS, "timing") > 0
    assert publisher.value(m.MONITOR_ERRORS, "calls") == 0
    Event.dead = False
    told = publisher.total(m.MONITOR_ERRORS)
    call()
    monitor.flush()
    assert publisher.value(m.REQUESTS, "ok") == 2
    assert publisher.total(m.MONITOR_ERRORS) == told
    assert publisher.value(m.STAGE_DURATION.count, "inference", "device") == 1


def test_faults_that_a_publisher_does_not_take_are_told_once_it_does(publisher):
    monitor = monitor_of(publisher)
    increase = publisher.increase

    def broken(metric, labels, amount):
        raise OSError("stdout is closed")

    publisher.increase = broken
    serve(monitor, torch.randn(1, 3))
    monitor.flush()
    assert publisher.total(m.MONITOR_ERRORS) == 0
    publisher.increase = increase
    monitor.flush()
    assert publisher.value(m.MONITOR_ERRORS, "publish") > 0
    told = publisher.total(m.MONITOR_ERRORS)
    monitor.flush()
    assert publisher.total(m.MONITOR_ERRORS) == told


def test_one_update_that_fails_leaves_the_others(publisher):
    monitor = monitor_of(publisher)
    increase = publisher.increase

    def picky(metric, labels, amount):
        if metric is m.REQUESTS:
            raise ValueError
        increase(metric, labels, amount)

    publisher.increase = picky
    serve(monitor, torch.randn(1, 3))
    monitor.flush()
    assert publisher.value(m.BATCH_SIZE.count) == 1
    assert publisher.value(m.REQUESTS, "ok") == 0
    monitor.flush()
    assert publisher.value(m.MONITOR_ERRORS, "publish") == 1


def test_stop_returns_where_a_publisher_blocks(publisher, monkeypatch):
    """What a full pipe on stdout does: the flush thread is stuck, and the process must end all the same."""
    monkeypatch.setattr("torchvitals.worker.loop.STOP_SECONDS", 0.01)
    stuck, release = threading.Event(), threading.Event()

    class Blocking(MemoryPublisher):
        def flush(self):
            if blocking:
                stuck.set()
                release.wait()

    blocking = False
    monitor = Monitor(MonitoringConfig(flush_interval=0.1), Blocking())
    monitor.start()
    blocking = True
    thread = monitor._loop._thread
    assert stuck.wait(120)
    assert monitor.flush() == 0.0  # and so does a flush by hand
    monitor.stop()
    assert thread.is_alive()
    release.set()
    thread.join(120)


WINDOW, STEP = 200, 10


def believed_after(publisher, drifting, inputs_of):
    """Return after how many drifted predictions the drift of a source is believed; None where it is not.

    inputs_of: returns what the model is given of (n, 2) rows.
    """
    rng = np.random.default_rng(5)
    known = rng.normal(size=(5000, 2)), rng.normal(size=(5000, 3))
    baseline = Baseline.fit(known[0], outputs=known[1])
    monitor = Monitor(
        MonitoringConfig(window=WINDOW, warmup=0, overhead_budget=None),
        publisher,
        baseline=baseline,
        worker="9000",
    )
    shift = (
        {"input": (0, 3), "output": (0, 0)} if drifting == "input" else {"input": (0, 0), "output": (0, 9)}
    )
    for rows in range(STEP, 1000, STEP):
        drifted = rows > WINDOW
        call = monitor.recorder.begin()
        inputs = inputs_of(rng.normal(size=(STEP, 2)) + shift["input"][drifted], rows)
        if inputs is not None:
            monitor.recorder.inputs(call, torch.tensor(inputs))
        given = rng.normal(size=(STEP, 3))
        given[:, 0] += shift["output"][drifted]
        monitor.recorder.outputs(call, torch.tensor(given))
        monitor.recorder.finish(call, requests=STEP, failed=0)
        monitor.flush()
        report = monitor.drift.report
        if any(one.drifted for one in report.features.values() if one.source == drifting):
            return rows - WINDOW
    return None


NO_INPUTS = {
    "of another width": lambda rows, at: rows[:, :1],
    "not seen": lambda rows, at: None,
    "sampled": lambda rows, at: rows if at % 100 == 0 else None,
}


@pytest.mark.parametrize("inputs_of", NO_INPUTS.values(), ids=NO_INPUTS)
def test_a_drift_of_outputs_waits_for_predictions_and_not_for_inputs(publisher, inputs_of):
    compared = believed_after(MemoryPublisher(), "output", lambda rows, at: rows)
    assert WINDOW // 4 < compared < WINDOW // 2
    assert believed_after(publisher, "output", inputs_of) == compared


def test_a_drift_of_inputs_waits_for_inputs_and_not_for_predictions(publisher):
    """One call in ten has inputs that are compared: of 40 rows of those the drift is seen, not believed."""
    every = believed_after(MemoryPublisher(), "input", lambda rows, at: rows)
    tenth = believed_after(publisher, "input", NO_INPUTS["sampled"])
    assert WINDOW // 4 < every < WINDOW // 2
    assert tenth is None or tenth > 5 * every
