"""Waiting for what comes about, and programs on loopback that are used once they answer."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import httpx

from .errors import StackError
from .loopback import http

# What is awaited comes within seconds on a quiet machine. This is how long to wait before it counts as lost on one
# that has ten times as much to do.
PATIENCE_SECONDS = 300.0
POLL_SECONDS = 0.1
STOP_SECONDS = 60.0

Found = TypeVar("Found")
Running = TypeVar("Running", bound="Program")


def eventually(
    found: Callable[[], Found],
    what: str | Callable[[], str],
    *,
    seconds: float = PATIENCE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> Found:
    """Return what `found` finds, as soon as it is true.

    what: names it in the error; a function is called when there is an error to write, and may say what was found
    instead.

    Raises TimeoutError after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (result := found()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what if isinstance(what, str) else what()}")
        time.sleep(poll_seconds)
    return result


def get(address: str, **query: str) -> httpx.Response | None:
    """Return the answer, or None where nobody answers yet."""
    try:
        return http.get(address, params=query, timeout=5)
    except httpx.TransportError:
        return None


def answers(address: str) -> bool:
    """Tell whether an address answers with 200."""
    answer = get(address)
    return answer is not None and answer.status_code == httpx.codes.OK


class Program(AbstractContextManager["Program"]):
    """A program that listens on a port: runs within the `with` block, from when it answers on.

    words: its command line. health: an address that answers 200 once it is ready. log: file for what it prints, which
    each start continues. folder: where it runs. environment: in the place of this process's.

    Raises StackError when it ends before it answers, with what it printed.
    """

    def __init__(
        self,
        words: list[str],
        *,
        health: str,
        log: Path,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.words = words
        self.health = health
        self.log_file = log
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self._environment = environment

    def __enter__(self: Running) -> Running:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What it has printed."""
        return self.log_file.read_text(errors="replace")

    def start(self) -> None:
        """Start it, and return when it answers."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.words, cwd=self._folder, stdout=log, stderr=log, env=self._environment
            )
        try:
            eventually(self.healthy, lambda: f"{self.words[0]} to answer at {self.health}:\n{self.log}")
        except BaseException:
            self.stop()
            raise

    def healthy(self) -> bool:
        """Tell whether it is ready; raise StackError when it has ended."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise StackError(f"{self.words[0]} ended with status {self.process.returncode}:\n{self.log}")
        return answers(self.health)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it with a signal, and return when it has ended. Does nothing when it does not run."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def without_proxies() -> dict[str, str]:
    """Return this process's environment without the variables that send requests through a proxy."""
    return {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
