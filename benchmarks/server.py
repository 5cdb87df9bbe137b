"""What monitoring costs a live TorchServe: CPU time a request, throughput, latency.

    make bench          (python -m benchmarks.server --rounds 10 --seconds 8)

All variants are served by one TorchServe with our settings, one worker each, and the plain handler once more by a
second TorchServe with its own defaults. They are loaded in turns, in another order each round, so that what else the
machine does strikes all alike. The load is wrk's, over kept connections. Ratios of one round are compared, and their
median is the result.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import statistics
import subprocess
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Optional

import httpx
import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.defaults import DefaultServer, default_server
from benchmarks.machine import RESULTS as FOLDER
from benchmarks.machine import ROOT, machine
from benchmarks.variants import DEFAULTS, VARIANTS, package
from examples.flight_delay import train
from stack import Stack

RUN = ROOT / ".run" / "bench"
RESULTS = FOLDER / "server.json"
BODY = {
    "hour": 17,
    "minute": 45,
    "distance": 1089,
    "temp": 39.02,
    "dewp": 28.04,
    "humid": 64.43,
    "wind_speed": 12.7,
    "precip": 0,
    "pressure": 1015.2,
    "visib": 10,
}
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Load:
    """What one turn of load on one variant gave; seconds, a request where it says so."""

    requests: int
    throughput: float
    p50_seconds: float
    p99_seconds: float
    worker_cpu_seconds: float
    server_cpu_seconds: float


def wrk(url: str, *, seconds: int, connections: int) -> tuple[int, float, float, float]:
    """Load a URL; return requests, requests a second, p50 and p99 in seconds."""
    script = RUN / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [[{json.dumps(BODY)}]]\n'
    )
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    output = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"requests failed:\n{output}")
    found = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    quantiles = {q: _seconds(value) for q, value in re.findall(r"(50|99)%\s+([\d.]+\w+)", output)}
    if found is None or rate is None or set(quantiles) != {"50", "99"}:
        raise RuntimeError(f"wrk's output is not understood:\n{output}")
    return int(found.group(1)), float(rate.group(1)), quantiles["50"], quantiles["99"]


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def cpu_seconds(process: psutil.Process) -> float:
    """Return a process's CPU time, user and system."""
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(stack: Stack | DefaultServer, name: str, *, seconds: int, connections: int) -> Load:
    """Load one variant for a while."""
    described = httpx.get(f"{stack.management_url}/models/{name}").raise_for_status().json()[0]
    worker = psutil.Process(described["workers"][0]["pid"])
    server = next(parent for parent in worker.parents() if parent.name() == "java")
    before = cpu_seconds(worker), cpu_seconds(server)
    url = f"{stack.inference_url}/predictions/{name}"
    requests, rate, p50, p99 = wrk(url, seconds=seconds, connections=connections)
    used = cpu_seconds(worker) - before[0], cpu_seconds(server) - before[1]
    return Load(requests, rate, p50, p99, used[0] / requests, used[1] / requests)


def ratios(rounds: list[dict[str, Load]], field: str, name: str, other: str = "plain") -> list[float]:
    """Return a field of one variant over that of another, round by round."""
    return [getattr(loads[name], field) / getattr(loads[other], field) for loads in rounds]


def table(rounds: list[dict[str, Load]]) -> Table:
    """Return the medians as a table."""
    result = Table(
        title=f"Median of {len(rounds)} interleaved rounds; × is against the plain handler, round by round"
    )
    for heading in (
        "variant",
        "worker CPU µs",
        "×",
        "server CPU µs",
        "×",
        "requests/s",
        "×",
        "p50 ms",
        "p99 ms",
        "×",
    ):
        result.add_column(heading, justify="left" if heading == "variant" else "right")
    for variant in (*VARIANTS, DEFAULTS):
        loads = [loads[variant.name] for loads in rounds]

        def middle(field: str, scale: float = 1.0, loads: list[Load] = loads) -> str:
            return f"{statistics.median(getattr(load, field) for load in loads) * scale:.4g}"

        def ratio(field: str, name: str = variant.name) -> str:
            return f"{statistics.median(ratios(rounds, field, name)):.2f}"

        result.add_row(
            variant.title,
            *(middle("worker_cpu_seconds", 1e6), ratio("worker_cpu_seconds")),
            *(middle("server_cpu_seconds", 1e6), ratio("server_cpu_seconds")),
            *(middle("throughput"), ratio("throughput")),
            *(middle("p50_seconds", 1e3), middle("p99_seconds", 1e3), ratio("p99_seconds")),
        )
    return result


def budgets(rounds: list[dict[str, Load]]) -> Table:
    """Return what the whole server may cost, and what it does."""
    result = Table(title="Budgets of the whole server, median over rounds")
    for heading in ("what", "budget", "measured", ""):
        result.add_column(heading, justify="left" if heading in ("what", "") else "right")
    for title, field, other, sign, limit in (
        ("worker CPU a request, monitored ÷ plain", "worker_cpu_seconds", "plain", "≤", 0.80),
        ("throughput, monitored ÷ plain", "throughput", "plain", "≥", 1.10),
        ("throughput, our settings monitored ÷ defaults unmonitored", "throughput", DEFAULTS.name, "≥", 1.30),
        ("p99 under load, monitored ÷ plain", "p99_seconds", "plain", "≤", 1.05),
    ):
        value = statistics.median(ratios(rounds, field, "monitored", other))
        held = value <= limit if sign == "≤" else value >= limit
        result.add_row(title, f"{sign} {limit:.2f}", f"{value:.2f}", "holds" if held else "fails")
    return result


def main(
    rounds: int = typer.Option(10, help="Turns of each variant."),
    seconds: int = typer.Option(8, help="Seconds of load a turn."),
    connections: int = typer.Option(8, help="Connections that wrk keeps busy."),
    seed: Optional[int] = typer.Option(1, help="Seed of the order of the variants."),
) -> None:
    """Compare ways of monitoring the same model on one live TorchServe."""
    console = Console(width=150)
    if shutil.which("wrk") is None:
        console.print("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
        raise typer.Exit(1)
    store = RUN / "store"
    store.mkdir(parents=True, exist_ok=True)
    train.run(store, console=Console(quiet=True))
    models = {variant.name: package(variant, store) for variant in VARIANTS}
    order = random.Random(seed)
    measured: list[dict[str, Load]] = []
    with (
        Stack(RUN / "stack", model_store=store, models=models, workers=1) as stack,
        default_server(
            RUN / "defaults", store=store, model=DEFAULTS.name, archive=models["plain"], seconds=180
        ) as defaults,
    ):
        stack.wait_ready(180)
        servers = {variant.name: stack for variant in VARIANTS} | {DEFAULTS.name: defaults}
        for name, server in servers.items():
            measure(server, name, seconds=3, connections=connections)
        for number in range(rounds):
            names = order.sample(list(servers), len(servers))
            measured.append(
                {
                    name: measure(servers[name], name, seconds=seconds, connections=connections)
                    for name in names
                }
            )
            console.print(f"round {number + 1} of {rounds}", highlight=False)
    console.print(table(measured))
    console.print(budgets(measured))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {
            "rounds": rounds,
            "seconds": seconds,
            "connections": connections,
            "batch": 1,
            "workers": 1,
        },
        "rounds": [{name: asdict(load) for name, load in loads.items()} for loads in measured],
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    console.print(f"wrote {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    typer.run(main)
