"""The user's own program looks at the data before a retraining."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from stack.waiting import eventually

from .service import Service, alert, jump, lines, python
from .test_episodes import RUN

# Notes what it is told, and is content once there is a file "right".
LOOK = """
import json, os, pathlib, sys
told = json.load(sys.stdin)
with open("looks", "a") as file: file.write(json.dumps([told["model_version"], os.environ["RETRAINING_TRY"]]) + "\\n")
print("rows: 1000")
if not pathlib.Path("right").exists():
    print("42% of the rows lack temp")
    raise SystemExit(3)
"""


def models(program: str = LOOK, **check: Any) -> dict[str, Any]:
    settings = {"command": [sys.executable, "-c", program], "timeout": "10m", **check}
    return {"flights": {"action": "run", "check": settings}}


@pytest.mark.parametrize("ask", [alert, jump], ids=["drift", "jump"])
def test_a_check_that_fails_holds_and_one_that_succeeds_later_starts(tmp_path: Path, ask: Any) -> None:
    with Service(tmp_path, {"run": python(RUN)}, models=models()) as service:
        assert service.verdicts(ask()) == ["accepted"]
        service.reach("held")
        held = service.decisions()[0]
        assert held["detail"].startswith(
            "the check failed: ended with status 3; its last line: 42% of the rows"
        )
        assert "rows: 1000\n42% of the rows lack temp" in held["detail"]
        assert held["tries"] == []
        assert service.metric('retraining_checks_total{model_name="flights",result="failed"}') == 1
        assert service.metric('retraining_held{model_name="flights"}') == 1
        assert service.metric('retraining_failed{model_name="flights"}') == 0
        assert lines(tmp_path / "runs") == []
        (tmp_path / "right").touch()
        # Alertmanager sends it again.
        assert service.verdicts(ask()) == ["duplicate"]
        ended = service.ended()
        assert (ended["state"], ended["checks"], ended["word"]) == ("succeeded", 2, None)
        assert "rows: 1000" in ended["check_detail"]
        assert service.verdicts(ask()) == ["duplicate"]
    assert [json.loads(line) for line in lines(tmp_path / "looks")] == [["1.0", "1"], ["1.0", "2"]]
    assert lines(tmp_path / "runs") == ["x"]


def test_a_word_takes_the_place_of_the_check(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}, models=models()) as service:
        assert service.verdicts(jump()) == ["accepted"]
        service.reach("held")
        service.say("confirm").raise_for_status()
        assert service.ended()["state"] == "succeeded"
    assert len(lines(tmp_path / "looks")) == 1


def test_a_check_that_takes_too_long_or_says_no_in_its_report_holds(tmp_path: Path) -> None:
    slow = "import time\nprint('still counting', flush=True)\ntime.sleep(600)"
    with Service(tmp_path, {"run": python(RUN)}, models=models(slow, timeout="3s")) as service:
        service.verdicts(alert())
        service.reach("held")
        assert "timed_out: not done after 3 s" in service.decisions()[0]["detail"]
    other = tmp_path / "other"
    other.mkdir()
    report = {"outcome": "rejected", "reason": "half of the rows are of last year"}
    says_no = f"import os\nopen(os.environ['RETRAINING_REPORT'], 'w').write({json.dumps(report)!r})"
    with Service(other, {"run": python(RUN)}, models=models(says_no)) as service:
        service.verdicts(alert())
        service.reach("held")
        assert "half of the rows are of last year" in service.decisions()[0]["detail"]
    assert lines(tmp_path / "runs") == lines(other / "runs") == []


def test_a_check_outlives_the_service_and_is_not_run_twice(tmp_path: Path) -> None:
    waits = """
import pathlib, time
with open("looks", "a") as file: file.write("x\\n")
while not pathlib.Path("go").exists(): time.sleep(0.05)
"""
    with Service(tmp_path, {"run": python(RUN)}, models=models(waits)) as service:
        service.verdicts(alert())
        eventually(lambda: lines(tmp_path / "looks"), "the check")
        assert service.states() == ["checking"]
        service.kill()
        service.start()
        assert service.verdicts(alert()) == ["duplicate"]
        assert service.verdicts(alert(model_version="2.0")) == ["busy"]
        (tmp_path / "go").touch()
        assert service.ended()["state"] == "succeeded"
    assert lines(tmp_path / "looks") == lines(tmp_path / "runs") == ["x"]


def test_a_dry_run_checks_nothing(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}, models=models(), dry_run=True) as service:
        assert service.verdicts(alert()) == ["dry_run"]
        assert "its data would have been checked" in service.decisions()[0]["reason"]
    assert not (tmp_path / "looks").exists()
