"""What each notification leads to: once, not within the cooldown, one at a time, and all of it on record."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from stack.waiting import eventually

from .service import WAITS, Service, alert, notification, python

LATER = "2026-01-02T03:10:00Z"
# Appends what it is told to a file beside the configuration.
NOTE = """
import json, os, sys
told = json.load(sys.stdin)
names = {key: value for key, value in os.environ.items() if key.startswith("RETRAINING_")}
with open("notes", "a") as file:
    file.write(json.dumps({"told": told, "environment": names}) + "\\n")
print("noted")
"""


def notes(folder: Path) -> list[dict]:
    file = folder / "notes"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_an_alert_starts_the_program_once_with_all_that_is_known(tmp_path: Path) -> None:
    with Service(tmp_path, {"note": python(NOTE)}) as service:
        answer = service.post(notification(alert(), alert("flights", action="look"))).raise_for_status()
        (decided,) = answer.json()["decisions"]
        assert decided["verdict"] == "accepted"
        ended = service.ended()
        assert (ended["state"], ended["detail"], ended["action"]) == ("succeeded", "noted", "note")
        assert [found["state"] for found in ended["tries"]] == ["succeeded"]
        assert service.metric('retraining_actions_total{model_name="flights",state="succeeded"}') == 1
        assert service.metric('retraining_decisions_total{model_name="flights",verdict="accepted"}') == 1
        assert service.metric('retraining_action_running{model_name="flights"}') == 0
        succeeded = service.metric('retraining_last_success_timestamp_seconds{model_name="flights"}')
        assert succeeded == pytest.approx(time.time(), abs=60)
    (note,) = notes(tmp_path)
    assert note["told"]["decision"] == note["environment"]["RETRAINING_DECISION"] == decided["decision"]
    assert note["environment"]["RETRAINING_MODEL_NAME"] == "flights"
    assert note["environment"]["RETRAINING_MODEL_VERSION"] == "1.0"
    # The alert that asks for nothing is not handed on.
    (told,) = note["told"]["alerts"]
    assert told["annotations"] == {"summary": "flights should be retrained"}
    assert told["generatorURL"] == "http://127.0.0.1:9090/graph"


def test_the_same_alert_again_is_a_duplicate_also_after_a_restart(tmp_path: Path) -> None:
    models = {"flights": {"action": "note", "cooldown": "0s"}}
    with Service(tmp_path, {"note": python(NOTE)}, models=models) as service:
        assert service.verdicts(alert()) == ["accepted"]
        assert service.verdicts(alert()) == ["duplicate"]
        service.ended()
        assert service.verdicts(alert()) == ["duplicate"]
        service.kill()
        service.start()
        assert service.verdicts(alert()) == ["duplicate"]
        # Another alert of the same version is no news.
        assert service.verdicts(alert(), alert(instance="b")) == ["duplicate"]
        first, again = service.decisions()
        # What is decided again and again is one line of the record.
        assert (again["verdict"], again["times"]) == ("duplicate", 4)
        assert first["id"] in again["reason"]
    assert len(notes(tmp_path)) == 1


def test_the_next_version_within_the_cooldown_waits_until_it_is_over(tmp_path: Path) -> None:
    models = {"flights": {"action": "note", "cooldown": "1h"}}
    with Service(tmp_path, {"note": python(NOTE)}, models=models) as service:
        assert service.verdicts(alert()) == ["accepted"]
        ended = time_of(service.ended()["ended_at"])
        following = alert(began=LATER, model_version="2.0")
        assert service.verdicts(following) == ["cooldown"]
        until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ended + 3600))
        assert f"cooldown until {until}" in service.decisions()[-1]["reason"]
        assert len(notes(tmp_path)) == 1
        service.let_pass(minutes=59)
        assert service.verdicts(following) == ["cooldown"]
        service.let_pass(minutes=2)
        assert service.verdicts(following) == ["accepted"]
        eventually(lambda: len(notes(tmp_path)) == 2, "the second action")
        assert [note["told"]["model_version"] for note in notes(tmp_path)] == ["1.0", "2.0"]


def test_one_action_a_model_at_a_time_and_models_side_by_side(tmp_path: Path) -> None:
    models = {name: {"action": "wait", "cooldown": "0s"} for name in ("flights", "trains")}
    with Service(tmp_path, {"wait": python(WAITS)}, models=models, at_once=2) as service:
        assert service.verdicts(alert(), alert("trains")) == ["accepted", "accepted"]
        assert service.verdicts(alert(model_version="2.0")) == ["busy"]
        running = 'retraining_action_running{model_name="%s"}'
        eventually(lambda: [service.metric(running % name) for name in models] == [1, 1], "both actions")
        (tmp_path / "go").touch()
        service.reach("succeeded", "succeeded", None)
        assert service.verdicts(alert(model_version="3.0")) == ["accepted"]


def test_dry_run_decides_and_starts_nothing(tmp_path: Path) -> None:
    with Service(tmp_path, {"note": python(NOTE)}, dry_run=True) as service:
        assert service.verdicts(alert()) == ["dry_run"]
        assert service.verdicts(alert()) == ["duplicate"]
        # An action begins in the service's event loop, which answers this afterwards.
        assert [found["state"] for found in service.decisions()] == [None, None]
    assert notes(tmp_path) == []
    assert not (tmp_path / "state" / "tries").exists()


def test_resolved_alerts_other_alerts_and_unknown_models_start_nothing(tmp_path: Path) -> None:
    with Service(tmp_path, {"note": python(NOTE)}) as service:
        assert service.verdicts({**alert(), "status": "resolved"}, alert(action="look")) == []
        assert service.decisions() == []
        assert service.verdicts(alert("ships")) == ["unknown_model"]
        # A name from outside does not become a label.
        assert service.metric('retraining_decisions_total{model_name="other",verdict="unknown_model"}') == 1
    assert notes(tmp_path) == []


def test_a_program_that_fails_is_tried_again_and_then_no_more(tmp_path: Path) -> None:
    fail = "import os\nopen('tries', 'a').write(os.environ['RETRAINING_TRY'])\nprint('no disk')\nraise SystemExit(7)"
    with Service(tmp_path, {"fail": python(fail, retries=2, backoff="200ms")}) as service:
        assert service.verdicts(alert()) == ["accepted"]
        ended = service.ended()
        assert (ended["state"], ended["failures"]) == ("failed", 3)
        assert "status 7" in ended["detail"]
        assert "no disk" in ended["detail"]
        waits = [
            time_of(later["began_at"]) - time_of(earlier["ended_at"])
            for earlier, later in zip(ended["tries"], ended["tries"][1:])
        ]
        # The service waits by the monotonic clock and records by the wall clock, which may be slewed meanwhile.
        assert waits[0] >= 0.2 * 0.98
        assert waits[1] >= 0.4 * 0.98
        assert service.metric('retraining_tries_total{model_name="flights",state="failed"}') == 3
        assert service.metric('retraining_actions_total{model_name="flights",state="failed"}') == 1
    assert (tmp_path / "tries").read_text() == "123"


def time_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    # A shell, as it starts fast: the child's number is to be written within the time.
    action = {**python(""), "command": ["sh", "-c", "sleep 600 & echo $! > child; wait"]}
    with Service(tmp_path, {"long": {**action, "timeout": "5s", "retries": 0}}) as service:
        service.verdicts(alert())
        ended = service.ended()
        assert ended["state"] == "timed_out"
        assert "not done after 5 s" in ended["detail"]
    child = int((tmp_path / "child").read_text())
    assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


def test_a_result_that_the_program_rejects_is_recorded_with_its_reason_and_not_tried_again(
    tmp_path: Path,
) -> None:
    report = {"outcome": "rejected", "reason": "worse than the old one"}
    program = f"import os\nopen(os.environ['RETRAINING_REPORT'], 'w').write({json.dumps(report)!r})"
    with Service(tmp_path, {"train": python(program)}) as service:
        service.verdicts(alert())
        ended = service.ended()
        assert (ended["state"], ended["detail"]) == ("rejected", "worse than the old one")
        assert len(ended["tries"]) == 1
        assert service.metric('retraining_actions_total{model_name="flights",state="rejected"}') == 1
