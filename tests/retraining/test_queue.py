"""One retraining at a time, the others in the order they came, and no more than the limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stack.waiting import eventually

from .service import WAITS, Service, alert, lines, notification, python

NAMES = ("d", "b", "a", "c")


def models(*names: str) -> dict[str, Any]:
    return {name: {"action": "wait"} for name in names}


def test_the_queue_is_kept_over_a_restart_in_its_order(tmp_path: Path) -> None:
    with Service(tmp_path, {"wait": python(WAITS)}, models=models(*NAMES)) as service:
        for name in NAMES:
            assert service.verdicts(alert(name)) == ["accepted"]
        eventually(lambda: lines(tmp_path / "begun"), "the first")
        assert service.states() == ["running", "queued", "queued", "queued"]
        assert service.metric("retraining_queue_length") == 3
        service.kill()
        service.start()
        assert service.states() == ["running", "queued", "queued", "queued"]
        (tmp_path / "go").touch()
        service.reach(*["succeeded"] * 4)
        assert service.metric("retraining_queue_length") == 0
    assert lines(tmp_path / "begun") == list(NAMES)


def test_a_kill_between_two_of_the_queue_starts_each_once(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    with Service(tmp_path, {"wait": python(WAITS)}, models=models(*NAMES)) as service:
        for name in NAMES:
            service.verdicts(alert(name))
        while service.states() != ["succeeded"] * 4:
            service.kill()
            service.start()
    assert lines(tmp_path / "begun") == list(NAMES)


def test_what_exceeds_the_limit_is_refused_and_taken_when_it_is_sent_again(tmp_path: Path) -> None:
    with Service(tmp_path, {"wait": python(WAITS)}, models=models(*NAMES), queue=1) as service:
        assert service.verdicts(alert("d")) == ["accepted"]
        # One of the two finds room, and Alertmanager is asked to send both again.
        both = notification(alert("b"), alert("a"))
        answer = service.post(both)
        assert answer.status_code == 503
        assert [found["verdict"] for found in answer.json()["decisions"]] == ["accepted", "queue_full"]
        assert "queue: 1 is the most" in answer.json()["error"]
        for _ in range(3):
            answer = service.post(both)
            assert answer.status_code == 503
            assert [found["verdict"] for found in answer.json()["decisions"]] == ["duplicate", "queue_full"]
        full = [found for found in service.decisions() if found["verdict"] == "queue_full"]
        assert [(found["model_name"], found["times"]) for found in full] == [("b", 4)]
        assert service.metric('retraining_decisions_total{model_name="b",verdict="queue_full"}') == 4
        (tmp_path / "go").touch()
        eventually(lambda: service.states().count("succeeded") == 2, "room")
        assert service.verdicts(alert("b")) == ["accepted"]
        eventually(lambda: service.states().count("succeeded") == 3, "the last one")
    assert lines(tmp_path / "begun") == ["d", "a", "b"]


def test_several_may_run_at_once_if_the_configuration_says_so(tmp_path: Path) -> None:
    with Service(tmp_path, {"wait": python(WAITS)}, models=models(*NAMES), at_once=2) as service:
        for name in NAMES:
            service.verdicts(alert(name))
        eventually(lambda: len(lines(tmp_path / "begun")) == 2, "two")
        service.reach("running", "running", "queued", "queued")
        (tmp_path / "go").touch()
        service.reach(*["succeeded"] * 4)
    assert sorted(lines(tmp_path / "begun")[:2]) == ["b", "d"]


def test_a_wait_between_two_tries_keeps_its_place(tmp_path: Path) -> None:
    fails = python("raise SystemExit(1)", retries=1, backoff="30m")
    with Service(tmp_path, {"wait": fails}, models=models("d", "b")) as service:
        service.verdicts(alert("d"))
        service.verdicts(alert("b"))
        service.reach("waiting", "queued")
        assert service.metric("retraining_queue_length") == 1
