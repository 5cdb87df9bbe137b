"""One Prometheus with our rules over a fleet, and what it takes."""

from __future__ import annotations

import signal
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.machine import ROOT
from stack import programs
from stack.loopback import http
from stack.ports import Ports, url
from stack.waiting import PATIENCE_SECONDS, Program, eventually

SCRAPE_SECONDS = 15
# Rules read ten minutes, which are 40 samples: scraped three times as often, these are there after a third of the time.
FILLING_SECONDS = 5
SAMPLES = 40


@dataclass(frozen=True)
class Rule:
    """A rule's last evaluation."""

    group: str
    name: str
    seconds: float


@dataclass(frozen=True)
class Cost:
    """What a fleet of so many servers costs.

    series: in memory, with those that the rules record. group_seconds: of the
    median evaluation of each group. intervals: seconds from one to the next. processor: cores in use. rss_bytes: of the
    process.
    """

    hosts: int
    series: int
    group_seconds: dict[str, float]
    intervals: dict[str, float]
    processor: float
    rss_bytes: int


class Fleet:
    """A Prometheus that scrapes one page as that of so many servers."""

    def __init__(self, folder: Path, hosts: int, port: int) -> None:
        self.hosts = hosts
        self._page = port
        self._file = folder / "prometheus.yml"
        own = Ports.free().prometheus
        self.address = url(own)
        self._write(FILLING_SECONDS)
        words = programs.prometheus(self._file, data=folder / "data", port=own)
        self._program = Program(words, health=f"{self.address}/-/ready", log=folder / "log")

    def __enter__(self) -> Fleet:
        self._program.start()
        return self

    def __exit__(self, *exception: object) -> None:
        # What it holds is thrown away: it need not write it down first.
        self._program.stop(signal.SIGKILL)

    @property
    def process(self) -> psutil.Process:
        assert self._program.process is not None
        return psutil.Process(self._program.process.pid)

    def fill(self) -> None:
        """Scrape until ten minutes' worth of samples is there, and from then on as often as in production."""
        eventually(
            lambda: value(self.address, "min(count_over_time(up[10m])) or vector(0)") >= SAMPLES,
            f"{SAMPLES} scrapes of each server",
            seconds=20 * SAMPLES * FILLING_SECONDS,
            poll_seconds=FILLING_SECONDS,
        )
        self._write(SCRAPE_SECONDS)
        self.process.send_signal(signal.SIGHUP)

    def _write(self, seconds: int) -> None:
        """Write the configuration, and start the groups anew where it runs."""
        config = {
            "global": {
                "scrape_interval": f"{seconds}s",
                "scrape_timeout": f"{seconds}s",
                "evaluation_interval": "15s",
            },
            "rule_files": [str(ROOT / "prometheus" / part) for part in ("rules.yml", "alerts.yml")],
            "scrape_configs": [
                {
                    "job_name": "torchserve",
                    "static_configs": [
                        {"targets": [f"127.0.0.1:{self._page}"], "labels": {"instance": f"host-{host}:8082"}}
                        for host in range(self.hosts)
                    ],
                }
            ],
        }
        self._file.write_text(yaml.safe_dump(config), encoding="utf-8")


def groups(address: str) -> list[dict[str, Any]]:
    """Return the groups of rules with when and how long each ran."""
    answer = http.get(f"{address}/api/v1/rules", timeout=PATIENCE_SECONDS).raise_for_status().json()
    found: list[dict[str, Any]] = answer["data"]["groups"]
    return found


def rules(address: str) -> list[Rule]:
    """Return the rules, the slowest first."""
    found = [
        Rule(group["name"], rule["name"], rule["evaluationTime"])
        for group in groups(address)
        for rule in group["rules"]
    ]
    return sorted(found, key=lambda rule: -rule.seconds)


def value(address: str, promql: str) -> float:
    """Return the one value of an instant query."""
    answer = http.get(
        f"{address}/api/v1/query", params={"query": promql}, timeout=PATIENCE_SECONDS
    ).raise_for_status()
    return float(answer.json()["data"]["result"][0]["value"][1])


def series(address: str) -> int:
    """Return how many series are in memory, as Prometheus itself counts them: a query would read each."""
    answer = http.get(f"{address}/api/v1/status/tsdb", timeout=PATIENCE_SECONDS).raise_for_status()
    return int(answer.json()["data"]["headStats"]["numSeries"])


def measured(fleet: Fleet, *, seconds: float) -> Cost:
    """Return what it takes over so many seconds, in which each group has run at least once."""
    address, process = fleet.address, fleet.process
    before, begun = sum(process.cpu_times()[:2]), time.monotonic()
    took: dict[str, dict[str, float]] = {}
    intervals: dict[str, float] = {}
    while time.monotonic() - begun < seconds:
        for group in groups(address):
            took.setdefault(group["name"], {})[group["lastEvaluation"]] = group["evaluationTime"]
            intervals[group["name"]] = group["interval"]
        time.sleep(2)
    processor = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - begun)
    return Cost(
        hosts=fleet.hosts,
        series=series(address),
        group_seconds={name: statistics.median(found.values()) for name, found in took.items()},
        intervals=intervals,
        processor=processor,
        rss_bytes=process.memory_info().rss,
    )
