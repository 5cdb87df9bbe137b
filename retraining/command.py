"""A try of an action that runs a program."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from . import keeper
from .config import Program
from .outcome import Outcome

POLL_SECONDS = 0.2
# After the deadline, until a program is ended whose keeper was killed and so cannot do it.
ORPHAN_SECONDS = 3 * keeper.GRACE_SECONDS
PROBE_BYTES = 4096
LONGEST_DETAIL = 2_000
REPORTED = {"promoted": "succeeded", "rejected": "rejected"}


async def perform(
    program: Program, *, folder: Path, told: dict[str, Any], environment: dict[str, str]
) -> Outcome:
    """Start the try of ``folder``, or find it started, and wait until it has ended.

    told: the program's standard input, as JSON. environment: variables beside the service's own and the program's.
    May be called again for the same folder, by another process too: the program is started at most once.

    Raises OSError where the folder cannot be written; then nothing is started.
    """
    _prepare(program, folder, told, environment)
    process = None if (folder / "started.json").exists() else _spawn(folder)
    while True:
        ended = process is None or process.poll() is not None
        # Asked before the result is looked for: it is written before the lock is released.
        alive = _locked(folder)
        if (folder / "result.json").exists():
            if process is not None:
                await asyncio.to_thread(process.wait)
            return _outcome(folder, program)
        if not (folder / "started.json").exists():
            if ended and not alive:
                _expect_room(folder)
                return Outcome("failed", f"the program was not started: {_last_line(folder / 'keeper.log')}")
        elif not alive:
            return Outcome(
                "interrupted", "the program was killed together with what watched it", effect_known=False
            )
        else:
            _end_orphan(folder)
        await asyncio.sleep(POLL_SECONDS)


def _prepare(program: Program, folder: Path, told: dict[str, Any], environment: dict[str, str]) -> None:
    """Write what the keeper reads; nothing changes where it is there already."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (folder / "request.json").exists():
        return
    keeper.write(folder / "input.json", told)
    request = {
        "command": program.command,
        "directory": str(program.working_directory),
        "environment": {
            **program.environment,
            **environment,
            "RETRAINING_REPORT": str(folder / "report.json"),
        },
        "timeout_seconds": program.timeout,
    }
    keeper.write(folder / "request.json", request)


def _expect_room(folder: Path) -> None:
    """Raise OSError where the disk is full: that, and not the program, is then why it was not started."""
    probe = folder / "probe"
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)


def _spawn(folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "keeper.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, keeper.__file__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _locked(folder: Path) -> bool:
    """Tell whether the keeper or the program is alive."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _end_orphan(folder: Path) -> None:
    """End a program that is over its time and whose keeper is gone."""
    started = json.loads((folder / "started.json").read_text(encoding="utf-8"))
    if time.time() < started["deadline"] + ORPHAN_SECONDS:
        return
    # A session's number is not given to another process while one of its processes lives.
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == started["session"]:
                process.send_signal(signal.SIGKILL)
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue


def _outcome(folder: Path, program: Program) -> Outcome:
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    last = _last_line(folder / "output.log")
    if result["timed_out"]:
        return Outcome("timed_out", f"not done after {program.timeout:g} s; its last line: {last}")
    if result["error"]:
        return Outcome("failed", f"the program cannot be started: {result['error']}")
    if result["status"] != 0:
        return Outcome("failed", f"ended with status {result['status']}; its last line: {last}")
    return _reported(folder / "report.json") or Outcome("succeeded", last)


def _reported(file: Path) -> Outcome | None:
    """Return what the program says came of it, or None where it says nothing."""
    if not file.exists():
        return None
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        state, reason = REPORTED[report["outcome"]], str(report["reason"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Outcome("failed", f"its report cannot be read: {error!r}", again=False)
    return Outcome("rejected" if state == "rejected" else "succeeded", reason[:LONGEST_DETAIL])


def printed(folder: Path) -> str:
    """Return the end of what the program of a try printed."""
    return "\n".join(_last_lines(folder / "output.log"))


def _last_line(file: Path) -> str:
    return (_last_lines(file) or ["(nothing printed)"])[-1]


def _last_lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - LONGEST_DETAIL))
            return stream.read().decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return []
