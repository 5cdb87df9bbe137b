"""The service killed in the middle of an action: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import threading
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stack.errors import StackError
from stack.waiting import PATIENCE_SECONDS, eventually

from .service import Service, alert, python

# Says that it has begun, waits until it may go on, says that it is done.
SLOW = """
import os, pathlib, time
with open("begun", "a") as file: file.write(f"{os.getpid()}\\n")
while not pathlib.Path("go").exists(): time.sleep(0.05)
with open("done", "a") as file: file.write("x")
print("trained")
"""


def pids(folder: Path) -> list[int]:
    file = folder / "begun"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def session(folder: Path) -> int:
    (started,) = (folder / "state" / "tries").glob("*/1/started.json")
    return json.loads(started.read_text())["session"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill -9", "terminate"])
def test_a_program_that_outlives_the_service_is_found_and_awaited(tmp_path: Path, number: int) -> None:
    with Service(tmp_path, {"slow": python(SLOW)}) as service:
        service.verdicts(alert())
        eventually(lambda: pids(tmp_path), "the program")
        service.kill(number)
        os.kill(pids(tmp_path)[0], 0)  # still there
        service.start()
        assert service.verdicts(alert()) == ["duplicate"]
        assert service.verdicts(alert(model_version="2.0")) == ["busy"]
        (tmp_path / "go").touch()
        ended = service.ended()
        assert (ended["state"], ended["detail"]) == ("succeeded", "trained")
        assert [found["state"] for found in ended["tries"]] == ["succeeded"]
    assert len(pids(tmp_path)) == 1
    assert (tmp_path / "done").read_text() == "x"


def test_a_program_that_ended_while_the_service_was_dead_is_not_run_again(tmp_path: Path) -> None:
    with Service(tmp_path, {"slow": python(SLOW)}) as service:
        service.verdicts(alert())
        eventually(lambda: pids(tmp_path), "the program")
        service.kill()
        (tmp_path / "go").touch()
        eventually(lambda: list((tmp_path / "state").glob("tries/*/1/result.json")), "the program's end")
        service.start()
        assert service.ended()["state"] == "succeeded"
        assert service.verdicts(alert()) == ["duplicate"]
    assert (tmp_path / "done").read_text() == "x"


def test_a_program_that_was_killed_with_the_service_is_run_once_more(tmp_path: Path) -> None:
    with Service(tmp_path, {"slow": python(SLOW)}) as service:
        service.verdicts(alert())
        eventually(lambda: pids(tmp_path), "the program")
        service.kill()
        os.kill(session(tmp_path), signal.SIGKILL)
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        (tmp_path / "go").touch()
        service.start()
        ended = service.ended()
        assert [found["state"] for found in ended["tries"]] == ["interrupted", "succeeded"]
        assert (ended["state"], ended["interruptions"], ended["failures"]) == ("succeeded", 1, 0)
    assert len(pids(tmp_path)) == 2
    assert (tmp_path / "done").read_text() == "x"


def test_a_program_that_must_not_be_repeated_is_marked_interrupted(tmp_path: Path) -> None:
    with Service(tmp_path, {"slow": python(SLOW, repeatable=False)}) as service:
        service.verdicts(alert())
        eventually(lambda: pids(tmp_path), "the program")
        service.kill()
        os.kill(session(tmp_path), signal.SIGKILL)
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        service.start()
        ended = service.ended()
        assert ended["state"] == "interrupted"
        assert "killed" in ended["detail"]
        assert service.metric('retraining_actions_total{model_name="flights",state="interrupted"}') == 1
    assert len(pids(tmp_path)) == 1


def test_a_program_that_lost_its_keeper_is_awaited_before_another_one_begins(tmp_path: Path) -> None:
    with Service(tmp_path, {"slow": python(SLOW)}) as service:
        service.verdicts(alert())
        eventually(lambda: pids(tmp_path), "the program")
        service.kill()
        os.kill(session(tmp_path), signal.SIGKILL)
        service.start()
        assert service.verdicts(alert(model_version="2.0")) == ["busy"]
        assert len(pids(tmp_path)) == 1
        (tmp_path / "go").touch()
        # How it ended is not known, so it is run once more, after the first.
        assert [found["state"] for found in service.ended()["tries"]] == ["interrupted", "succeeded"]


def test_killed_again_and_again_at_any_moment_it_runs_to_its_end_once(tmp_path: Path) -> None:
    with Service(tmp_path, {"slow": python(SLOW)}) as service:
        service.verdicts(alert())
        for _ in range(6):  # from before the program has begun on
            service.kill()
            service.start()
            assert service.verdicts(alert()) == ["duplicate"]
        eventually(lambda: pids(tmp_path), "the program")
        (tmp_path / "go").touch()
        assert service.ended()["state"] == "succeeded"
    assert len(pids(tmp_path)) == 1
    assert (tmp_path / "done").read_text() == "x"


def test_a_wait_between_tries_survives(tmp_path: Path) -> None:
    fail = "open('tries', 'a').write('x')\nraise SystemExit(1)"
    with Service(tmp_path, {"fail": python(fail, retries=1, backoff="30m")}) as service:
        service.verdicts(alert())
        eventually(lambda: service.decisions()[0]["state"] == "waiting", "the first failure")
        before = service.decisions()
        service.kill()
        service.start()
        assert service.decisions() == before
        assert (tmp_path / "tries").read_text() == "x"
        service.kill()
        with service.record() as db:
            (failed,) = db.execute("SELECT ended_at FROM tries").fetchone()
            (again,) = db.execute("SELECT next_try_at FROM decisions").fetchone()
            assert datetime.fromisoformat(again) - datetime.fromisoformat(failed) == timedelta(minutes=30)
            # As if the half hour had passed.
            db.execute("UPDATE decisions SET next_try_at = ?", (failed,))
        service.start()
        assert service.ended()["failures"] == 2
    assert (tmp_path / "tries").read_text() == "xx"


def test_a_second_service_with_the_same_state_is_refused(tmp_path: Path) -> None:
    with Service(tmp_path, {"slow": python(SLOW)}) as service:
        second = Service(tmp_path, {"slow": python(SLOW)})
        with pytest.raises(StackError, match="another service runs"):
            second.start()
        assert service.healthy()


class Called(BaseHTTPRequestHandler):
    """Notes each call, and answers when it may."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server: Any = self.server
        server.calls.append((self.path, dict(self.headers), body))
        server.may_answer.wait(PATIENCE_SECONDS)
        status = server.statuses.pop(0) if server.statuses else 200
        try:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the caller was killed

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def server():
    called: Any = ThreadingHTTPServer(("127.0.0.1", 0), Called)
    called.calls, called.statuses, called.may_answer = [], [], threading.Event()
    called.may_answer.set()
    called.url = f"http://127.0.0.1:{called.server_port}"
    thread = threading.Thread(target=called.serve_forever)
    thread.start()
    yield called
    called.may_answer.set()
    called.shutdown()
    thread.join()
    called.server_close()


def test_an_address_is_called_with_the_alerts_and_its_token(tmp_path: Path, server: Any) -> None:
    (tmp_path / "their-token").write_text("theirs\n")
    server.statuses += [503, 200]
    action = {"kind": "url", "url": f"{server.url}/train", "token_file": "their-token", "backoff": "100ms"}
    with Service(tmp_path, {"call": action}) as service:
        service.verdicts(alert())
        ended = service.ended()
        assert [found["state"] for found in ended["tries"]] == ["failed", "succeeded"]
    assert [path for path, _, _ in server.calls] == ["/train", "/train"]
    keys = {headers["Idempotency-Key"] for _, headers, _ in server.calls}
    assert keys == {ended["id"]}
    assert {headers["Authorization"] for _, headers, _ in server.calls} == {"Bearer theirs"}
    assert server.calls[0][2]["alerts"][0]["labels"]["model_name"] == "flights"


def test_a_refusal_is_not_repeated(tmp_path: Path, server: Any) -> None:
    server.statuses += [404]
    with Service(tmp_path, {"call": {"kind": "url", "url": server.url, "backoff": "100ms"}}) as service:
        service.verdicts(alert())
        ended = service.ended()
        assert (ended["state"], len(ended["tries"])) == ("failed", 1)
        assert "HTTP 404" in ended["detail"]
    assert len(server.calls) == 1


def test_a_call_that_was_cut_off_is_repeated_with_the_same_key(tmp_path: Path, server: Any) -> None:
    server.may_answer.clear()
    with Service(tmp_path, {"call": {"kind": "url", "url": server.url}}) as service:
        service.verdicts(alert())
        eventually(lambda: server.calls, "the call")
        service.kill()
        server.may_answer.set()
        service.start()
        ended = service.ended()
        assert [found["state"] for found in ended["tries"]] == ["interrupted", "succeeded"]
    assert len(server.calls) == 2
    assert {headers["Idempotency-Key"] for _, headers, _ in server.calls} == {ended["id"]}


def workflow(server: Any) -> dict[str, Any]:
    return {
        "kind": "workflow",
        "repository": "us/models",
        "workflow": "retrain.yml",
        "token_file": "token",
        "api_url": server.url,
        "backoff": "100ms",
    }


def test_a_workflow_is_dispatched_as_github_takes_it(tmp_path: Path, server: Any) -> None:
    server.statuses += [204]
    with Service(tmp_path, {"dispatch": workflow(server)}) as service:
        service.verdicts(alert())
        assert service.ended()["state"] == "succeeded"
    ((path, headers, body),) = server.calls
    assert path == "/repos/us/models/actions/workflows/retrain.yml/dispatches"
    assert headers["Accept"] == "application/vnd.github+json"
    assert headers["Authorization"].startswith("Bearer ")
    inputs = {"model_name": "flights", "model_version": "1.0", "decision": service_id(tmp_path)}
    assert body == {"ref": "main", "inputs": inputs}


def service_id(folder: Path) -> str:
    import sqlite3

    with sqlite3.connect(folder / "state" / "decisions.sqlite") as db:
        return db.execute("SELECT id FROM decisions").fetchone()[0]


@pytest.mark.parametrize("cause", ["killed", "gateway"])
def test_a_dispatch_that_may_have_worked_is_not_repeated(tmp_path: Path, server: Any, cause: str) -> None:
    with Service(tmp_path, {"dispatch": workflow(server)}) as service:
        if cause == "killed":
            server.may_answer.clear()
        else:
            server.statuses += [502]
        service.verdicts(alert())
        eventually(lambda: server.calls, "the dispatch")
        if cause == "killed":
            service.kill()
            server.may_answer.set()
            service.start()
        ended = service.ended()
        assert ended["state"] == ("interrupted" if cause == "killed" else "failed")
        assert len(ended["tries"]) == 1
    assert len(server.calls) == 1
