"""Live traffic with a canary: flights in the order of the calendar, of which a new version can be given a share.

It stands for what routes requests in production. What it and retrain.py tell each other are files in one folder:

served.json    from here: how many flights of July have been served, in order; their delays are known by now
trial.json     from retrain.py: the version that it is about to register, until what came of it has been reported
canary.json    from retrain.py: the version that gets a share of the requests, and the rate while it does
answers.jsonl  from here: what each request got while there is a canary
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import pandas as pd

from .replay import CONCURRENCY, ID_HEADER, bodies, client_of

CONTROL_SECONDS = 0.2  # between looks at canary.json, and writes of served.json


def id_of(row: int) -> str:
    """Return the id under which a row's prediction waits for its label."""
    return f"live-{row}"


@dataclass(frozen=True)
class Canary:
    """A version on trial."""

    version: str
    share: float  # of the requests, 0 to 1
    rate: float  # requests a second while it is on trial


@dataclass(frozen=True)
class Answer:
    """What one request got."""

    row: int
    version: str  # that was asked
    status: int  # 0: no answer
    predicted: str  # the class; empty without a prediction


class Exchange:
    """The folder of files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._served, self._canary = folder / "served.json", folder / "canary.json"
        self._trial, self.answers_file = folder / "trial.json", folder / "answers.jsonl"

    def clear(self) -> None:
        """Forget an earlier run."""
        for file in (self._served, self._trial, self._canary, self.answers_file):
            file.unlink(missing_ok=True)

    def served(self) -> int:
        """Return how many flights of July have been served."""
        return int(json.loads(self._served.read_text())["rows"])

    def say_served(self, rows: int) -> None:
        """Write how many flights of July have been served."""
        _replace(self._served, {"rows": rows})

    def canary(self) -> Canary | None:
        """Return the version on trial, if there is one."""
        try:
            return Canary(**json.loads(self._canary.read_text()))
        except FileNotFoundError:
            return None

    def trial(self) -> tuple[str, dict[str, Any] | None] | None:
        """Return the version whose trial was under way at last, and the report, if it was judged; else None."""
        try:
            noted = json.loads(self._trial.read_text())
        except FileNotFoundError:
            return None
        return noted["version"], noted["report"]

    def note_trial(self, version: str, report: dict[str, Any] | None = None) -> None:
        """Write which version is about to be registered, and what came of its trial."""
        _replace(self._trial, {"version": version, "report": report})

    def begin(self, canary: Canary) -> None:
        """Give a version its share of the requests."""
        self.answers_file.unlink(missing_ok=True)
        _replace(self._canary, asdict(canary))

    def stop(self) -> None:
        """Send all requests to the version that serves."""
        self._canary.unlink(missing_ok=True)

    def end(self) -> None:
        """End the trial: what came of it has been said."""
        self.stop()
        self._trial.unlink(missing_ok=True)

    def answers(self) -> list[Answer]:
        """Return what the requests got since the trial began."""
        if not self.answers_file.exists():
            return []
        # A last line without its end is still being written.
        lines = self.answers_file.read_text().split("\n")[:-1]
        return [Answer(**json.loads(line)) for line in lines]


def _replace(file: Path, content: dict[str, Any]) -> None:
    """Write a file so that a reader never finds half of it."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content))
    unfinished.replace(file)


class LiveTraffic:
    """Sends July's flights from one row on, in a thread, until the `with` block ends or July does."""

    def __init__(self, url: str, july: pd.DataFrame, exchange: Exchange, *, first: int, rate: float) -> None:
        self.failed = 0  # requests without a prediction, canary or not
        self._url = url
        self._bodies = bodies(july)
        self._exchange = exchange
        self._row = first
        self._rate = rate
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="live traffic", daemon=True)

    def __enter__(self) -> LiveTraffic:
        self._exchange.say_served(self._row)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def row(self) -> int:
        """The row that comes next: those before it have been sent."""
        return self._row

    def check(self) -> None:
        """Raise what ended the traffic."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._send_all())
        except Exception as error:  # handed to whoever asks
            self._error = error

    async def _send_all(self) -> None:
        under_way: set[asyncio.Task[None]] = set()
        canary, looked, due = self._exchange.canary(), 0.0, time.monotonic()
        async with client_of(CONCURRENCY, headers={"content-type": "application/json"}) as client:
            while self._row < len(self._bodies) and not self._stop.is_set():
                if time.monotonic() - looked > CONTROL_SECONDS:
                    canary, looked = self._exchange.canary(), time.monotonic()
                    self._exchange.say_served(self._row)
                due = max(due + 1 / (canary.rate if canary else self._rate), time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if len(under_way) >= CONCURRENCY:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(self._send(client, self._row, canary))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                self._row += 1
            if under_way:
                await asyncio.wait(under_way)
        self._exchange.say_served(self._row)

    async def _send(self, client: aiohttp.ClientSession, row: int, canary: Canary | None) -> None:
        on_trial = canary is not None and random.Random(row).random() < canary.share
        version = canary.version if canary is not None and on_trial else ""
        status, predicted = 0, ""
        try:
            address = f"{self._url}/{version}" if version else self._url
            headers = {ID_HEADER: id_of(row)}
            async with client.post(address, data=self._bodies[row], headers=headers) as answer:
                text = await answer.text()
            status = answer.status
            if answer.ok:
                predicted = str(json.loads(text)["class"])
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError, KeyError):
            pass  # counted below
        self.failed += not predicted
        if canary is None:
            return
        line = json.dumps(asdict(Answer(row, version, status, predicted)))
        with self._exchange.answers_file.open("a") as file:
            file.write(line + "\n")
