"""What the demo calls a success, and how it says so."""

from __future__ import annotations

import io
import sys
import threading
from typing import Any

import pytest
from rich.console import Console

from examples.flight_delay import demo, packaging
from examples.flight_delay.demo import (
    DemoError,
    Notifications,
    Phase,
    change_problems,
    notification_text,
    silence_problems,
)
from examples.flight_delay.prometheus import FeatureState, rows_after
from examples.flight_delay.replay import ReplayResult, Traffic
from stack.waiting import PATIENCE_SECONDS, eventually

TEMP = FeatureState("input", "temp", 4.7, 7.2, 3.4, drifted=True)


def phase(
    name: str = "July",
    *,
    errors: dict[str, int] | None = None,
    fired: tuple[str, ...] = (),
    pending: tuple[str, ...] = (),
    fault_rows: int | None = None,
) -> Phase:
    result = ReplayResult(100, {"on_time": 60, "late": 40}, errors or {}, 10.0, 0.004, 0.009)
    stages = {"handle": 0.0012, "inference": 0.0004}
    return Phase(name, result, stages, [TEMP], list(fired), list(pending), fault_rows)


def alert(name: str = "ModelInputDrift", status: str = "firing") -> dict[str, Any]:
    annotations = {"summary": "Input drift in flight_delay [1.0]", "description": "temp (KL 4.71)"}
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "warning"},
        "annotations": annotations,
    }


def console() -> Console:
    return Console(file=io.StringIO(), width=110)


DESCRIPTION = "Worst: dewp (KL 4.56, PSI 4.50)."


def test_silence_then_delivery_is_success() -> None:
    assert silence_problems(phase("February"), delivered=set()) == []
    assert change_problems(phase(), Traffic.july, texts=[DESCRIPTION]) == []
    fault = phase(fault_rows=1000)
    assert change_problems(fault, Traffic.celsius, texts=["hour (KL 1.00)", "temp (KL 9.00)"]) == []


@pytest.mark.parametrize(
    ("usual", "delivered", "message"),
    [
        (phase("February", fired=("ModelX",)), set(), "February: alerts fired: ModelX"),
        (phase("February", pending=("ModelX",)), set(), "February: alerts were about to fire: ModelX"),
        (phase("February"), {"TorchServeDown"}, "February: notifications arrived: TorchServeDown"),
        (phase("February", errors={"HTTP 503": 3}), set(), "February: 3 requests failed"),
    ],
)
def test_what_disturbs_the_silence_is_named(usual: Phase, delivered: set[str], message: str) -> None:
    assert silence_problems(usual, delivered=delivered) == [message]


@pytest.mark.parametrize(
    ("changed", "kind", "texts", "message"),
    [
        (phase(), Traffic.july, [], "July: ModelInputDrift was not delivered"),
        (phase(), Traffic.july, ["hour (KL 1.0)"], "July: ModelInputDrift does not name temp or dewp"),
        (phase(), Traffic.july, ["attempts (KL 1.0)"], "July: ModelInputDrift does not name temp or dewp"),
        (phase(errors={"HTTP 503": 1}), Traffic.july, [DESCRIPTION], "July: 1 requests failed"),
        (phase(), Traffic.celsius, ["temp"], "July: temp was not found drifted after the fault"),
        (phase(fault_rows=1001), Traffic.celsius, ["temp"],
         "July: temp was found drifted only 1,001 flights after the fault"),
    ],
)  # fmt: skip
def test_what_a_change_lacks_is_named(changed: Phase, kind: Traffic, texts: list[str], message: str) -> None:
    assert change_problems(changed, kind, texts=texts) == [message]


def test_a_drift_that_was_there_before_the_fault_is_not_its_discovery() -> None:
    assert rows_after(14_000, [15_200, 14_650, 14_800]) == 650
    assert rows_after(14_000, [13_900, 14_050, 14_200]) is None
    assert rows_after(14_000, []) is None


def test_a_silence_of_which_nothing_is_known_is_no_success() -> None:
    blind = Phase("February", phase().result, {}, [], [], [])
    (problem,) = silence_problems(blind, delivered=set())
    assert "knows no feature" in problem


def test_a_phase_is_shown_with_its_figures() -> None:
    screen = console()
    demo.show(phase(fired=("ModelInputDrift",), fault_rows=812), screen)
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
    assert "Alerts that fired: ModelInputDrift\nAlerts about to fire: none\n" in text
    assert "drifted 812 flights after the fault began" in text


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
        assert notifications.wait_for("ModelInputDrift", timeout_seconds=PATIENCE_SECONDS)
        arrived.append(alert("TorchServeDown", status="resolved"))
        eventually(lambda: len(notifications.received) == 2, "the second notification")
        assert notifications.firing() == {"ModelInputDrift"}
        assert notifications.texts("ModelInputDrift") == ["temp (KL 4.71)"]
        assert notifications.texts("TorchServeDown") == []  # resolved
    text = screen.file.getvalue()
    assert text.count("NOTIFICATION firing ModelInputDrift") == 1
    assert text.count("NOTIFICATION resolved TorchServeDown") == 1


def test_a_receiver_that_cannot_be_asked_is_an_error() -> None:
    def broken() -> list[dict[str, Any]]:
        raise ConnectionError("refused")

    with Notifications(broken, console()) as notifications, pytest.raises(DemoError, match="refused"):
        notifications.wait_for("ModelInputDrift", timeout_seconds=PATIENCE_SECONDS)


def test_a_command_that_fails_ends_the_demo_with_its_output() -> None:
    name = sys.executable.rsplit("/", 1)[-1]
    screen = console()
    packaging.command(screen, name, "-c", "pass")
    assert screen.file.getvalue() == f"$ {name} -c pass\n"
    with pytest.raises(DemoError, match=r"(?s)ended with status 3:\n.*no such model"):
        packaging.command(screen, name, "-c", "import sys; print('no such model'); sys.exit(3)")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(DemoError, match="'torchvitals-no-such' is missing; 'make setup'"):
        packaging.program("torchvitals-no-such")


def test_an_unknown_fault_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAULT", "kelvin")
    assert demo.main() == 2
    assert (
        "FAULT=kelvin is not known; the one fault without RETRAIN=1 is FAULT=celsius"
        in capsys.readouterr().out
    )
