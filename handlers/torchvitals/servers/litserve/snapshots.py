"""Series of several workers on one page: each worker keeps its own in a file, and the page adds them up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ...telemetry.catalogue import Metric, flat
from ...telemetry.publisher import Publisher

SUFFIX = ".msgpack"

Labels = tuple[str, ...]
# The name of a metric, label values, value.
Series = tuple[str, Labels, float]


class SnapshotPublisher:
    """Keeps the series of one worker, and writes them into a file at each flush, whole or not at all.

    A worker that is started anew goes on with the counters of the one before it, so that the sum over all workers never
    falls.
    """

    def __init__(self, folder: Path, worker: str) -> None:
        self._file = folder / f"{worker}{SUFFIX}"
        self._series: dict[tuple[str, Labels], float] = {
            (metric.name, labels): value
            for metric, labels, value in _read(self._file)
            if metric.type == "counter"
        }

    def increase(self, metric: Metric, labels: Labels, amount: float) -> None:
        """Add to a counter."""
        key = (metric.name, labels)
        self._series[key] = self._series.get(key, 0.0) + float(amount)

    def set(self, metric: Metric, labels: Labels, value: float) -> None:
        """Set a gauge."""
        self._series[metric.name, labels] = float(value)

    def flush(self) -> None:
        """Write the file. Raises OSError."""
        # A version of torch is a text of a class of its own, which the encoder does not know.
        series = [(name, tuple(map(str, labels)), value) for (name, labels), value in self._series.items()]
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(msgspec.msgpack.encode(series))
        unfinished.replace(self._file)

    def forked(self) -> None:
        """Begin anew in a forked process, in a file of its own."""
        self._series.clear()
        self._file = self._file.with_name(f"{self._file.stem}-{os.getpid()}{SUFFIX}")


def add_up(folder: Path, publisher: Publisher) -> None:
    """Give a publisher what all workers wrote: counters added, gauges as they are, which have a `worker` label."""
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        for metric, labels, value in _read(file):
            if metric.type == "counter":
                publisher.increase(metric, labels, value)
            else:
                publisher.set(metric, labels, value)


def _read(file: Path) -> Iterator[tuple[Metric, Labels, float]]:
    try:
        written = file.read_bytes()
    except FileNotFoundError:
        return
    metrics = {metric.name: metric for metric in flat()}
    for name, labels, value in msgspec.msgpack.decode(written, type=list[Series]):
        yield metrics[name], labels, value
