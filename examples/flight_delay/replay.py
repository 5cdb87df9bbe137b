"""Send flights to a served model as requests, at a steady rate, and say what a client sees.

``python -m examples.flight_delay.replay july --seconds 60`` sends July's flights to the model on
http://127.0.0.1:8080.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Annotated, TypeVar

import aiohttp
import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .data import COLUMNS, SEED, TIME

TRAINED = Path(".run/flight_delay")
URL = "http://127.0.0.1:8080/predictions/flight_delay"
RATE = 150.0  # requests a second
CONCURRENCY = 16  # requests under way at a time, at most
TIMEOUT_SECONDS = 10.0
ID_HEADER = "X-Prediction-Id"
CELSIUS_SINCE = date(2013, 2, 18)  # in New York; from then on, the faulty traffic has its temperature in °C


Item = TypeVar("Item")


class Traffic(str, Enum):
    """What to replay."""

    february = "february"  # 15 to 28 February, the two weeks after the training data
    july = "july"
    celsius = "celsius"  # the same two weeks, with an upstream change of units on the fourth day


@dataclass(frozen=True)
class ReplayResult:
    """What a client saw: counts, and durations in seconds of the requests that got an answer."""

    requests: int
    classes: dict[str, int]  # answers by predicted class
    errors: dict[str, int]  # requests without a prediction, by status or kind of failure
    seconds: float
    p50_seconds: float
    p95_seconds: float
    first_error: str = ""  # what the server said to the first request that it refused

    @property
    def failed(self) -> int:
        """Requests that got no prediction."""
        return sum(self.errors.values())

    @property
    def rate(self) -> float:
        """Requests a second that were really sent."""
        return self.requests / self.seconds

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {count / self.requests:.0%}" for name, count in self.classes.items())
        failures = "".join(f", {count} × {kind}" for kind, count in self.errors.items())
        return (
            f"{self.requests:,} requests in {self.seconds:.0f} s ({self.rate:.0f}/s), {self.failed} failed{failures}; "
            f"as a client sees it: p50 {self.p50_seconds * 1000:.1f} ms, p95 {self.p95_seconds * 1000:.1f} ms; "
            f"predicted {shares or 'nothing'}"
        )


def to_celsius(frame: pd.DataFrame, *, first: int = 0) -> pd.DataFrame:
    """Return ``frame`` as an upstream system would send it that reports ``temp`` in °C from row ``first`` on."""
    right = np.arange(len(frame)) < first
    return frame.assign(temp=frame["temp"].where(right, (frame["temp"] - 32) * np.float32(5 / 9)))


def celsius_begins(frame: pd.DataFrame) -> int:
    """Return the row of ``frame`` at which the faulty traffic changes to °C."""
    return int((frame[TIME] < pd.Timestamp(CELSIUS_SINCE, tz="America/New_York")).sum())


def bodies(frame: pd.DataFrame) -> list[bytes]:
    """Return each row as the JSON body of a request: ten columns, null where a value is missing."""
    # str() of a float32 is its shortest exact form: 39.02, not 39.02000045776367.
    rows = (
        {column: None if math.isnan(value) else float(str(value)) for column, value in zip(COLUMNS, row)}
        for row in frame[COLUMNS].to_numpy(dtype=np.float32)
    )
    return [json.dumps(row).encode() for row in rows]


def shuffled(items: list[Item], *, seed: int) -> Iterator[Item]:
    """Yield ``items`` in random order, again and again, each time in another order."""
    order = np.random.default_rng(seed)
    while True:
        for index in order.permutation(len(items)):
            yield items[index]


def replay(
    url: str,
    frame: pd.DataFrame,
    *,
    rate: float = RATE,
    seconds: float | None = None,
    requests: int | None = None,
    in_order: bool = False,
    seed: int = SEED,
    label: str = "replay",
    concurrency: int = CONCURRENCY,
    headers: dict[str, str] | None = None,
    ids: list[str] | None = None,
    console: Console | None = None,
) -> ReplayResult:
    """Send rows of ``frame`` to ``url``, ``rate`` a second, and return what came back.

    ``in_order``: in the order of ``frame``, each request begun after the one before; else in random order, by
    ``seed``. Sends ``requests`` of them, or for about ``seconds`` (``rate × seconds`` of them); without either,
    each row once; after the last row comes the first again. ``ids``: of the rows, under which their labels come
    later. A request without a prediction is counted, never raised. Raises ValueError for an empty frame, both
    lengths, or a length or rate that is not positive.
    """
    if frame.empty:
        raise ValueError("there are no rows to replay")
    if seconds is not None and requests is not None:
        raise ValueError("give 'seconds' or 'requests', not both")
    count = len(frame) if requests is None else requests
    if seconds is not None:
        count = round(rate * seconds)
    if count < 1 or rate <= 0 or concurrency < 1:
        raise ValueError("the number of requests, the rate and the concurrency must be above 0")
    items = list(zip(bodies(frame), ids or [""] * len(frame)))
    run = _Replay(url, cycle(items) if in_order else shuffled(items, seed=seed), count=count, rate=rate)
    return asyncio.run(run.send(label=label, concurrency=concurrency, headers=headers, console=console))


@asynccontextmanager
async def client_of(
    concurrency: int, *, headers: dict[str, str] | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client for so many requests at a time; of aiohttp, as httpx takes five times as long for a request."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    ) as client:
        yield client
    # Its connections are closed in the loop's next turn.
    await asyncio.sleep(0)


class _Replay:
    """One replay under way."""

    def __init__(self, url: str, source: Iterator[tuple[bytes, str]], *, count: int, rate: float) -> None:
        self.url = url
        self.count = count
        self.rate = rate
        self.source = source
        self.sent = 0
        self.turn = asyncio.Lock()
        self.durations: list[float] = []
        self.classes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.first_error = ""

    async def send(
        self, *, label: str, concurrency: int, headers: dict[str, str] | None, console: Console | None
    ) -> ReplayResult:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TimeRemainingColumn(),
        )
        all_headers = {"content-type": "application/json", **(headers or {})}
        async with client_of(concurrency, headers=all_headers) as client:
            # In a log that is no terminal, rich prints the bar once, when it is done.
            with Progress(*columns, console=console, refresh_per_second=4) as progress:
                task = progress.add_task(label, total=self.count, failed=0)
                self.started = perf_counter()
                workers = [self.work(client) for _ in range(concurrency)]
                watch = asyncio.create_task(self.watch(progress, task))
                try:
                    await asyncio.gather(*workers)
                finally:
                    watch.cancel()
                seconds = perf_counter() - self.started
                progress.update(task, completed=self.answered, failed=self.errors.total())
        p50, p95 = np.quantile(self.durations, (0.5, 0.95)) if self.durations else (math.nan, math.nan)
        return ReplayResult(
            requests=self.answered,
            classes=dict(sorted(self.classes.items())),
            errors=dict(self.errors),
            seconds=seconds,
            p50_seconds=float(p50),
            p95_seconds=float(p95),
            first_error=self.first_error,
        )

    @property
    def answered(self) -> int:
        return self.classes.total() + self.errors.total()

    async def watch(self, progress: Progress, task: object) -> None:
        """Show how far the replay is, four times a second: an update a request would cost more than the request."""
        while True:
            progress.update(task, completed=self.answered, failed=self.errors.total())  # type: ignore[arg-type]
            await asyncio.sleep(0.25)

    async def work(self, client: aiohttp.ClientSession) -> None:
        """Send the next request that is due, until all are sent."""
        while True:
            # One waits at a time, so that requests begin in the order of the source, late ones too.
            async with self.turn:
                if self.sent == self.count:
                    return
                await asyncio.sleep(max(0.0, self.started + self.sent / self.rate - perf_counter()))
                self.sent += 1
                body, name = next(self.source)
            begin = perf_counter()
            try:
                async with client.post(
                    self.url, data=body, headers={ID_HEADER: name} if name else None
                ) as answer:
                    text = await answer.text()
            except (aiohttp.ClientError, asyncio.TimeoutError) as error:
                self.errors[type(error).__name__] += 1
                await asyncio.sleep(0.1)  # a server that is down must not be asked in a tight loop
                continue
            self.durations.append(perf_counter() - begin)
            if not answer.ok:
                self.errors[f"HTTP {answer.status}"] += 1
                self.first_error = self.first_error or text[:500]
                continue
            try:
                self.classes[json.loads(text)["class"]] += 1
            except (ValueError, KeyError, TypeError):
                self.errors["answer without a class"] += 1


def traffic(kind: Traffic, trained: Path = TRAINED) -> pd.DataFrame:
    """Return the flights of one kind of traffic from the folder that the training wrote.

    Raises FileNotFoundError when the training has not been run.
    """
    path = trained / ("july.parquet" if kind is Traffic.july else "february.parquet")
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run 'python -m examples.flight_delay.train' first")
    frame = pd.read_parquet(path)
    return to_celsius(frame, first=celsius_begins(frame)) if kind is Traffic.celsius else frame


def main(
    kind: Annotated[
        Traffic, typer.Argument(help="Late February, July, or late February with temp in °C from the 18th.")
    ],
    url: Annotated[str, typer.Option(help="Prediction address of the model.")] = URL,
    rate: Annotated[float, typer.Option(help="Requests a second.", min=0.001)] = RATE,
    seconds: Annotated[float | None, typer.Option(help="How long to send.")] = None,
    requests: Annotated[
        int | None, typer.Option(help="How many to send; by default each flight once.")
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Requests under way at a time.", min=1)] = CONCURRENCY,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="In random order instead of by time.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random order.")] = SEED,
    token: Annotated[str | None, typer.Option(help="Inference token, where authorization is on.")] = None,
    trained: Annotated[Path, typer.Option(help="Folder that the training wrote.")] = TRAINED,
) -> None:
    """Send real flights to the served model at a steady rate and print what a client sees.

    Ends with status 1 when a request got no prediction.
    """
    try:
        frame = traffic(kind, trained)
        result = replay(
            url,
            frame,
            rate=rate,
            seconds=seconds,
            requests=requests,
            in_order=not shuffle,
            seed=seed,
            label=kind.value,
            concurrency=concurrency,
            headers={"authorization": f"Bearer {token}"} if token else None,
        )
    except (FileNotFoundError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(result)
    if result.first_error:
        typer.echo(f"The server said: {result.first_error}", err=True)
    if result.failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
