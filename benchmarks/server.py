"""What monitoring costs a live TorchServe: CPU time a request, throughput, latency.

    make bench          (python -m benchmarks.server --rounds 10 --seconds 4)
                        (python -m benchmarks.server --model resnet18, or transformer)
                        (python -m benchmarks.server --java-cores 4: as if the machine had more cores to Java)

All variants are served by one TorchServe with our settings, one worker each, and the plain handler once more by a
second TorchServe with its own defaults. They are loaded in turns, in another order each round, so that what else the
machine does strikes all alike. The load is wrk's, over kept connections, which send a model's bodies one after the
other. Ratios of one round are compared, and their median is the result. The budgets are the flight delay model's, the
worst case; larger models are served plain and monitored alone.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import statistics
import subprocess
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, Optional

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import budgets
from benchmarks.defaults import DefaultServer, default_server
from benchmarks.machine import RESULTS as FOLDER
from benchmarks.machine import ROOT, machine
from benchmarks.models import FLIGHT_DELAY, MODELS, ServedModel
from benchmarks.variants import DEFAULTS, UNWATCHED, VARIANTS, WATCHED, Variant, package
from stack import Stack
from stack.loopback import http

RUN = ROOT / ".run" / "bench"
READY_SECONDS = 180
WARM_SECONDS = 30
ModelName = Literal["flight_delay", "resnet18", "transformer"]
# Each thread of wrk reads the bodies and makes its requests before the load starts, and sends them in turn.
WRK_SCRIPT = """
local requests, sent = {{}}, 0
function init()
  for number = 1, {bodies} do
    local file = assert(io.open(string.format("{folder}/body-%d", number), "rb"))
    local headers = {{["Content-Type"] = "{content_type}"}}
    requests[number] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
  end
end
function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end
"""
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


def results_file(model: ServedModel, java_cores: Optional[int] = None) -> Path:
    """Return where the figures of a model go, where Java saw all cores or was told how many there are."""
    words = ["server"]
    if model != FLIGHT_DELAY:
        words.append(model.name)
    if java_cores is not None:
        words.append(f"java-{java_cores}")
    return FOLDER / f"{'-'.join(words)}.json"


def variants_of(model: ServedModel) -> tuple[Variant, ...]:
    """Return in which ways a model is served."""
    return (*VARIANTS, DEFAULTS) if model == FLIGHT_DELAY else (UNWATCHED, WATCHED)


def write_script(folder: Path, bodies: tuple[bytes, ...], content_type: str) -> Path:
    """Write the bodies and the script with which wrk posts them; return the script."""
    for number, body in enumerate(bodies, start=1):
        (folder / f"body-{number}").write_bytes(body)
    script = folder / "post.lua"
    script.write_text(WRK_SCRIPT.format(bodies=len(bodies), folder=folder, content_type=content_type))
    return script


def need_wrk(console: Console) -> None:
    """End the program with what to install, where wrk is missing."""
    if shutil.which("wrk") is None:
        console.print("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
        raise typer.Exit(1)


def wrk(url: str, script: Path, *, seconds: int, connections: int) -> tuple[int, float, float, float]:
    """Load a URL; return requests, requests a second, p50 and p99 in seconds."""
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


def front_end(worker: psutil.Process) -> psutil.Process:
    """Return TorchServe's Java process, which started a worker."""
    return next(parent for parent in worker.parents() if parent.name() == "java")


def measure(stack: Stack | DefaultServer, name: str, script: Path, *, seconds: int, connections: int) -> Load:
    """Load one variant for a while."""
    described = http.get(f"{stack.management_url}/models/{name}").raise_for_status().json()[0]
    worker = psutil.Process(described["workers"][0]["pid"])
    server = front_end(worker)
    before = cpu_seconds(worker), cpu_seconds(server)
    url = f"{stack.inference_url}/predictions/{name}"
    requests, rate, p50, p99 = wrk(url, script, seconds=seconds, connections=connections)
    used = cpu_seconds(worker) - before[0], cpu_seconds(server) - before[1]
    return Load(requests, rate, p50, p99, used[0] / requests, used[1] / requests)


def ratios(rounds: list[dict[str, Load]], field: str, name: str, other: str = "plain") -> list[float]:
    """Return a field of one variant over that of another, round by round."""
    return [getattr(loads[name], field) / getattr(loads[other], field) for loads in rounds]


def table(rounds: list[dict[str, Load]], model: ServedModel = FLIGHT_DELAY) -> Table:
    """Return the medians as a table."""
    result = Table(
        title=f"{model.title}, median of {len(rounds)} interleaved rounds; × is against the plain handler, "
        "round by round"
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
    for variant in variants_of(model):
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


def measure_rounds(
    console: Console,
    model: ServedModel,
    *,
    rounds: int,
    seconds: int,
    connections: int,
    seed: Optional[int],
) -> list[dict[str, Load]]:
    """Serve a model in all its variants, and load each once a round."""
    run = RUN / model.name
    store = run / "store"
    store.mkdir(parents=True, exist_ok=True)
    prepared = model.prepare(store)
    script = write_script(run, prepared.bodies, model.content_type)
    variants = variants_of(model)
    models = {
        variant.name: package(variant, store, model, prepared)
        for variant in variants
        if variant is not DEFAULTS
    }
    order = random.Random(seed)
    with ExitStack() as started:
        stack = started.enter_context(Stack(run / "stack", model_store=store, models=models, workers=1))
        servers: dict[str, Stack | DefaultServer] = dict.fromkeys(models, stack)
        if DEFAULTS in variants:
            servers[DEFAULTS.name] = started.enter_context(
                default_server(
                    run / "defaults",
                    store=store,
                    model=DEFAULTS.name,
                    archive=models[UNWATCHED.name],
                    seconds=READY_SECONDS,
                )
            )
        stack.wait_ready(READY_SECONDS)

        def load(name: str, seconds: int) -> Load:
            return measure(servers[name], name, script, seconds=seconds, connections=connections)

        # The front ends' compilers have to be as warm, whether a TorchServe serves one variant or five.
        for server in dict.fromkeys(servers.values()):
            names = [name for name, of in servers.items() if of is server]
            for name in names:
                load(name, WARM_SECONDS // len(names))
        measured = []
        for number in range(rounds):
            names = order.sample(list(servers), len(servers))
            measured.append({name: load(name, seconds) for name in names})
            console.print(f"round {number + 1} of {rounds}", highlight=False)
    return measured


def main(
    model: ModelName = typer.Option(FLIGHT_DELAY.name, help="The model that is served."),
    rounds: int = typer.Option(10, help="Turns of each variant."),
    seconds: int = typer.Option(4, help="Seconds of load a turn."),
    connections: int = typer.Option(8, help="Connections that wrk keeps busy."),
    seed: Optional[int] = typer.Option(1, help="Seed of the order of the variants."),
    java_cores: Optional[int] = typer.Option(None, min=1, help="Cores that both front ends are told of."),
) -> None:
    """Compare ways of monitoring the same model on one live TorchServe."""
    console = Console(width=150)
    need_wrk(console)
    served = MODELS[model]
    os.environ.update(served.environment)  # the processes of the stack inherit it
    if java_cores is not None:
        os.environ["JAVA_TOOL_OPTIONS"] = f"-XX:ActiveProcessorCount={java_cores}"
    measured = measure_rounds(
        console, served, rounds=rounds, seconds=seconds, connections=connections, seed=seed
    )
    console.print(table(measured, served))
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": {
            "model": served.name,
            "rounds": rounds,
            "seconds": seconds,
            "connections": connections,
            "batch": 1,
            "workers": 1,
            "java_cores": java_cores,
        },
        "rounds": [{name: asdict(load) for name, load in loads.items()} for loads in measured],
    }
    results = results_file(served, java_cores)
    results.write_text(json.dumps(content, indent=1) + "\n")
    if served == FLIGHT_DELAY and java_cores is None:
        console.print(budgets.table({results.stem: content}))
    console.print(f"wrote {results.relative_to(ROOT)}")


if __name__ == "__main__":
    typer.run(main)
