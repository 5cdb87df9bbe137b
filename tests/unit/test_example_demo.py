"""What the demo calls a success, and how it says so."""

from __future__ import annotations

import io
import sys
import threading
import time
from typing import Any

import pytest
from rich.console import Console

from examples.flight_delay import demo
from examples.flight_delay.demo import DemoError, Notifications, Phase, notification_text, problems
from examples.flight_delay.prometheus import FeatureState
from examples.flight_delay.replay import ReplayResult

TEMP = FeatureState("input", "temp", 4.7, 7.2, 3.4, drifted=True)


def phase(name: str = "July", *, errors: dict[str, int] | None = None, fired: tuple[str, ...] = ()) -> Phase:
    result = ReplayResult(100, {"on_time": 60, "late": 40}, errors or {}, 10.0, 0.004, 0.009)
    return Phase(name, result, {"handle": 0.0012, "inference": 0.0004}, [TEMP], list(fired))


def alert(name: str = "ModelInputDrift", status: str = "firing") -> dict[str, Any]:
    annotations = {"summary": "Input drift in flight_delay [1.0]", "description": "temp (KL 4.71)"}
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "warning"},
        "annotations": annotations,
    }


def console() -> Console:
    return Console(file=io.StringIO(), width=110)


def test_silence_then_delivery_is_success() -> None:
    assert (
        problems(phase("Winter"), phase(), delivered_in_winter=set(), delivered={"ModelInputDrift", "X"})
        == []
    )


@pytest.mark.parametrize(
    ("winter", "changed", "early", "delivered", "message"),
    [
        (phase("Winter", fired=("ModelX",)), phase(), set(), {demo.ALERT}, "Winter: alerts fired: ModelX"),
        (phase("Winter"), phase(), {"TorchServeDown"}, {demo.ALERT}, "Winter: notifications arrived: TorchServeDown"),
        (phase("Winter"), phase(), set(), {"ModelPredictionDrift"}, "July: ModelInputDrift was not delivered"),
        (phase("Winter", errors={"HTTP 503": 3}), phase(), set(), {demo.ALERT}, "Winter: 3 requests failed"),
        (phase("Winter"), phase(errors={"HTTP 503": 1}), set(), {demo.ALERT}, "July: 1 requests failed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    winter: Phase, changed: Phase, early: set[str], delivered: set[str], message: str
) -> None:
    assert problems(winter, changed, delivered_in_winter=early, delivered=delivered) == [message]


def test_a_silence_of_which_nothing_is_known_is_no_success() -> None:
    blind = Phase("Winter", phase().result, {}, [], [])
    (problem,) = problems(blind, phase(), delivered_in_winter=set(), delivered={demo.ALERT})
    assert "knows no feature" in problem


def test_a_phase_is_shown_with_its_figures() -> None:
    screen = console()
    demo.show(phase(fired=("ModelInputDrift",)), screen)
    text = screen.file.getvalue()
    assert "p95 by stage, from Prometheus: inference 0.40 ms, handle 1.20 ms" in text
    row = next(line for line in text.splitlines() if "temp" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "temp",
        "input",
        "4.700",
        "7.200",
        "3.40 σ",
        "yes",
    ]
    assert "Alerts that fired: ModelInputDrift" in text


def test_a_notification_is_shown_with_its_text() -> None:
    screen = console()
    screen.print(notification_text(alert()))
    assert screen.file.getvalue() == (
        "NOTIFICATION firing ModelInputDrift\n  Input drift in flight_delay [1.0]\n  temp (KL 4.71)\n"
    )


def test_notifications_are_printed_once_as_they_arrive() -> None:
    arrived: list[dict[str, Any]] = []
    screen = console()
    with Notifications(lambda: list(arrived), screen) as notifications:
        assert notifications.firing() == set()
        assert not notifications.wait_for("ModelInputDrift", timeout_seconds=0.1)
        timer = threading.Timer(0.3, arrived.append, [alert()])
        timer.start()
        assert notifications.wait_for("ModelInputDrift", timeout_seconds=5)
        arrived.append(alert("TorchServeDown", status="resolved"))
        deadline = time.monotonic() + 5
        while len(notifications.received) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert notifications.firing() == {"ModelInputDrift"}
    text = screen.file.getvalue()
    assert text.count("NOTIFICATION firing ModelInputDrift") == 1
    assert text.count("NOTIFICATION resolved TorchServeDown") == 1


def test_a_receiver_that_cannot_be_asked_is_an_error() -> None:
    def broken() -> list[dict[str, Any]]:
        raise ConnectionError("refused")

    with Notifications(broken, console()) as notifications, pytest.raises(DemoError, match="refused"):
        notifications.wait_for("ModelInputDrift", timeout_seconds=5)


def test_a_command_that_fails_ends_the_demo_with_its_output() -> None:
    name = sys.executable.rsplit("/", 1)[-1]
    screen = console()
    demo.command(screen, name, "-c", "pass")
    assert screen.file.getvalue() == f"$ {name} -c pass\n"
    with pytest.raises(DemoError, match=r"(?s)ended with status 3:\n.*no such model"):
        demo.command(screen, name, "-c", "import sys; print('no such model'); sys.exit(3)")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(DemoError, match="'torchvitals-no-such' is missing; 'make setup'"):
        demo.program("torchvitals-no-such")


def test_an_unknown_fault_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAULT", "kelvin")
    assert demo.main() == 2
    assert "FAULT=kelvin is not known; the one fault is FAULT=celsius" in capsys.readouterr().out
