"""The soak's requests: real flights and a share of bad bodies, sent by wrk, every one of them accounted for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks.machine import ROOT
from examples.flight_delay.data import COLUMNS
from examples.flight_delay.replay import bodies

SCRIPT = ROOT / "benchmarks" / "soak" / "post.lua"
FLIGHTS = 4000  # of each set of flights, one after the other as they flew
BAD_ONE_IN = 50
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Answers:
    """What wrk sent to one model and got back; counts of requests. `refused` are answers of status 400 and above."""

    sent: int = 0
    bad: int = 0
    answered: int = 0
    refused: int = 0
    socket_errors: int = 0

    def __add__(self, other: Answers) -> Answers:
        return Answers(
            self.sent + other.sent,
            self.bad + other.bad,
            self.answered + other.answered,
            self.refused + other.refused,
            self.socket_errors + other.socket_errors,
        )

    @property
    def good(self) -> int:
        """Requests that were to be predicted."""
        return self.sent - self.bad


@dataclass(frozen=True)
class Load:
    """Bodies in two files, and how they are sent.

    rate: requests a second; 0: as fast as they are answered. drain_seconds: how long wrk goes on after the last
    request was sent, so that the answers on their way arrive and are counted.
    """

    good: Path
    bad: Path
    connections: int
    rate: float = 0.0
    drain_seconds: int = 5

    def command(self, url: str, *, seconds: int) -> list[str]:
        """Return the command that loads a URL for a while."""
        options = ["-t1", f"-c{self.connections}", f"-d{seconds + self.drain_seconds}s"]
        options += ["--timeout", f"{TIMEOUT_SECONDS}s", "-s", str(SCRIPT)]
        arguments = [self.good, self.bad, BAD_ONE_IN, self.rate, seconds]
        return ["wrk", *options, url, "--", *map(str, arguments)]


@dataclass
class Loading:
    """Two or more models under load at the same time; `answers` is complete once the block has ended."""

    processes: dict[str, subprocess.Popen[str]]
    answers: dict[str, Answers] = field(default_factory=dict)

    def check(self) -> None:
        """Raise RuntimeError when wrk has ended before its time, with what it printed."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"the load on '{name}' has ended early:\n{process.communicate()[0]}")


def bad_bodies(row: dict[str, float | None]) -> list[str]:
    """Return bodies that the model's handler refuses, each for another reason, made of one good row."""
    first, *others = row
    return [
        json.dumps(row)[:-7],  # cut off, as by a client that died
        json.dumps({name: row[name] for name in others}),
        json.dumps({**row, first: "five"}),
        json.dumps([*row.values()]),
    ]


def write_bodies(frames: list[pd.DataFrame], folder: Path) -> tuple[Path, Path]:
    """Write the first flights of each frame, and bad bodies, a body a line; return the two files."""
    good, bad = folder / "bodies.txt", folder / "bad-bodies.txt"
    lines = [body.decode() for frame in frames for body in bodies(frame.head(FLIGHTS))]
    good.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    row = json.loads(lines[0])
    assert list(row) == COLUMNS
    bad.write_text("".join(f"{line}\n" for line in bad_bodies(row)), encoding="utf-8")
    return good, bad


def answers_of(output: str) -> Answers:
    """Read what post.lua printed last; raise RuntimeError when wrk did not get so far."""
    last = output.rstrip().rpartition("\n")[2]
    try:
        return Answers(**json.loads(last))
    except (ValueError, TypeError) as error:
        raise RuntimeError(f"wrk's output is not understood:\n{output}") from error


@contextmanager
def loading(load: Load, urls: dict[str, str], *, seconds: int) -> Iterator[Loading]:
    """Load each URL for a while, all at the same time; the block ends when wrk does, or ends wrk when it raises."""
    processes = {
        name: subprocess.Popen(
            load.command(url, seconds=seconds), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name, url in urls.items()
    }
    state = Loading(processes)
    try:
        yield state
        for name, process in processes.items():
            state.answers[name] = answers_of(process.communicate()[0])
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()
