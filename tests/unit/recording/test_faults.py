"""Faults of our own: counted by phase, told once a minute, on one line and without anything of a request."""

import logging
import threading

import pytest

from torchvitals.errors import BaselineError
from torchvitals.recording.faults import MOST_WAITING, Faults


def raised(error):
    try:
        raise error
    except BaseException as fault:
        return fault


def test_they_are_counted_by_phase_and_once():
    faults = Faults()
    for phase in ("begin", "end", "begin"):
        faults.note(phase, raised(ValueError()))
    assert faults.take() == {"begin": 2, "end": 1}
    assert faults.take() == {}


def test_from_many_threads_none_is_lost():
    faults = Faults()
    fault = raised(ValueError())
    threads = [
        threading.Thread(target=lambda: [faults.note("end", fault) for _ in range(1000)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults.take() == {"end": 8000}


def test_what_waits_is_bounded():
    faults = Faults()
    for _ in range(MOST_WAITING + 10):
        faults.count("end", ValueError())
    assert faults.take() == {"end": MOST_WAITING}


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), MemoryError(), RecursionError()])
def test_whatever_we_raise_is_noted(error):
    faults = Faults()
    faults.note("begin", raised(error))
    assert faults.take() == {"begin": 1}


def test_an_interrupt_is_the_users_and_passes():
    faults = Faults()
    interrupt = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt) as passed:
        faults.note("begin", interrupt)
    assert passed.value is interrupt
    assert faults.take() == {}


def test_each_phase_is_logged_once_a_minute_with_how_often_it_came(caplog):
    now = [0.0]
    faults = Faults(clock=lambda: now[0])
    for second in (0, 1, 59, 61):
        now[0] = second
        faults.note("drift", raised(ZeroDivisionError()))
        faults.take()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "handling drift; predictions are unaffected (1 time;" in lines[0]
    assert "(3 times;" in lines[1]


def test_the_line_names_kind_and_place_and_no_value_of_a_request(caplog):
    faults = Faults()
    faults.note("capture", raised(ValueError("could not convert string to float: 'alice@example.org'")))
    with caplog.at_level(logging.ERROR):
        faults.take()
    (line,) = [record.getMessage() for record in caplog.records]
    assert "ValueError, in test_faults.py:" in line
    assert " raised" in line
    assert "alice" not in line


@pytest.mark.parametrize("error", [BaselineError("one\nline"), OSError(28, "No space left\non device")])
def test_our_own_words_and_the_systems_are_told_on_one_line(caplog, error):
    faults = Faults()
    faults.note("inputs", raised(error))
    faults.take()
    (line,) = [record.getMessage() for record in caplog.records]
    assert "\n" not in line
    assert (r"one\nline" in line) or ("No space left on device" in line)


def test_a_fault_that_cannot_be_described_is_counted_all_the_same(caplog):
    class SilentError(OSError):
        def __str__(self):
            raise RuntimeError

    faults = Faults()
    faults.note("end", raised(SilentError()))
    assert faults.take() == {"end": 1}
    assert "SilentError" in caplog.text


def test_a_fork_begins_at_none():
    faults = Faults()
    faults.note("end", raised(ValueError()))
    faults.forget()
    assert faults.take() == {}
