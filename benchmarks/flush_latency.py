"""What requests feel while the monitor flushes: the p99 of those that overlap a flush, against the plain handler's.

    python -m benchmarks.flush_latency --rounds 40 --seconds 8

One model of 100 columns, plain and monitored, served by one TorchServe with our settings, a worker each, loaded in
turns. The monitored handler writes down when each flush began and ended, h2load when each request was sent and how
long it took; both by this machine's clock. The load is paced, at half at most of what the plain handler can serve, for
at saturation p99 is mostly the queue; saturation is measured too, in every fifth round.

A round's ratio is the p99 of the monitored handler's requests in flushes over the p99 of the plain handler's in the
same parts of its own turn: as many, and as many chances of being held up by something else. The figure is the median
of the rounds, for a shared machine stops now and then for longer than any flush: pooled, ten such requests are p99.
A request that takes long for another reason is likelier to overlap a flush, by its own length over the flush's; in the
plain handler's turn as well.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import budgets, h2load
from benchmarks.h2load import Requests
from benchmarks.machine import RESULTS as FOLDER
from benchmarks.machine import ROOT, machine
from benchmarks.models.wide import WIDE
from benchmarks.variants import IMPORT, UNWATCHED, Variant, package
from stack import Stack
from torchvitals import MonitoringConfig

RUN = ROOT / ".run" / "bench" / "flush"
RESULTS = FOLDER / "flush.json"
CONNECTIONS = 8
READY_SECONDS = 180
DRAWS = 1000
LOADS = {"paced": "paced, half of saturation at most", "saturated": f"{CONNECTIONS} connections kept busy"}
# The one that the budget is about is measured in each round, the other in every fifth.
EVERY = {"paced": 1, "saturated": 5}
RECORDED = IMPORT.replace("torchvitals", "flush_spans")
MONITORED = Variant("monitored", "TorchVitals", RECORDED, {"monitoring": {}})


@dataclass(frozen=True)
class Turn:
    """One turn of load: how long each request took, seconds, and whether it overlapped a flush; both (n,).

    flushing: the share of the turn in which a flush ran. flushes: how long each of those took, seconds, (k,).
    In the plain handler's turns, flushes are those of the monitored one, at the same distance from the turn's start.
    """

    seconds: NDArray[np.float64]
    during: NDArray[np.bool_]
    flushing: float
    flushes: NDArray[np.float64]

    @property
    def in_flushes(self) -> NDArray[np.float64]:
        """How long the requests took that overlapped a flush, seconds, (m,)."""
        return self.seconds[self.during]


Round = dict[str, Turn]


def read_flushes(text: str) -> NDArray[np.float64]:
    """Return begin and end of each flush, seconds since 1970, (k, 2), in their order."""
    return np.array([line.split() for line in text.splitlines()], dtype=np.float64).reshape(-1, 2)


def overlaps(requests: Requests, flushes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell of each request, (n,), whether a flush ran at some time between its sending and its answer.

    flushes: (k, 2), in order; no two run at once.
    """
    # The first flush that ends after the request was sent is the only one to ask: later ones begin later still.
    following = np.searchsorted(flushes[:, 1], requests.sent, side="right")
    begins = np.append(flushes[:, 0], np.inf)
    return np.asarray(begins[following] < requests.sent + requests.seconds)


def same_places(plain: Requests, monitored: Requests, flushes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the flushes, (k, 2), as far from the start of the plain handler's turn as they were in the monitored's."""
    return flushes + (plain.sent.min() - monitored.sent.min())


def turn(requests: Requests, flushes: NDArray[np.float64]) -> Turn:
    """Return what a turn was, with all flushes of the run."""
    began, ended = requests.sent.min(), (requests.sent + requests.seconds).max()
    inside = np.clip(flushes, began, ended)
    shares = (inside[:, 1] - inside[:, 0]) / (ended - began)
    lengths = (flushes[:, 1] - flushes[:, 0])[shares > 0]
    return Turn(requests.seconds, overlaps(requests, flushes), float(shares.sum()), lengths)


def pooled(rounds: Sequence[Round], name: str, during: bool | None = None) -> NDArray[np.float64]:
    """Return how long the requests of a variant took, of all rounds; of those in flushes, or outside, or all."""
    turns = [one[name] for one in rounds]
    return np.concatenate([t.seconds if during is None else t.seconds[t.during == during] for t in turns])


def p99(seconds: NDArray[np.float64]) -> float:
    """Return the 99th percentile; NaN of nothing."""
    return float(np.quantile(seconds, 0.99)) if len(seconds) else math.nan


def p99_ratios(rounds: Sequence[Round]) -> list[float]:
    """Return p99 in flushes over the plain handler's in the same places, of each round in which a flush ran."""
    return [
        p99(one["monitored"].in_flushes) / p99(one["plain"].in_flushes)
        for one in rounds
        if len(one["monitored"].in_flushes) and len(one["plain"].in_flushes)
    ]


def median_interval(ratios: Sequence[float], draws: int = DRAWS) -> tuple[float, float]:
    """Return the 95 % interval of the median of ratios, from ratios drawn anew (bootstrap)."""
    drawn = np.random.default_rng(1).choice(ratios, size=(draws, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return float(low), float(high)


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return what the rounds of one load say; seconds and ratios.

    Raises RuntimeError where no request overlapped a flush.
    """
    ratios = p99_ratios(rounds)
    if not ratios:
        raise RuntimeError("no request overlapped a flush; take longer turns (--seconds), or more of them")
    medians = {
        quantile: statistics.median(
            float(np.quantile(one["monitored"].seconds, q) / np.quantile(one["plain"].seconds, q))
            for one in rounds
        )
        for quantile, q in (("p50", 0.5), ("p99", 0.99))
    }
    groups = {
        "plain": pooled(rounds, "plain"),
        "plain, in the same places": pooled(rounds, "plain", True),
        "monitored": pooled(rounds, "monitored"),
        "outside flushes": pooled(rounds, "monitored", False),
        "in flushes": pooled(rounds, "monitored", True),
    }
    return {
        "groups": {
            name: {
                "requests": len(seconds),
                "p50_seconds": float(np.median(seconds)),
                "p99_seconds": p99(seconds),
            }
            for name, seconds in groups.items()
        },
        "flushing_ratio": statistics.mean(one["monitored"].flushing for one in rounds),
        "flush_seconds": float(np.median(np.concatenate([one["monitored"].flushes for one in rounds]))),
        "p99_in_flushes_ratio": statistics.median(ratios),
        "p99_in_flushes_ratio_interval": median_interval(ratios),
        "median_of_rounds_ratio": medians,
    }


def table(summaries: dict[str, dict[str, Any]]) -> Table:
    """Return the pooled quantiles as a table."""
    result = Table(title="Requests of all rounds, pooled; × is against the plain handler")
    for heading in ("load", "requests", "number", "p50 ms", "×", "p99 ms", "×"):
        result.add_column(heading, justify="left" if heading in ("load", "requests") else "right")
    for load, found in summaries.items():
        plain = found["groups"]["plain"]
        for name, group in found["groups"].items():
            quantiles = []
            for field in ("p50_seconds", "p99_seconds"):
                quantiles += [f"{group[field] * 1e3:.2f}", f"{group[field] / plain[field]:.2f}"]
            title = name if name.startswith("plain") else f"TorchVitals, {name.replace('monitored', 'all')}"
            result.add_row(
                LOADS[load] if name == "plain" else "", title, f"{group['requests']:,}", *quantiles
            )
    return result


def gap_of(rate: float) -> int:
    """Return the whole milliseconds between requests that make half of a rate at most."""
    return max(1, math.ceil(2000 / rate))


def measure(
    console: Console, *, rounds: int, seconds: int, seed: int
) -> tuple[dict[str, list[Round]], dict[str, Any]]:
    """Load both handlers in turns; return the rounds by load, and what was found on the way."""
    if RUN.exists():
        shutil.rmtree(RUN)
    store = RUN / "store"
    store.mkdir(parents=True)
    prepared = WIDE.prepare(store)
    body = RUN / "body.json"
    body.write_bytes(prepared.bodies[0])
    models = {variant.name: package(variant, store, WIDE, prepared) for variant in (UNWATCHED, MONITORED)}
    order = random.Random(seed)
    taken: dict[str, list[dict[str, Requests]]] = {load: [] for load in LOADS}
    with Stack(RUN / "stack", model_store=store, models=models, workers=1) as stack:
        stack.wait_ready(READY_SECONDS)
        urls = {name: f"{stack.inference_url}/predictions/{name}" for name in models}
        # Both are warm before the plain handler's rate is taken.
        warm = {
            name: h2load.saturating(url, body, connections=CONNECTIONS, seconds=3)
            for name, url in reversed(urls.items())
        }
        rate = len(warm["plain"]) / 3
        gap = gap_of(rate)
        console.print(f"saturation at {rate:.0f} requests/s; paced at {1000 / gap:.0f}", highlight=False)
        for number in range(rounds):
            for load in LOADS:
                if number % EVERY[load]:
                    continue
                found = {}
                for name in order.sample(list(urls), len(urls)):
                    if load == "paced":
                        found[name] = h2load.paced(urls[name], body, gap_milliseconds=gap, seconds=seconds)
                    else:
                        found[name] = h2load.saturating(
                            urls[name], body, connections=CONNECTIONS, seconds=seconds
                        )
                taken[load].append(found)
            console.print(f"round {number + 1} of {rounds}", highlight=False)
        time.sleep(MonitoringConfig().flush_interval + 1)  # a flush is written down once it has ended
        flushes = read_flushes((stack.logs / "flushes.txt").read_text(encoding="ascii"))
    judged = {
        load: [
            {
                "plain": turn(one["plain"], same_places(one["plain"], one["monitored"], flushes)),
                "monitored": turn(one["monitored"], flushes),
            }
            for one in ones
        ]
        for load, ones in taken.items()
    }
    return judged, {
        "saturation_requests_per_second": rate,
        "paced_requests_per_second": 1000 / gap,
    }


def per_round(one: Round) -> dict[str, dict[str, float | int | None]]:
    """Return a round's figures, for the file."""
    found: dict[str, dict[str, float | int | None]] = {
        name: {
            "requests": len(of.seconds),
            "p50_seconds": float(np.median(of.seconds)),
            "p99_seconds": p99(of.seconds),
            "in_flushes": len(of.in_flushes),
            "p99_in_flushes_seconds": p99(of.in_flushes) if len(of.in_flushes) else None,
        }
        for name, of in one.items()
    }
    found["monitored"]["flushing_ratio"] = one["monitored"].flushing
    return found


def main(
    rounds: int = typer.Option(40, help="Turns of each handler under the paced load."),
    seconds: int = typer.Option(8, help="Seconds of load a turn; a flush or two at the default interval."),
    seed: int = typer.Option(1, help="Seed of the order of the turns."),
) -> None:
    """Measure what a flush costs the requests that it overlaps, on a live TorchServe."""
    console = Console(width=150)
    if not h2load.installed():
        console.print("h2load is missing; on Debian and Ubuntu: apt-get install nghttp2-client")
        raise typer.Exit(1)
    judged, found = measure(console, rounds=rounds, seconds=seconds, seed=seed)
    summaries = {load: summary(ones) for load, ones in judged.items()}
    console.print(table(summaries))
    for load, one in summaries.items():
        console.print(
            f"{LOADS[load]}: a flush takes {one['flush_seconds'] * 1e3:.0f} ms, in the median, and one runs "
            f"{one['flushing_ratio']:.1%} of the time",
            highlight=False,
        )
        low, high = one["p99_in_flushes_ratio_interval"]
        console.print(
            f"p99 in flushes over plain, median of {len(judged[load])} rounds: {one['p99_in_flushes_ratio']:.2f}, "
            f"95 % interval {low:.2f} to {high:.2f}",
            highlight=False,
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {
            "rounds": rounds,
            "seconds": seconds,
            "saturating_connections": CONNECTIONS,
            "features": 100,
        },
        **found,
        "loads": summaries,
        "rounds": {load: [per_round(one) for one in ones] for load, ones in judged.items()},
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    console.print(budgets.table({RESULTS.stem: content}))
    console.print(f"wrote {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    typer.run(main)
