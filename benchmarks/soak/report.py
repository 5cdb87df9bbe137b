"""What the soak found: how fast each process grew, what holds, two tables, and the file of results."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.soak.counts import Line
from benchmarks.soak.growth import (
    BLOCKS,
    CANNOT_TELL,
    FAILS,
    HOLDS,
    HOUR,
    LIMIT,
    MEGABYTE,
    MIN_BLOCK_SAMPLES,
    Estimate,
    difference,
    growth,
    slope,
    verdict,
)
from benchmarks.soak.load import Answers
from benchmarks.soak.watch import Sample, Watched, thinned
from benchmarks.variants import UNWATCHED, WATCHED

PLAIN, MONITORED = UNWATCHED.name, WATCHED.name
UNEQUAL = 0.01  # how far the two models' numbers of requests may be apart
SHOWN_SAMPLES = 200


@dataclass(frozen=True)
class Rates:
    """How fast one process grows: bytes a second, and resident bytes a request that it took part in."""

    resident: Estimate
    private: Estimate
    bytes_a_request: float


def rates(processes: Sequence[Watched], answered: dict[str, float], *, since: float) -> dict[str, Rates]:
    """Fit the growth of every process that lives, from `since` seconds on; by its name.

    answered: requests a second, by model and FRONT_END. TorchServe does not say how many each worker of a model
    served; they are shared out by CPU time.
    """
    living = [process for process in processes if not process.ended]
    spent = {}
    for process in living:
        _, cpu = process.values("cpu_seconds", since=since)
        spent[process.name] = cpu[-1] - cpu[0]
    result = {}
    for process in living:
        of_model = sum(spent[other.name] for other in living if other.model == process.model)
        requests = answered[process.model] * spent[process.name] / of_model
        resident = slope(*process.values("rss_bytes", since=since))
        private = slope(*process.values("private_bytes", since=since))
        result[process.name] = Rates(resident, private, resident.value / requests)
    return result


def growth_line(processes: Sequence[Watched], *, since: float) -> tuple[Line, Estimate | None]:
    """Judge by the rule of growth.py; the estimate is None where there are too few samples."""
    what = "growth of resident memory a worker, monitored less plain"
    expected = f"contains 0, below {LIMIT * HOUR / MEGABYTE:.0f} MB/h"
    growths: dict[str, list[Any]] = {PLAIN: [], MONITORED: []}
    for process in processes:
        if process.model in growths:
            seconds, resident = process.values("rss_bytes", since=since)
            if process.ended or len(seconds) < BLOCKS * MIN_BLOCK_SAMPLES:
                why = "a worker ended" if process.ended else f"{len(seconds)} samples are too few"
                return Line(what, expected, why, CANNOT_TELL), None
            growths[process.model].append(growth(seconds, resident))
    apart = difference(growths[MONITORED], growths[PLAIN])
    return Line(what, expected, f"{interval(apart)} MB/h", verdict(apart)), apart


def steady_line(processes: Sequence[Watched], field: str, what: str, *, since: float) -> Line:
    """Judge whether the monitored workers' highest number in the last quarter is above that in the first one."""
    shown, held = [], True
    for process in processes:
        if process.model != MONITORED:
            continue
        _, found = process.values(field, since=since)
        if process.ended or not found:
            shown.append("ended")
            held = False
            continue
        quarter = max(1, len(found) // 4)
        first, last = max(found[:quarter]), max(found[-quarter:])
        shown.append(f"{first:.0f} → {last:.0f}")
        held = held and last <= first
    return Line(f"{what} of the monitored workers", "no more", ", ".join(shown), HOLDS if held else FAILS)


def equal_line(answers: dict[str, Answers]) -> Line:
    """Judge whether both models got the same number of requests."""
    plain, monitored = answers[PLAIN].answered, answers[MONITORED].answered
    held = abs(plain - monitored) <= UNEQUAL * max(plain, monitored)
    return Line(
        "requests answered by the monitored model, as by the plain one",
        f"{plain:,} ± {UNEQUAL:.0%}",
        f"{monitored:,}",
        HOLDS if held else FAILS,
    )


def interval(estimate: Estimate) -> str:
    """Return MB an hour, and from where to where."""
    value, low, high = estimate.megabytes_an_hour
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def processes_table(processes: Sequence[Watched], grown: dict[str, Rates], *, since: float) -> Table:
    """Return what each process uses, after the warm-up and at the end, and how fast it grows."""
    result = Table(title="From the end of the warm-up to the end; intervals are Theil and Sen's")
    for heading in ("process", "RSS MB", "RSS MB/h", "B a request", "private MB/h", "threads", "open files"):
        result.add_column(heading, justify="left" if heading == "process" else "right")
    for process in processes:
        own = grown.get(process.name)
        if own is None:
            result.add_row(process.name, "ended")
            continue
        kept = [sample for sample in process.samples if sample.seconds >= since]
        first, last = kept[0], kept[-1]
        result.add_row(
            process.name,
            f"{first.rss_bytes / MEGABYTE:.1f} → {last.rss_bytes / MEGABYTE:.1f}",
            interval(own.resident),
            f"{own.bytes_a_request:+.2f}",
            interval(own.private),
            f"{first.threads} → {last.threads}",
            f"{first.files} → {last.files}",
        )
    return result


def lines_table(lines: Sequence[Line]) -> Table:
    """Return what had to hold, and whether it does."""
    result = Table(title="What has to hold")
    for heading in ("what", "expected", "measured", ""):
        result.add_column(heading, justify="right" if heading in ("expected", "measured") else "left")
    for line in lines:
        result.add_row(line.what, line.expected, line.measured, line.state)
    return result


def described(processes: Sequence[Watched], grown: dict[str, Rates]) -> list[dict[str, Any]]:
    """Return each process with its growth and at most SHOWN_SAMPLES of its samples, for the results."""
    return [
        {
            "name": process.name,
            "model": process.model,
            "ended": process.ended,
            "growth": asdict(grown[process.name]) if process.name in grown else None,
            "samples": columns(thinned(process.samples, SHOWN_SAMPLES)),
        }
        for process in processes
    ]


def write(content: dict[str, Any], file: Path) -> None:
    """Write JSON with each list of numbers on one line."""
    text = json.dumps(content, indent=1)
    text = re.sub(r"\[[\s\d.,e+-]+\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n", encoding="utf-8")


def columns(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Return samples as a list a field."""
    return {
        field.name: [round(getattr(sample, field.name), 2) for sample in samples] for field in fields(Sample)
    }
