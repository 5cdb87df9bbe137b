"""Wide outputs for two minutes: memory, how regularly values are published, and what is dropped.

    python -m benchmarks.wide_outputs --minutes 2 --rate 100

A classifier of 1,000 classes answers batches of 64, a fixed number of times a second. Memory must be bounded, values
must be published within two flush intervals, and each row is counted, as taken or as dropped.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import psutil
import torch
import typer

from torchvitals import Monitor, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.catalogue import Metric

ROWS, CLASSES = 64, 1000
FLUSH_SECONDS = 5.0
# Of memory, after the first flushes have filled windows and caches.
SETTLED_SECONDS = 30.0
MOST_GROWTH_BYTES = 64 * 2**20


class Timed(MemoryPublisher):
    """Remembers when values came."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge."""
        if metric is m.WINDOW_EVALUATED:
            self.at.append(time.monotonic())
        super().set(metric, labels, value)


def run(minutes: float, rate: float) -> bool:
    """Serve; print what was found, and return whether all of it holds."""
    publisher = Timed()
    monitor = Monitor(MonitoringConfig(flush_interval=FLUSH_SECONDS, warmup=0), publisher)
    monitor.start()
    process, recorder = psutil.Process(), monitor.recorder
    scores = [torch.randn(ROWS, CLASSES) for _ in range(16)]
    began, sent, memory = time.monotonic(), 0, []
    spent = process.cpu_times()
    while time.monotonic() - began < 60 * minutes:
        call = recorder.begin()
        recorder.outputs(call, scores[sent % len(scores)])
        recorder.finish(call, requests=ROWS, failed=0)
        sent += 1
        if sent % 100 == 0:
            memory.append((time.monotonic() - began, process.memory_info().rss))
        time.sleep(max(0.0, began + sent / rate - time.monotonic()))
    now = process.cpu_times()
    monitor.stop()
    taken = publisher.total(m.PREDICTIONS)
    dropped = ROWS * publisher.value(m.MONITOR_DROPPED, "memory_full")
    settled = [rss for after, rss in memory if after >= min(SETTLED_SECONDS, 30 * minutes)]
    gap = float(np.diff([began, *publisher.at]).max())
    cpu = (now.user + now.system - spent.user - spent.system) / (sent * ROWS)
    checks = {
        f"{sent * ROWS:,} rows sent, {taken:,.0f} taken and {dropped:,.0f} dropped": taken + dropped
        == sent * ROWS,
        f"{publisher.value(m.REQUESTS, 'ok'):,.0f} requests counted": publisher.value(m.REQUESTS, "ok")
        == sent * ROWS,
        f"at most {gap:.1f} s between two publications, {2 * FLUSH_SECONDS:.0f} allowed": gap
        <= 2 * FLUSH_SECONDS,
        f"memory grew by {(max(settled) - min(settled)) / 1e6:.1f} MB once settled": max(settled)
        - min(settled)
        <= MOST_GROWTH_BYTES,
        f"{publisher.total(m.MONITOR_ERRORS):.0f} faults": publisher.total(m.MONITOR_ERRORS) == 0,
    }
    for text, holds in checks.items():
        print(f"{'holds' if holds else 'FAILS'}  {text}")
    print(f"{cpu * 1e6:.1f} µs of CPU a row, that of serving included")
    return all(checks.values())


def main(
    minutes: float = typer.Option(2.0, help="How long to serve."),
    rate: float = typer.Option(100.0, help="Batches a second."),
) -> None:
    """Serve wide outputs at a fixed rate."""
    sys.exit(0 if run(minutes, rate) else 1)


if __name__ == "__main__":
    typer.run(main)
