"""What TorchServe's front end makes of a worker's standard output: the same patterns, in Python."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import NamedTuple

# java.util.Scanner, LINE_SEPARATOR_PATTERN
LINE_ENDS = re.compile("\r\n|[\n\r\u2028\u2029\u0085]")
# frontend: wlm/WorkerLifeCycle.java, METRIC_PATTERN
METRIC = re.compile(r"(INFO > )?(\[METRICS])(.*)", re.DOTALL)
# frontend: metrics/Metric.java, PATTERN
PATTERN = re.compile(
    r"\s*([\w\s]+)\.([\w\s]+):([0-9\-,.e]+)\|#([^|]*)(\|#type:([^|,]+))?\|#hostname:([^,]+),([^,]+)(,(.*))?",
    re.ASCII,
)


class Update(NamedTuple):
    """One update of a metric, as the front end has it."""

    name: str
    kind: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Read(NamedTuple):
    """Updates; lines that were meant as metrics and cannot be parsed; all other lines."""

    updates: list[Update]
    lost: list[str]
    others: list[str]


def read(text: str) -> Read:
    """Read what a worker has written."""
    found = Read([], [], [])
    for line in LINE_ENDS.split(text):
        metric = METRIC.fullmatch(line)
        if metric is None:
            found.others.append(line)
            continue
        update = _parsed(metric[3])
        if update is None:
            found.lost.append(line)
        else:
            found.updates.append(update)
    return found


def series(updates: list[Update]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what a scrape shows after these updates: sums of counters, the last values of gauges."""
    shown: dict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
    for update in updates:
        before = shown[update.name, update.labels] if update.kind != "GAUGE" else 0.0
        shown[update.name, update.labels] = before + update.value
    return dict(shown)


def _parsed(text: str) -> Update | None:
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    try:
        value = float(match[3])
    except ValueError:
        return None
    pairs = (re.sub(":+$", "", part).split(":") for part in match[4].split(","))
    # Java's split leaves out empty parts at the end.
    labels = tuple((pair[0], pair[1]) for pair in pairs if len(pair) == 2)
    return Update(match[1], match[6], labels, value)
