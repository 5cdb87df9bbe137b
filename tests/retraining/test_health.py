"""What is broken is said before an alert needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from .service import HEADERS, ROOT, Service, alert


def script(folder: Path) -> dict[str, Any]:
    program = folder / "train.sh"
    program.write_text("#!/bin/sh\necho trained\n")
    program.chmod(0o755)
    return {"kind": "command", "command": ["./train.sh"], "retries": 0, "timeout": "10m"}


def test_a_program_that_disappears_is_named_until_it_is_back(tmp_path: Path) -> None:
    with Service(tmp_path, {"train": script(tmp_path)}) as service:
        assert service.condition() == {"code": 200, "status": "ok"}
        assert service.metric("retraining_healthy") == 1
        (tmp_path / "train.sh").chmod(0o644)
        health = service.condition()
        assert (health["code"], health["status"]) == (503, "broken")
        assert health["faults"] == [
            f"actions.train.command: {tmp_path}/train.sh may not be executed; "
            "chmod +x it, or name its interpreter first"
        ]
        assert service.metric("retraining_healthy") == 0
        (tmp_path / "train.sh").unlink()
        assert service.condition()["faults"] == [
            f"actions.train.command: there is no program {tmp_path}/train.sh"
        ]
        # It goes on deciding, and says what came of it.
        assert service.verdicts(alert()) == ["accepted"]
        ended = service.ended()
        assert (ended["state"], "train.sh" in ended["detail"]) == ("failed", True)
        assert service.metric('retraining_failed{model_name="flights"}') == 1
        script(tmp_path)
        assert service.condition() == {"code": 200, "status": "ok"}
        assert service.say("confirm").status_code == 200
        service.reach("failed", "succeeded")
        assert service.metric('retraining_failed{model_name="flights"}') == 0


def test_token_files_and_checks_are_looked_at_as_well(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("secret")
    (tmp_path / "check").write_text("#!/bin/sh\n")
    (tmp_path / "check").chmod(0o755)
    call = {"kind": "url", "url": "http://127.0.0.1:9/train", "token_file": "theirs"}
    models = {"flights": {"action": "call", "check": {"command": ["./check"]}}}
    with Service(tmp_path, {"call": call}, models=models) as service:
        (tmp_path / "theirs").unlink()
        (tmp_path / "check").unlink()
        (tmp_path / "token").write_text("")
        faults = " ".join(service.condition()["faults"])
        for place in (
            "token_file: the token file",
            "actions.call.token_file",
            "models.flights.check.command",
        ):
            assert place in faults
        assert HEADERS["Authorization"].split()[1] not in faults


def test_check_names_all_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "retraining.yml").write_text("""
token_file: token
state_directory: state
actions:
  train: {kind: command, command: [no-such-program]}
  call: {kind: url, url: "http://127.0.0.1/", token_file: nowhere}
models:
  flights: {action: train, check: {command: [python3], working_directory: gone}}
""")
    words = [sys.executable, "-m", "retraining", "--check", "--config", str(tmp_path / "retraining.yml")]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    for words in (
        "actions.train.command: there is no program 'no-such-program' on the PATH",
        "actions.call.token_file: the token file",
        "models.flights.check.working_directory: there is no folder",
    ):
        assert words in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "state").exists()
