"""Half an hour of load: does memory grow, is anything dropped, is everything counted?

    make soak           (python -m benchmarks.soak --minutes 30)

One TorchServe with our settings serves the flight delay model twice, plain and monitored, two workers each. Both are
loaded at the same time for the whole soak, each at the same steady rate, so that they get equal numbers of requests and
equal time, and whatever else the machine does strikes all four workers in the same minute. The rate is 0.8 of what the
slower of the two serves when both are loaded without a limit: in turns, or without a limit, the faster one would get
more requests, or the idle one rest. The requests are flights in the order they flew, one in 50 of them broken.

From outside, every few seconds: memory, threads and open files of each worker and of the front end. At the end: how
fast each worker's memory grows, whether the monitored ones can be told from the plain ones by it
(growth.py has the rule), and whether the metrics page has counted every request (counts.py).
Ends with status 1 unless every line holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
import typer
from rich.console import Console

from benchmarks.machine import RESULTS, ROOT, machine
from benchmarks.models import FLIGHT_DELAY, Prepared
from benchmarks.server import need_wrk
from benchmarks.soak.counts import Line, complete, count_lines, exactly, load_lines
from benchmarks.soak.growth import HOLDS, MEGABYTE
from benchmarks.soak.load import BAD_ONE_IN, Answers, Load, loading, write_bodies
from benchmarks.soak.picture import PICTURE, draw
from benchmarks.soak.report import (
    MONITORED,
    described,
    equal_line,
    growth_line,
    lines_table,
    processes_table,
    rates,
    steady_line,
    write,
)
from benchmarks.soak.watch import FRONT_END, Watched, watched
from benchmarks.variants import UNWATCHED, WATCHED, package
from stack import Stack
from stack.loopback import http
from stack.metrics_page import Series, scrape, settled
from torchvitals import Baseline
from torchvitals.baseline.schema import Feature
from torchvitals.config import MonitoringConfig

RUN = ROOT / ".run" / "soak"
WORKERS = 2
# Of the soak; left out of every fit. What a worker keeps for later, such as the steps of windows with other numbers of
# missing values, fills up within a quarter of an hour: 0.15 MB after the first six minutes, when that was looked at.
WARMUP_SHARE = 0.5
TRIAL_SECONDS = 10
LOAD_SHARE = 0.8
READY_SECONDS = 180
PAGE_SECONDS = 30
DEFAULTS = MonitoringConfig()  # the monitored model's settings, but for its baseline


@dataclass(frozen=True)
class Soaked:
    """What a soak left behind. answers: of the soak itself; served: with those of the trial before it."""

    rate: float
    processes: list[Watched]
    answers: dict[str, Answers]
    served: dict[str, Answers]
    page: Series
    restarted: int


def workers_of(stack: Stack, model: str) -> list[dict[str, str]]:
    """Return a model's workers as the management API describes them."""
    answer = http.get(f"{stack.management_url}/models/{model}").raise_for_status().json()
    found: list[dict[str, str]] = answer[0]["workers"]
    return found


def watch(
    stack: Stack, load: Load, urls: dict[str, str], *, seconds: int, every: float, console: Console
) -> tuple[list[Watched], dict[str, Answers]]:
    """Load both models and look at every process meanwhile."""
    processes = watched({model: workers_of(stack, model) for model in urls})
    with loading(load, urls, seconds=seconds) as state:
        began = time.monotonic()
        looks = 0
        while (passed := time.monotonic() - began) < seconds:
            for process in processes:
                process.look(passed)
            stack.check()
            state.check()
            if looks and int(passed / 60) > int((looks - 1) * every / 60):
                console.print(f"minute {int(passed / 60)} of {seconds / 60:g}: {_resident(processes)}")
            looks += 1
            time.sleep(max(0.0, began + looks * every - time.monotonic()))
    return processes, state.answers


def _resident(processes: Sequence[Watched]) -> str:
    return ", ".join(
        f"{process.name} {process.samples[-1].rss_bytes / MEGABYTE:.1f} MB"
        for process in processes
        if not process.ended
    )


def trial(load: Load, urls: dict[str, str], console: Console) -> tuple[float, dict[str, Answers]]:
    """Load both models without a limit, twice, as Java compiles what runs often; return the rate for the soak."""
    seen = {model: Answers() for model in urls}
    for _ in range(2):
        with loading(load, urls, seconds=TRIAL_SECONDS) as state:
            pass
        seen = {model: seen[model] + state.answers[model] for model in urls}
    served = {model: answers.answered / TRIAL_SECONDS for model, answers in state.answers.items()}
    rate = float(round(LOAD_SHARE * min(served.values())))
    console.print(
        ", ".join(f"{model} serves {number:.0f} requests/s" for model, number in served.items())
        + ", both at once",
        highlight=False,
    )
    return rate, seen


def soak(
    prepared: Prepared,
    store: Path,
    *,
    seconds: int,
    rate: float,
    connections: int,
    every: float,
    console: Console,
) -> Soaked:
    """Serve both models, find the rate unless it is given, load them, and read the metrics page at the end."""
    flights = [pd.read_parquet(store / f"{name}.parquet") for name in ("february", "july")]
    load = Load(*write_bodies(flights, RUN), connections)
    models = {
        variant.name: package(variant, store, FLIGHT_DELAY, prepared) for variant in (UNWATCHED, WATCHED)
    }
    with Stack(RUN / "stack", model_store=store, models=models, workers=WORKERS) as stack:
        stack.wait_ready(READY_SECONDS)
        urls = {model: f"{stack.inference_url}/predictions/{model}" for model in models}
        before = _process_ids(stack, models)
        free, tried = trial(load, urls, console)
        load = replace(load, rate=rate or free)
        console.print(f"the soak gives each {load.rate:.0f} requests/s", highlight=False)
        processes, answers = watch(stack, load, urls, seconds=seconds, every=every, console=console)
        served = {model: tried[model] + answers[model] for model in models}
        settled(stack, complete(MONITORED, served[MONITORED]), seconds=PAGE_SECONDS)
        # What the last flush printed has been read by then, and what is counted twice would show.
        time.sleep(2 * DEFAULTS.flush_interval)
        restarted = len(before - _process_ids(stack, models))
        return Soaked(load.rate, processes, answers, served, scrape(stack), restarted)


def _process_ids(stack: Stack, models: Iterable[str]) -> set[str]:
    return {worker["pid"] for model in models for worker in workers_of(stack, model)}


def lines_of(soaked: Soaked, features: Iterable[Feature], growth: Line, *, since: float) -> list[Line]:
    """Return everything that has to hold."""
    return [
        growth,
        steady_line(soaked.processes, "threads", "threads", since=since),
        steady_line(soaked.processes, "files", "open files", since=since),
        equal_line(soaked.answers),
        exactly("workers that were restarted", 0, soaked.restarted),
        *load_lines(soaked.served, soaked.page),
        *count_lines(
            soaked.page,
            MONITORED,
            soaked.served[MONITORED],
            features=features,
            workers=WORKERS,
            warmup=DEFAULTS.warmup,
        ),
    ]


def main(
    minutes: float = typer.Option(30, min=0.5, help="Length of the soak."),
    rate: float = typer.Option(
        0, min=0, help="Requests a second to each model; 0: 0.8 of what the slower serves."
    ),
    connections: int = typer.Option(8, min=1, help="Connections to each model."),
    every: float = typer.Option(2, min=0.5, help="Seconds between two looks at the processes."),
    results: Path = typer.Option(RESULTS / "soak.json", help="Where the figures go."),
    picture: Path = typer.Option(PICTURE, help="Where the picture goes."),
) -> None:
    """Load the plain and the monitored model side by side, and say whether memory and counts are as they should be."""
    console = Console(width=150)
    need_wrk(console)
    store = RUN / "store"
    store.mkdir(parents=True, exist_ok=True)
    prepared = FLIGHT_DELAY.prepare(store)
    seconds = round(minutes * 60)
    warm = WARMUP_SHARE * seconds
    soaked = soak(
        prepared, store, seconds=seconds, rate=rate, connections=connections, every=every, console=console
    )
    growth, apart = growth_line(soaked.processes, since=warm)
    lines = lines_of(soaked, Baseline.load(prepared.baseline).features, growth, since=warm)
    per_second = {model: seen.answered / seconds for model, seen in soaked.answers.items()}
    grown = rates(soaked.processes, per_second | {FRONT_END: sum(per_second.values())}, since=warm)
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {
            "minutes": minutes,
            "warmup_seconds": warm,
            "requests_per_second": soaked.rate,
            "connections": connections,
            "bad_one_in": BAD_ONE_IN,
            "sample_seconds": every,
            "workers": WORKERS,
            "batch": 1,
        },
        "answers": {model: asdict(seen) for model, seen in soaked.served.items()},
        "answers_in_the_soak": {model: asdict(seen) for model, seen in soaked.answers.items()},
        "monitored_less_plain_bytes_per_second": apart and asdict(apart),
        "lines": [asdict(line) for line in lines],
        "processes": described(soaked.processes, grown),
    }
    write(content, results)
    console.print(processes_table(soaked.processes, grown, since=warm))
    console.print(lines_table(lines))
    console.print(f"wrote {results} and {draw(content, picture)}", soft_wrap=True)
    if any(line.state != HOLDS for line in lines):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
