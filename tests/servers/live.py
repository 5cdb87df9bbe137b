"""Servers of this project's examples, and a Prometheus with our rules that scrapes them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from stack import programs
from stack.loopback import http
from stack.waiting import Program, eventually, without_proxies

ROOT = Path(__file__).resolve().parents[2]
SCRAPE_SECONDS = 1


@contextmanager
def server(words: list[str], *, health: str, log: Path, **environment: str) -> Iterator[Program]:
    """Run a Python program that serves, from when it answers on; all its processes have ended at the end."""
    variables = {**without_proxies(), **environment}
    program = Program([sys.executable, *words], health=health, log=log, folder=ROOT, environment=variables)
    with program:
        assert program.process is not None
        everyone = [program.process.pid]
        everyone += [child.pid for child in psutil.Process(program.process.pid).children(recursive=True)]
        try:
            yield program
        finally:
            # LitServe ends its workers at Ctrl-C alone.
            program.stop(signal.SIGINT)
            eventually(lambda: not any(map(running, everyone)), f"{everyone} to end")


def running(pid: int) -> bool:
    """Tell whether a process runs; one that nobody waits for has ended too."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def prometheus(
    folder: Path, port: int, jobs: dict[str, list[str]], *, seconds: int = SCRAPE_SECONDS
) -> Iterator[str]:
    """Run a Prometheus that scrapes jobs, host and port each, and judges by our rules; give its address.

    seconds: from one scrape to the next.
    """
    files: dict[str, Any] = {
        "rules.yml": rules("rules.yml", interval=None),
        "alerts.yml": rules("alerts.yml", **{"for": None}),
        "prometheus.yml": {
            "global": {"scrape_interval": f"{seconds}s", "evaluation_interval": f"{seconds}s"},
            "rule_files": [str(folder / "rules.yml"), str(folder / "alerts.yml")],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": targets}]} for job, targets in jobs.items()
            ],
        },
    }
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    address = f"http://127.0.0.1:{port}"
    words = programs.prometheus(folder / "prometheus.yml", data=folder / "data", port=port)
    with Program(words, health=f"{address}/-/ready", log=folder / "prometheus.log"):
        yield address


def rules(name: str, **without: None) -> dict[str, Any]:
    """Return a file of our rules without the waiting times that are longer than a test."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / name).read_text(encoding="utf-8"))
    for group in content["groups"]:
        for part in (group, *group["rules"]):
            for key in without:
                part.pop(key, None)
    return content


def query(address: str, promql: str) -> dict[str, float]:
    """Return the value of each series of an instant query, by its job."""
    answer = http.get(f"{address}/api/v1/query", params={"query": promql}, timeout=30)
    found = answer.raise_for_status().json()["data"]["result"]
    return {series["metric"].get("job", ""): float(series["value"][1]) for series in found}
