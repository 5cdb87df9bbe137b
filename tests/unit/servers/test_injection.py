"""Faults at every function of ours: found by watching a request and a flush, planted one by one.

A function is a place when ours call it: what a server calls first, or what runs the user's code, is the guard itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import torchvitals
from tests.unit.servers.serving import monitor_of, predict
from torchvitals import MonitoredModel, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.recording.clocks import EventClock, EventPool, SyncClock
from torchvitals.telemetry import catalogue as m

PACKAGE = str(Path(torchvitals.__file__).parent)


class Planted(BaseException):
    """Nothing that anybody else raises."""


FAULTS = [ValueError, MemoryError, RecursionError, SystemExit, Planted]
ROW = [0.1, 0.2, 0.3, 0.4]


def ours(frame):
    return frame is not None and frame.f_code.co_filename.startswith(PACKAGE)


class Watch:
    """Collects the places among the functions that are called while it is on; `users` tell the user's code."""

    def __init__(self, users):
        self._users = users
        self._called = {}
        self._carriers = set()

    def __enter__(self):
        sys.setprofile(self._see)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)

    def _see(self, frame, event, argument):
        if event != "call":
            return
        if ours(frame):
            if ours(frame.f_back):
                self._called[frame.f_code] = frame.f_code.co_qualname
        elif any(user in frame.f_code.co_filename for user in self._users):
            while frame is not None:
                self._carriers.add(frame.f_code)
                frame = frame.f_back

    @property
    def places(self):
        return {code: name for code, name in self._called.items() if code not in self._carriers}


class plant:  # noqa: N801
    """Raises a fault the first time that a function is called while it is on; `sprung` tells whether it did."""

    def __init__(self, code, fault):
        self._code = code
        self._fault = fault
        self.sprung = False

    def __enter__(self):
        sys.setprofile(self._see)
        return self

    def __exit__(self, *error):
        sys.setprofile(None)

    def _see(self, frame, event, argument):
        if event == "call" and frame.f_code is self._code and not self.sprung:
            self.sprung = True
            raise self._fault


PLAIN = """
import torch
from ts.torch_handler.base_handler import BaseHandler

class Plain(BaseHandler):
    def preprocess(self, data):
        return torch.tensor([row["body"] for row in data], dtype=torch.float32)
"""


@pytest.fixture
def answers(load, archive):
    """What the handler answers when nothing watches it, by number of requests."""
    (archive / "plain_handler.py").write_text(PLAIN)
    plain = load(archive, "plain_handler", monitored=False)
    return {count: predict(plain, *[ROW] * count) for count in (1, 3)}


@pytest.fixture
def quick(monkeypatch):
    """No rests, which are there for requests that come meanwhile."""
    monkeypatch.setattr("torchvitals.worker.pacing.SLICE_SECONDS", 1e9)
    monkeypatch.setattr("torchvitals.worker.loop.RETRY_SECONDS", 0.0)


def errors(publisher):
    return publisher.total(m.MONITOR_ERRORS)


def requests(publisher):
    return publisher.value(m.REQUESTS, "ok")


USER = ("my_handler.py", "base_handler.py")


def test_no_fault_on_the_request_path_reaches_an_answer_and_each_is_counted(
    load, archive, publisher, answers, quick
):
    service = load(archive)
    monitor = monitor_of(service)
    monitor._loop.stop()
    sent = 0
    for _ in range(5):  # the first few are watched for autocast
        predict(service, ROW)
        sent += 1
    with Watch(USER) as watch:
        assert predict(service, ROW) == answers[1]
        assert predict(service, ROW, ROW, ROW) == answers[3]
    sent += 4
    places = watch.places
    print(f"{len(places)} places on the request path: {', '.join(sorted(places.values()))}")
    assert len(places) >= 10
    monitor.flush()
    for code, name in places.items():
        for fault in FAULTS:
            before = errors(publisher)
            for count in (1, 3):
                with plant(code, fault) as planted:
                    answer = predict(service, *[ROW] * count)
                assert answer == answers[count], (name, fault)
                sent += count
                if planted.sprung:
                    break
            assert planted.sprung, name
            monitor.flush()
            assert errors(publisher) == before + 1, (name, fault)
            assert requests(publisher) == sent, (name, fault)
            assert publisher.value(m.REQUESTS, "error") == 0
    assert not monitor.recorder.running


@pytest.mark.parametrize("kind", ["events", "sync"])
def test_no_fault_of_a_device_clock_reaches_an_answer(kind):
    class Event:
        def record(self, stream=None):
            pass

        def query(self):
            return True

        def elapsed_time(self, end):
            return 1.0

    model = torch.nn.Linear(4, 3)
    expected = model(torch.zeros(2, 4)).tolist()
    publisher = MemoryPublisher()
    config = MonitoringConfig(flush_interval=10, warmup=0)
    watched = MonitoredModel(model, config=config, publisher=publisher)
    monitor = watched.monitor
    faults = monitor.faults
    clock = EventClock(EventPool(Event, lambda: None), faults) if kind == "events" else SyncClock(int, faults)
    del watched.inference
    torchvitals.recording.stages.instrument_stages(watched, monitor.recorder, clock)
    with Watch(("linear.py",)) as watch:
        watched.predict(torch.zeros(2, 4))
    names = set(watch.places.values())
    assert {"Stopwatch.begin", "Stopwatch.end"} <= names
    for code, name in watch.places.items():
        for fault in FAULTS:
            monitor.flush()
            before = errors(publisher)
            with plant(code, fault) as planted:
                assert watched.predict(torch.zeros(2, 4)).tolist() == expected, (name, fault)
            assert planted.sprung
            monitor.flush()
            assert errors(publisher) == before + 1, (name, fault)
    watched.close()


def test_no_fault_in_the_flush_thread_ends_it_and_the_next_flush_is_right(load, archive, publisher, quick):
    service = load(archive)
    monitor = monitor_of(service)
    monitor._loop.stop()
    loop = monitor._new_loop()

    def turn():
        loop._due = 0.0
        loop._survive(loop._turn)

    def serve(count):
        for _ in range(count):
            predict(service, ROW)
        return count

    sent = serve(1000)  # windows that are full are judged alike from turn to turn
    turn()
    sent += serve(3)
    with Watch(()) as watch:
        turn()
    # Functions that are not called again, since their results are kept.
    places, remembered = watch.places, set()
    print(f"{len(places)} places in a turn: {', '.join(sorted(places.values()))}")
    assert len(places) >= 28
    for code, name in places.items():
        for fault in FAULTS:
            before, seen = errors(publisher), requests(publisher)
            sent += serve(3)
            with plant(code, fault) as planted:
                turn()
            if not planted.sprung:
                remembered.add(name)
                break
            turn()
            assert errors(publisher) >= before + 1, (name, fault)
            # Nothing is counted twice; at most the slice at hand is lost.
            assert seen <= requests(publisher) <= seen + 3, (name, fault)
            exact = requests(publisher)
            after = errors(publisher)
            sent += serve(2)
            turn()
            assert requests(publisher) == exact + 2, (name, fault)
            assert errors(publisher) == after, (name, fault)
            assert publisher.value(m.WINDOW_SAMPLES, "1000", "0") > 0
    assert len(remembered) <= 5, remembered
