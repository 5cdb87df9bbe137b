"""Data that jumped retrain after a person's word, and after no one else's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stack.loopback import http
from stack.waiting import eventually, without_proxies

from .service import ROOT, WAITS, Service, alert, jump, lines, python
from .test_episodes import RUN, ago

HELD = 'retraining_held{model_name="flights"}'


def test_a_jump_waits_and_a_word_starts_it_once(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.verdicts(jump()) == ["held"]
        assert service.verdicts(jump()) == ["duplicate"]
        assert service.states() == ["held", None]
        assert service.metric(HELD) == 1
        service.kill()
        service.start()
        assert service.metric(HELD) == 1
        assert lines(tmp_path / "runs") == []
        answer = service.say("confirm", who="ann", why="a new sensor, and it is right").raise_for_status()
        assert answer.json()["state"] == "queued"
        ended = service.ended()
        assert (ended["state"], ended["word"], ended["word_by"]) == ("succeeded", "confirmed", "ann")
        assert ended["word_why"] == "a new sensor, and it is right"
        assert service.verdicts(jump()) == ["duplicate"]
        assert service.metric(HELD) == 0
    assert lines(tmp_path / "runs") == ["x"]


def test_lasting_drift_does_not_start_what_a_jump_holds(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.verdicts(jump(), alert()) == ["held"]
        # 32 hours later nobody has looked, and the rule takes the jump for a state that lasts.
        service.let_pass(hours=20)
        assert service.verdicts(alert()) == ["duplicate"]
        service.let_pass(hours=12)
        assert service.verdicts(alert()) == ["duplicate"]
        assert service.decisions()[0]["state"] == "held"
    assert lines(tmp_path / "runs") == []


def test_a_jump_holds_what_is_still_in_the_queue(tmp_path: Path) -> None:
    models = {name: {"action": "wait"} for name in ("flights", "trains")}
    with Service(tmp_path, {"wait": python(WAITS)}, models=models) as service:
        assert service.verdicts(alert("trains")) == ["accepted"]
        assert service.verdicts(alert()) == ["accepted"]
        assert service.verdicts(jump()) == ["duplicate"]
        (tmp_path / "go").touch()
        service.reach("succeeded", "held", None)
    assert lines(tmp_path / "begun") == ["trains"]


def test_a_label_of_the_alert_is_a_word(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.verdicts(jump(confirmed="yes")) == ["held"]
        # Of two alerts each needs it.
        assert service.verdicts(jump(), jump(confirmed="true")) == ["duplicate"]
        assert service.verdicts(jump(confirmed="true")) == ["accepted"]
        assert service.ended()["state"] == "succeeded"
        assert service.ended()["word_by"] == "a label of the alert"
        assert service.verdicts(jump(confirmed="true")) == ["duplicate"]
    assert lines(tmp_path / "runs") == ["x"]


def test_a_rejection_lasts_as_long_as_the_alerts_and_can_be_taken_back(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.verdicts(jump(began=ago(hours=1))) == ["held"]
        answer = service.say("reject", who="ann", why="broken join").raise_for_status()
        assert answer.json()["state"] == "declined"
        assert service.verdicts(jump(began=ago(minutes=1)), alert(began=ago(minutes=1))) == ["duplicate"]
        assert service.verdicts(jump(confirmed="true")) == ["duplicate"]
        assert service.say("reject").status_code == 409
        service.let_pass(hours=25)
        # A day without it: it is another jump.
        assert service.verdicts(jump(began=ago(minutes=0))) == ["held"]
        assert service.say("reject").status_code == 200
        assert lines(tmp_path / "runs") == []
        assert service.say("confirm").status_code == 200
        assert service.ended()["state"] == "declined"
        service.reach("declined", None, "succeeded")
    assert lines(tmp_path / "runs") == ["x"]


def test_what_is_in_the_queue_can_be_rejected_and_what_runs_cannot(tmp_path: Path) -> None:
    models = {name: {"action": "wait"} for name in ("flights", "trains")}
    with Service(tmp_path, {"wait": python(WAITS)}, models=models) as service:
        assert service.verdicts(alert("trains")) == ["accepted"]
        assert service.verdicts(alert()) == ["accepted"]
        assert service.say("reject").status_code == 200
        refused = service.say("reject", "trains")
        assert refused.status_code == 409
        assert "version 1.0 (no environment)" in refused.json()["error"]
        (tmp_path / "go").touch()
        service.reach("succeeded", "declined")
    assert lines(tmp_path / "begun") == ["trains"]


def test_a_word_is_for_one_version_and_one_environment(tmp_path: Path) -> None:
    only = {"env": ["staging", "production"]}
    with Service(tmp_path, {"run": python(RUN)}, only=only, at_once=5) as service:
        jumps = [
            jump(model_version=version, env=env)
            for version in ("1.0", "2.0")
            for env in ("staging", "production")
        ]
        assert service.verdicts(*jumps) == ["held"] * 4
        unclear = service.say("confirm")
        assert unclear.status_code == 409
        assert "4 retrainings of flights wait for a word; say which" in unclear.json()["error"]
        assert 'version 2.0 (env="production") waits' in unclear.json()["error"]
        assert service.say("confirm", model_version="3.0").status_code == 409
        assert service.say("confirm", query="?model_version=2.0").status_code == 409
        said = service.say("confirm", query="?model_version=2.0&env=production").raise_for_status().json()
        assert (said["model_version"], said["environment"]) == ("2.0", {"env": "production"})
        eventually(lambda: "succeeded" in service.states(), "its end")
        confirmed = [found for found in service.decisions() if found["word"]]
        assert [(found["model_version"], found["environment"]) for found in confirmed] == [
            ("2.0", {"env": "production"})
        ]
        said = service.say("reject", model_version="1.0", environment={"env": "staging"}).json()
        assert (said["state"], said["environment"]) == ("declined", {"env": "staging"})
        assert service.states().count("held") == 2


def test_what_nobody_spoke_about_ends_when_the_alert_has_not_been_sent_for_a_day(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}) as service:
        assert service.verdicts(jump(began=ago(days=3))) == ["held"]
        service.let_pass(hours=25)
        late = service.say("confirm")
        assert late.status_code == 409
        assert "no alert of it asks for retraining" in late.json()["error"]
        service.reach("dropped")
        assert "has not been sent for 24 hours" in service.decisions()[0]["detail"]
        # It lasted all the same, and asks again.
        assert service.verdicts(jump(began=ago(days=3))) == ["held"]
    assert lines(tmp_path / "runs") == []


def test_a_dry_run_holds_and_starts_nothing_on_a_word(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}, dry_run=True) as service:
        assert service.verdicts(jump()) == ["held"]
        assert service.say("confirm").json()["state"] == "dry_run"
        assert service.verdicts(jump()) == ["duplicate"]
        assert service.decisions()[0]["detail"] == "dry run: run would have been started"
    assert lines(tmp_path / "runs") == []


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("ships/confirm", b"", 404, "no model 'ships'; it has flights"),
        ("flights/confirm", b"{", 400, "JSON"),
        ("flights/confirm", b"[]", 422, "the body"),
        ("flights/confirm", b'{"wh": "x"}', 422, "wh"),
        ("flights/confirm", b'{"who": "a\\nb"}', 422, "who"),
        ("flights/confirm?team=x", b"", 422, "team does not tell environments apart"),
        ("flights/confirm", b"", 409, "no retraining of flights can be confirmed"),
        ("flights/reject", b"", 409, "no retraining of flights can be rejected"),
        ("flights/start", b"", 404, ""),
    ],
)
def test_a_bad_word_is_refused(service: Service, path: str, body: bytes, status: int, words: str) -> None:
    headers = {"Authorization": "Bearer token-of-the-tests"}
    assert http.post(f"{service.url}/models/{path}", content=body).status_code in (401, 404)
    answer = http.post(f"{service.url}/models/{path}", content=body, headers=headers)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert service.decisions() == []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory):
    with Service(tmp_path_factory.mktemp("service"), {"run": python(RUN)}) as running:
        yield running


def test_the_command_line_says_it(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(RUN)}, only={"env": "production"}) as service:

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "retraining", *words, "--config", str(service.config)]
            return subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, check=False, env=without_proxies()
            )

        nothing = run("confirm", "flights")
        assert (nothing.returncode, nothing.stdout) == (1, "")
        assert "no retraining of flights can be confirmed" in nothing.stderr
        assert service.verdicts(jump(env="production")) == ["held"]
        assert "'production' is not a label" in run("reject", "flights", "--environment", "production").stderr
        rejected = run("reject", "flights", "--why", "a broken join", "--who", "ann")
        assert 'flights 1.0 (env="production") is declined' in rejected.stdout
        confirmed = run("confirm", "flights", "--environment", "env=production", "--model-version", "1.0")
        assert "is queued" in confirmed.stdout, confirmed.stderr
        assert service.ended()["state"] == "succeeded"
        service.stop()
        assert "the service does not answer at http://127.0.0.1" in run("confirm", "flights").stderr
    assert lines(tmp_path / "runs") == ["x"]
