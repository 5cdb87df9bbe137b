"""Runs the program of one try, and writes down how it ended; outlives the service.

``python keeper.py FOLDER``, started by command.py as the leader of a session of its own. The standard library alone:
it must start fast and not fail. In FOLDER:

request.json  what to run (from the service): command, directory, environment, timeout_seconds
input.json    the program's standard input (from the service)
lock          locked while the keeper or the program is alive
started.json  there once this try has been started; a try is started once, whoever asks
result.json   how it ended
output.log    what the program printed
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

AGAIN_SECONDS = 1.0  # until a result that could not be written is tried again
GRACE_SECONDS = 10.0  # between asking a program that is over its time to end, and ending it
NOT_STARTED = 127  # as a shell says it


def write(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file so that a reader, also after a power cut, finds all of it or none."""
    unfinished = file.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def keep(folder: Path) -> None:
    """Run the try in ``folder``, unless somebody has or does."""
    # Inherited by the program, so that the lock is held as long as either lives.
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if (folder / "started.json").exists():
        return
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    limit = float(request["timeout_seconds"])
    write(folder / "started.json", {"session": os.getpid(), "deadline": time.time() + limit})
    result = run(folder, request, lock=lock, limit=limit)
    # What a program of hours came to is not lost because the disk is full for a while. It is not said either: that
    # would be written to the same disk.
    while True:
        with contextlib.suppress(OSError):
            write(folder / "result.json", result)
            return
        time.sleep(AGAIN_SECONDS)


def run(folder: Path, request: dict[str, Any], *, lock: int, limit: float) -> dict[str, Any]:
    """Run the program and return how it ended."""
    began = time.monotonic()
    with (folder / "input.json").open("rb") as source, (folder / "output.log").open("ab") as output:
        try:
            # The command is the configuration's own; no text of an alert is in it.
            program = subprocess.Popen(  # noqa: S603
                request["command"],
                cwd=request["directory"],
                env={**os.environ, **request["environment"]},
                stdin=source,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[lock],
                preexec_fn=os.setpgrp,  # one thread here; process_group= needs Python 3.11
            )
        except (OSError, ValueError) as error:
            return {"status": NOT_STARTED, "timed_out": False, "seconds": 0.0, "error": str(error)}
        timed_out = False
        try:
            program.wait(limit)
        except subprocess.TimeoutExpired:
            timed_out = True
            end(program)
    seconds = time.monotonic() - began
    return {"status": program.returncode, "timed_out": timed_out, "seconds": seconds, "error": None}


def end(program: subprocess.Popen[bytes]) -> None:
    """End a program and what it started in its process group."""
    os.killpg(program.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(GRACE_SECONDS)
    # The program's number is not given to another process group while one of its children is in it.
    try:
        os.killpg(program.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    program.wait()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
