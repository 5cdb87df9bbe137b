"""A record that cannot grow: nothing is started, the answer says why, and all goes on when there is room.

The limit on the size of a file that a process may write makes its writes fail as those on a full disk do, for
everybody and not for root alone.
"""

from __future__ import annotations

import resource
from pathlib import Path

import psutil

from stack.waiting import eventually

from .service import WAITS, Service, alert, jump, lines, notification, python
from .test_episodes import RUN
from .test_kill import session


def limit(process: int, size_bytes: int | None) -> None:
    """Let no file of a process grow beyond a size; None: lift that."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (hard if size_bytes is None else size_bytes, hard))


def fill(service: Service) -> None:
    """Let the files of the service grow no more."""
    assert service.process is not None
    limit(service.process.pid, (service.folder / "state" / "decisions.sqlite-wal").stat().st_size)


def empty(service: Service) -> None:
    assert service.process is not None
    limit(service.process.pid, None)


def test_an_alert_is_refused_and_taken_when_there_is_room_again(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}) as service:
        service.decisions()
        fill(service)
        for _ in range(3):
            answer = service.post(notification(alert()))
            assert answer.status_code == 503
            error = answer.json()["error"]
            assert f"the record of decisions {tmp_path}/state/decisions.sqlite cannot be written: " in error
            assert error.endswith("; nothing was decided or started")
        health = service.condition()
        assert health["code"] == 503
        assert "decisions.sqlite cannot be written" in health["faults"][0]
        assert service.metric("retraining_store_writable") == 0
        assert (service.metric("retraining_store_errors_total") or 0) >= 3
        assert service.decisions() == []
        empty(service)
        assert service.condition()["code"] == 200
        assert service.metric("retraining_store_writable") == 1
        assert service.verdicts(alert()) == ["accepted"]
        assert service.ended()["state"] == "succeeded"
    assert lines(tmp_path / "runs") == ["x"]


def test_a_word_on_a_full_disk_is_refused_as_well(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}) as service:
        service.verdicts(jump())
        fill(service)
        answer = service.say("confirm")
        assert answer.status_code == 503
        assert "cannot be written" in answer.json()["error"]
        assert service.states() == ["held"]
        empty(service)
        assert service.say("confirm").status_code == 200
        assert service.ended()["state"] == "succeeded"
    assert lines(tmp_path / "runs") == ["x"]


def test_a_retraining_that_ends_on_a_full_disk_is_written_down_later_and_not_run_again(
    tmp_path: Path,
) -> None:
    models = {name: {"action": "wait"} for name in ("flights", "trains")}
    with Service(tmp_path, {"wait": python(WAITS)}, models=models) as service:
        service.verdicts(alert(), alert("trains"))
        eventually(lambda: lines(tmp_path / "begun"), "the first")
        fill(service)
        (tmp_path / "go").touch()
        eventually(lambda: "cannot be written" in str(service.condition().get("faults")), "the fault")
        eventually(lambda: "waits: the record" in service.log, lambda: service.log)
        assert service.states() == ["running", "queued"]
        assert lines(tmp_path / "begun") == ["flights"]
        empty(service)
        service.reach("succeeded", "succeeded")
        assert service.condition()["code"] == 200
    assert lines(tmp_path / "begun") == ["flights", "trains"]


def test_a_service_that_is_killed_on_a_full_disk_goes_on_after_it(tmp_path: Path) -> None:
    with Service(tmp_path, {"wait": python(WAITS)}) as service:
        service.verdicts(alert())
        eventually(lambda: lines(tmp_path / "begun"), "the program")
        fill(service)
        (tmp_path / "go").touch()
        eventually(lambda: "waits: the record" in service.log, lambda: service.log)
        service.kill()
        service.start()  # without the limit
        assert service.ended()["state"] == "succeeded"
    assert lines(tmp_path / "begun") == ["flights"]


def test_how_a_program_ended_on_a_full_disk_is_kept_until_there_is_room(tmp_path: Path) -> None:
    with Service(tmp_path, {"wait": python(WAITS)}) as service:
        service.verdicts(alert())
        eventually(lambda: lines(tmp_path / "begun"), "the program")
        keeper = session(tmp_path)
        limit(keeper, 0)
        (program,) = psutil.Process(keeper).children()
        (tmp_path / "go").touch()
        eventually(lambda: not program.is_running(), "the program's end")
        assert service.states() == ["running"]
        service.kill()
        service.start()
        limit(keeper, None)
        assert [found["state"] for found in service.ended()["tries"]] == ["succeeded"]
    assert lines(tmp_path / "begun") == ["flights"]
