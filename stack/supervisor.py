"""Runs the parts of the Procfile under honcho and leaves nothing behind.

Started by runner.py as a process of its own, with a pipe as standard input: when the pipe closes, because the
starter is done or is gone, however it went, all parts end. When one part ends, honcho ends the others.

Writes into the run's folder: logs/stack.log, what the parts print; parts.json, their process ids; ended.json,
which part ended first when none was told to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
from honcho.environ import parse_procfile
from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer

STARTED = re.compile(r"(\S+) started \(pid=(\d+)\)")
STOPPED = re.compile(r"(\S+) stopped \(rc=(-?\d+)\)")


class Watch(Printer):
    """Honcho's printer, which also learns from honcho's own lines what became of each part."""

    def __init__(self, run_dir: Path, parts: int) -> None:
        super().__init__((run_dir / "logs" / "stack.log").open("w", encoding="utf-8"))
        self._run_dir = run_dir
        self._parts = parts
        self._pids: dict[str, int] = {}
        self._waiting = False
        self._told = threading.Event()
        self._someone_ended = False

    @property
    def pids(self) -> list[int]:
        """Process ids of the parts; each is the leader of a session of its own."""
        return list(self._pids.values())

    def write(self, message: Message) -> None:
        """Print a line."""
        super().write(message)
        if message.name != SYSTEM_PRINTER_NAME:
            return
        if started := STARTED.match(message.data):
            self._pids[started[1]] = int(started[2])
            if len(self._pids) == self._parts:
                (self._run_dir / "parts.json").write_text(json.dumps(self._pids))
                self._wait_for_starter()
        elif (stopped := STOPPED.match(message.data)) and not self._someone_ended:
            self._someone_ended = True
            if not self._told.is_set():
                ended = {"part": stopped[1], "status": int(stopped[2])}
                (self._run_dir / "ended.json").write_text(json.dumps(ended))

    def _wait_for_starter(self) -> None:
        # Not earlier: honcho forks, which a second thread makes unsafe, and its signal handler wants all parts'
        # process ids.
        def wait() -> None:
            sys.stdin.buffer.read()
            self._told.set()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=wait, name="starter", daemon=True).start()


def end_sessions(leaders: list[int]) -> None:
    """Kill what is left in the sessions of the parts.

    Honcho waits for a part's first process only, and TorchServe's Java and its workers are further down: a worker
    that was just starting would wait for its server for ever.
    """
    for _ in range(50):
        left = [process for process in psutil.process_iter() if _session(process) in leaders]
        if not left:
            return
        for process in left:
            # It may have ended meanwhile.
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.1)
    sys.stderr.write(f"these processes cannot be killed: {', '.join(str(process.pid) for process in left)}\n")


def _session(process: psutil.Process) -> int | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError, psutil.Error):
        return None


def supervise(run_dir: Path) -> int:
    """Run the parts that run_dir/plan.json names until one ends or the starter says so."""
    plan = json.loads((run_dir / "plan.json").read_text())
    root = Path(plan["root"])
    procfile = parse_procfile((root / "Procfile").read_text())
    watch = Watch(run_dir, len(plan["parts"]))
    manager = Manager(watch)
    for name in plan["parts"]:
        manager.add_process(
            name, procfile.processes[name], env={**os.environ, **plan["environment"]}, cwd=root
        )
    try:
        manager.loop()
    finally:
        end_sessions(watch.pids)
        shutil.rmtree(plan["temporary"], ignore_errors=True)
    return manager.returncode or 0


if __name__ == "__main__":
    sys.exit(supervise(Path(sys.argv[1])))
