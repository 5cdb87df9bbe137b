"""One decision for the drift of one version, however often its alert ends and comes back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from .service import Service, alert, lines, python

RUN = "open('runs', 'a').write('x\\n')"
AT_ONCE = {"flights": {"action": "run", "cooldown": "0s"}}


def ago(**time: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(**time)).isoformat()


def test_an_alert_that_ends_and_comes_back_does_not_retrain_again_within_the_cooldown(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.verdicts(alert(began=ago(hours=6))) == ["accepted"]
        service.ended()
        assert service.verdicts({**alert(began=ago(hours=6)), "status": "resolved"}) == []
        assert service.verdicts(alert(began=ago(minutes=0))) == ["duplicate"]
    assert lines(tmp_path / "runs") == ["x"]


def test_nor_after_it_while_the_gaps_are_short(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}, models=AT_ONCE) as service:
        assert service.verdicts(alert(began=ago(hours=6))) == ["accepted"]
        service.ended()
        for _ in range(3):
            service.let_pass(hours=20)
            assert service.verdicts(alert(began=ago(minutes=0))) == ["duplicate"]
    assert lines(tmp_path / "runs") == ["x"]


def test_after_a_day_without_it_the_same_alert_is_news(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}, models=AT_ONCE) as service:
        assert service.verdicts(alert(began=ago(hours=6))) == ["accepted"]
        service.ended()
        service.let_pass(hours=25)
        assert service.verdicts(alert(began=ago(minutes=0))) == ["accepted"]
        service.reach("succeeded", "succeeded")
    assert lines(tmp_path / "runs") == ["x", "x"]


def test_an_alert_that_lasted_while_the_service_was_away_is_no_news(tmp_path: Path) -> None:
    began = ago(days=5)
    with Service(tmp_path, {"run": python(RUN)}, models=AT_ONCE) as service:
        assert service.verdicts(alert(began=began)) == ["accepted"]
        service.ended()
        service.kill()
        service.let_pass(days=3)
        service.start()
        assert service.verdicts(alert(began=began)) == ["duplicate"]
    assert lines(tmp_path / "runs") == ["x"]


def test_versions_have_episodes_of_their_own_and_the_newest_alert_comes_first(tmp_path: Path) -> None:
    old, new = alert(began=ago(hours=9)), alert(began=ago(hours=1), model_version="2.0")
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.verdicts(old, new) == ["accepted", "busy"]
        assert service.decisions()[0]["model_version"] == "2.0"


@pytest.mark.parametrize("state", ["failed", "rejected"])
def test_what_did_not_succeed_is_tried_again_on_a_person_s_word_alone(tmp_path: Path, state: str) -> None:
    report = (
        'open(os.environ[\'RETRAINING_REPORT\'], \'w\').write(\'{"outcome": "rejected", "reason": "worse"}\')'
    )
    fails = "raise SystemExit(3)" if state == "failed" else report
    program = f"import os\n{RUN}\nif not os.path.exists('better'): {fails}"
    gauge = 'retraining_failed{model_name="flights"}'
    with Service(tmp_path, {"run": python(program, retries=0)}) as service:
        assert service.metric(gauge) == 0
        assert service.verdicts(alert()) == ["accepted"]
        assert service.ended()["state"] == state
        assert service.metric(gauge) == (state == "failed")
        service.let_pass(hours=2)  # longer than the cooldown
        assert service.verdicts(alert()) == ["duplicate"]
        (tmp_path / "better").touch()
        answer = service.say("confirm", who="ann", why="the disk was full").raise_for_status().json()
        assert answer["state"] == "queued"
        service.reach(state, None, "succeeded")
        again = service.decisions()[-1]
        assert (again["id"], again["word"], again["word_by"]) == (answer["decision"], "confirmed", "ann")
        assert service.metric(gauge) == 0
        # It succeeded: a second click does nothing.
        refused = service.say("confirm")
        assert refused.status_code == 409
        assert "version 1.0 (no environment) succeeded" in refused.json()["error"]
    assert lines(tmp_path / "runs") == ["x", "x"]
