"""What the processes under the soak use: memory, threads, open files and CPU time, sampled from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from benchmarks.server import cpu_seconds, front_end

FRONT_END = "front end"


@dataclass(frozen=True)
class Sample:
    """One look at a process. seconds: since the soak began; private: memory that no other process shares."""

    seconds: float
    rss_bytes: int
    private_bytes: int
    threads: int
    files: int
    cpu_seconds: float


@dataclass
class Watched:
    """A process and what was seen of it. model: whose worker it is, or FRONT_END."""

    model: str
    worker: str
    process: psutil.Process
    samples: list[Sample] = field(default_factory=list)
    ended: bool = False

    @property
    def name(self) -> str:
        """What a reader calls it."""
        return self.model if self.model == FRONT_END else f"{self.model} {self.worker}"

    def look(self, seconds: float) -> None:
        """Take a sample; a process that is gone is marked as ended, and looked at no more."""
        if self.ended:
            return
        try:
            memory = self.process.memory_full_info()
            self.samples.append(
                Sample(
                    seconds=seconds,
                    rss_bytes=memory.rss,
                    private_bytes=memory.uss,
                    threads=self.process.num_threads(),
                    files=self.process.num_fds(),
                    cpu_seconds=cpu_seconds(self.process),
                )
            )
        except psutil.NoSuchProcess:
            self.ended = True

    def values(self, field_name: str, *, since: float = 0.0) -> tuple[list[float], list[float]]:
        """Return seconds and one field of the samples from `since` seconds on."""
        kept = [sample for sample in self.samples if sample.seconds >= since]
        return [sample.seconds for sample in kept], [float(getattr(sample, field_name)) for sample in kept]


def watched(described: Mapping[str, Sequence[Mapping[str, str]]]) -> list[Watched]:
    """Return the workers of each model, as TorchServe's management API lists them, then its front end."""
    found = [
        Watched(model, worker["id"], psutil.Process(int(worker["pid"])))
        for model, workers in described.items()
        for worker in sorted(workers, key=lambda worker: worker["id"])
    ]
    server = front_end(found[0].process)
    return [*found, Watched(FRONT_END, "", server)]


def thinned(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Return at most `most` samples, evenly spread, the first and the last among them."""
    if len(samples) <= most:
        return list(samples)
    return [samples[round(index * (len(samples) - 1) / (most - 1))] for index in range(most)]
